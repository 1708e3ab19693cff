package io.ferrymq.client;

import io.ferrymq.v1.Message;
import io.ferrymq.v1.MessagingServiceGrpc;
import io.ferrymq.v1.PublishConfirm;
import io.ferrymq.v1.PublishRequest;
import io.ferrymq.v1.PublishResult;
import io.ferrymq.v1.PublishStreamRequest;
import io.ferrymq.v1.PublishStreamResponse;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;

/** Owns a publisher's stream, over reconnects: sends what the {@link Outbox} has, and hands on what is confirmed. */
final class PublishEngine {
    /** IDLE: no stream, and nothing to send. BROKEN: waits for the next attempt. */
    private enum Link {
        IDLE,
        OPEN,
        BROKEN,
        ENDED
    }

    private final Connection connection;
    private final PublishRequest template;
    private final Duration publishTimeout;
    private final Outbox outbox;
    private final CompletableFuture<Void> ended = new CompletableFuture<>();

    private final ReentrantLock lock = new ReentrantLock();
    // All of what follows is under the lock, which comes before the outbox's.
    private final Backoff backoff;
    private Link link = Link.IDLE;
    private Call<PublishStreamRequest, PublishStreamResponse> call;
    private boolean sending;
    private boolean lingering;
    private boolean halfClosed;

    PublishEngine(Connection connection, Destination destination, PublisherOptions options) {
        this.connection = connection;
        PublishRequest.Builder request = destination.request().setRequireRoute(options.requireRoute);
        if (options.waitForRoom != null) {
            request.setWaitForRoom(Durations.wire(options.waitForRoom));
        }
        template = request.build();
        publishTimeout = options.publishTimeout;
        backoff = connection.backoff();
        outbox = new Outbox(options);
    }

    CompletableFuture<PublishResult> publish(Message message) {
        CompletableFuture<PublishResult> confirm = new CompletableFuture<>();
        if (outbox.add(message, confirm)) {
            pump();
        }
        return confirm;
    }

    void flush() {
        outbox.hurry();
        pump();
        outbox.await();
    }

    /** Until everything is answered; each message is tried for at most its publish timeout while the connection is broken. */
    void close() {
        outbox.close();
        pump();
        Futures.get(ended);
        outbox.await();
    }

    /** Opens a stream if there is none, and sends what there is to send unless another thread does. */
    private void pump() {
        boolean opens = false;
        boolean sends;
        lock.lock();
        try {
            if (link == Link.IDLE && !outbox.isEmpty()) {
                link = Link.OPEN;
                opens = true;
            } else if (link == Link.IDLE && outbox.isDone()) {
                end();
            }
            sends = maySend();
        } finally {
            lock.unlock();
        }
        if (opens) {
            open();
        } else if (sends) {
            send();
        }
    }

    /** Only who set `link` to OPEN comes here. */
    private void open() {
        Call<PublishStreamRequest, PublishStreamResponse> next =
                connection.stream(MessagingServiceGrpc.getPublishStreamMethod());
        lock.lock();
        try {
            call = next;
            halfClosed = false;
        } finally {
            lock.unlock();
        }
        next.start(new Stream(next), 2);
        pump();
    }

    /** True for the one thread that sends until there is nothing more to send. */
    private boolean maySend() {
        if (sending || call == null || !hasMore()) {
            return false;
        }
        sending = call.isReady();
        return sending;
    }

    private boolean hasMore() {
        long wait = outbox.ready();
        if (wait > 0 && wait != BatchBuffer.NOTHING && !lingering) {
            lingering = true;
            connection.timer.schedule(this::lingered, wait, TimeUnit.NANOSECONDS);
        }
        return wait == 0 || !halfClosed && outbox.isDone();
    }

    private void lingered() {
        lock.lock();
        lingering = false;
        lock.unlock();
        pump();
    }

    private void send() {
        while (true) {
            Batch batch;
            Call<PublishStreamRequest, PublishStreamResponse> on;
            lock.lock();
            try {
                if (call == null || !hasMore() || !call.isReady()) {
                    sending = false;
                    return;
                }
                on = call;
                batch = outbox.next();
                halfClosed = batch == null;
            } finally {
                lock.unlock();
            }
            // To a stream that has ended meanwhile this does nothing: the batch is among those that go again.
            if (batch == null) {
                on.halfClose();
            } else {
                on.send(batch.request(template));
            }
        }
    }

    private final class Stream implements Call.Events<PublishStreamResponse> {
        private final Call<PublishStreamRequest, PublishStreamResponse> of;

        Stream(Call<PublishStreamRequest, PublishStreamResponse> of) {
            this.of = of;
        }

        @Override
        public void message(PublishStreamResponse response) {
            of.take(1);
            confirmed(response.getConfirmsList());
            pump();
        }

        @Override
        public void ready() {
            pump();
        }

        @Override
        public void closed(FerryException error) {
            broken(error);
        }
    }

    private void confirmed(List<PublishConfirm> confirms) {
        List<Batch> batches = outbox.answered(confirms);
        lock.lock();
        backoff.reset();
        lock.unlock();
        // Elsewhere, as what hangs on a confirm may publish and wait for room, which the next confirms give.
        connection.executor.execute(() -> answer(batches, confirms));
    }

    private void answer(List<Batch> batches, List<PublishConfirm> confirms) {
        long messages = 0;
        for (int at = 0; at < batches.size(); at++) {
            Batch batch = batches.get(at);
            if (batch != null) {
                batch.answer(confirms.get(at));
                messages += batch.confirms.size();
            }
        }
        outbox.told(messages);
    }

    /** The stream has ended; `error` is null if the broker ended it in order. */
    private void broken(FerryException error) {
        FerryException why = error == null ? FerryException.unavailable("the publish stream ended early") : error;
        List<Batch> lost = List.of();
        lock.lock();
        try {
            call = null;
            outbox.startAgain();
            if (outbox.isDone() || !why.isPassing()) {
                lost = outbox.end(why);
                end();
            } else {
                link = outbox.isEmpty() ? Link.IDLE : Link.BROKEN;
            }
        } finally {
            lock.unlock();
        }
        FerryException unknown =
                FerryException.unavailable("not known whether it is stored: the publish stream ended with " + why.code()
                        + ": " + why.getMessage());
        // Of what was sent nobody knows, whatever the code: it may be a proxy's, and the confirm lost on the way.
        refuse(lost, batch -> batch.wasSent() ? unknown : why);
        tryLater(why);
    }

    private void end() {
        link = Link.ENDED;
        ended.complete(null);
    }

    /** After a break: the next attempt, or the end of the patience for the oldest message if that is sooner. */
    private void tryLater(FerryException error) {
        Duration pause;
        long wait;
        lock.lock();
        try {
            if (link != Link.BROKEN) {
                return;
            }
            pause = backoff.next(error.retryAfter().orElse(null));
            long expiry = outbox.oldest() + publishTimeout.toNanos() - System.nanoTime();
            wait = Math.max(0, Math.min(pause.toNanos(), expiry));
        } finally {
            lock.unlock();
        }
        Log.warn("publish stream broke off, trying again in " + pause.toMillis() + " ms: " + error.getMessage());
        connection.timer.schedule(() -> again(error), wait, TimeUnit.NANOSECONDS);
    }

    private void again(FerryException error) {
        List<Batch> late;
        lock.lock();
        try {
            late = outbox.giveUp(System.nanoTime() - publishTimeout.toNanos());
            link = Link.IDLE;
        } finally {
            lock.unlock();
        }
        String why = "not confirmed within " + publishTimeout + ": " + error.getMessage();
        refuse(late, batch -> FerryException.unavailable(why));
        pump();
    }

    private void refuse(List<Batch> lost, Function<Batch, FerryException> why) {
        if (!lost.isEmpty()) {
            connection.executor.execute(() -> {
                lost.forEach(batch -> batch.refuse(why.apply(batch)));
                outbox.told(
                        lost.stream().mapToLong(batch -> batch.confirms.size()).sum());
            });
        }
    }
}
