package io.ferrymq.client;

import io.ferrymq.v1.Message;
import io.ferrymq.v1.PublishConfirm;
import io.ferrymq.v1.PublishRequest;
import io.ferrymq.v1.PublishResult;
import io.ferrymq.v1.PublishStreamRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** Messages that are confirmed or refused together. */
final class Batch {
    final List<Message> messages = new ArrayList<>();
    final List<CompletableFuture<PublishResult>> confirms = new ArrayList<>();
    /** When its oldest message was published, by {@link System#nanoTime}. */
    final long since;

    long bytes;
    /** Of the stream; 0 until it is sent, and from then on nothing more comes to it. */
    long id;

    private PublishStreamRequest request;

    Batch(long since) {
        this.since = since;
    }

    void add(Message message, long bytes, CompletableFuture<PublishResult> confirm) {
        messages.add(message);
        confirms.add(confirm);
        this.bytes += bytes;
    }

    /** On this stream or on one before it. */
    boolean wasSent() {
        return id != 0;
    }

    /** The same each time it is sent. */
    PublishStreamRequest request(PublishRequest template) {
        if (request == null) {
            PublishRequest.Builder batch = template.toBuilder().addAllMessages(messages);
            request =
                    PublishStreamRequest.newBuilder().setId(id).setBatch(batch).build();
            // The request has them.
            messages.clear();
        }
        return request;
    }

    /** Tells everyone who waits. */
    void answer(PublishConfirm confirm) {
        if (confirm.hasConfirmed()) {
            confirm(confirm.getConfirmed().getResultsList());
        } else {
            refuse(Errors.of(confirm.getFailure()));
        }
    }

    private void confirm(List<PublishResult> results) {
        for (int at = 0; at < confirms.size(); at++) {
            if (at < results.size()) {
                confirms.get(at).complete(results.get(at));
            } else {
                confirms.get(at)
                        .completeExceptionally(FerryException.unavailable("the broker confirmed too few messages"));
            }
        }
    }

    /** Tells everyone who waits, or the log if nobody does. */
    void refuse(FerryException error) {
        boolean somebody = false;
        for (CompletableFuture<PublishResult> confirm : confirms) {
            somebody |= confirm.getNumberOfDependents() > 0;
            confirm.completeExceptionally(error);
        }
        if (!somebody) {
            Log.warn("a batch of " + confirms.size() + " messages that nobody waits for was refused: "
                    + error.getMessage());
        }
    }
}
