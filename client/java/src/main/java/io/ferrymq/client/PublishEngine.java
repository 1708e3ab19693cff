package io.ferrymq.client;

import io.ferrymq.v1.Message;
import io.ferrymq.v1.MessagingServiceGrpc;
import io.ferrymq.v1.PublishConfirm;
import io.ferrymq.v1.PublishRequest;
import io.ferrymq.v1.PublishResult;
import io.ferrymq.v1.PublishStreamRequest;
import io.ferrymq.v1.PublishStreamResponse;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** Owns a publisher's stream and all that is unconfirmed, over reconnects. */
final class PublishEngine {
    /** What a message takes beside its bytes. */
    private static final int OVERHEAD_BYTES = 64;

    /** IDLE: no stream, and nothing to send. BROKEN: waits for the next attempt. */
    private enum Link {
        IDLE,
        OPEN,
        BROKEN,
        ENDED
    }

    private final Connection connection;
    private final PublishRequest template;
    private final PublisherOptions options;
    private final Backoff backoff;
    private final CompletableFuture<Void> ended = new CompletableFuture<>();

    private final ReentrantLock lock = new ReentrantLock();
    /** More room, more answered, or the end. */
    private final Condition changed = lock.newCondition();
    // All of what follows is under the lock.
    private final BatchBuffer buffer;
    private final Deque<Batch> unconfirmed = new ArrayDeque<>();
    private Link link = Link.IDLE;
    private Call<PublishStreamRequest, PublishStreamResponse> call;
    private FerryException failure;
    private long free;
    private long published;
    private long answered;
    private long lastId;
    private boolean sending;
    private boolean lingering;
    private boolean closing;
    private boolean halfClosed;

    PublishEngine(Connection connection, Destination destination, PublisherOptions options) {
        this.connection = connection;
        this.options = options;
        PublishRequest.Builder request = destination.request().setRequireRoute(options.requireRoute);
        if (options.waitForRoom != null) {
            request.setWaitForRoom(Durations.wire(options.waitForRoom));
        }
        template = request.build();
        backoff = connection.backoff();
        free = options.unconfirmedBytes;
        buffer = new BatchBuffer(options.linger.toNanos(), options.batchMessages, options.batchBytes);
    }

    CompletableFuture<PublishResult> publish(Message message) {
        CompletableFuture<PublishResult> confirm = new CompletableFuture<>();
        int bytes = Math.min(message.getSerializedSize() + OVERHEAD_BYTES, options.unconfirmedBytes);
        boolean opens;
        boolean sends;
        lock.lock();
        try {
            while (free < bytes && !isOver()) {
                changed.await();
            }
            if (isOver()) {
                confirm.completeExceptionally(whyOver());
                return confirm;
            }
            free -= bytes;
            published++;
            buffer.add(message, bytes, confirm, System.nanoTime());
            opens = mayOpen();
            sends = maySend();
        } catch (InterruptedException e) {
            throw FerryException.interrupted();
        } finally {
            lock.unlock();
        }
        if (opens) {
            open();
        }
        if (sends) {
            send();
        }
        return confirm;
    }

    private boolean isOver() {
        return closing || link == Link.ENDED;
    }

    private FerryException whyOver() {
        return failure == null ? FerryException.unavailable("the publisher is closed") : failure;
    }

    void flush() {
        lock.lock();
        try {
            buffer.hurry();
        } finally {
            lock.unlock();
        }
        pump();
        lock.lock();
        try {
            long all = published;
            while (answered < all) {
                changed.await();
            }
        } catch (InterruptedException e) {
            throw FerryException.interrupted();
        } finally {
            lock.unlock();
        }
    }

    /** Until everything is answered; each message is tried for at most its publish timeout while the connection is broken. */
    void close() {
        boolean idle;
        lock.lock();
        try {
            closing = true;
            buffer.hurry();
            changed.signalAll();
            idle = link == Link.IDLE && buffer.isEmpty();
            if (idle) {
                link = Link.ENDED;
            }
        } finally {
            lock.unlock();
        }
        if (idle) {
            ended.complete(null);
        }
        pump();
        Futures.get(ended);
        flush();
    }

    private boolean mayOpen() {
        boolean opens = link == Link.IDLE && !buffer.isEmpty();
        if (opens) {
            link = Link.OPEN;
        }
        return opens;
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

    /** Sends what there is to send, unless another thread does. */
    private void pump() {
        boolean sends;
        lock.lock();
        try {
            sends = maySend();
        } finally {
            lock.unlock();
        }
        if (sends) {
            send();
        }
    }

    /** True for the one thread that sends until there is nothing more to send. */
    private boolean maySend() {
        if (sending || call == null || !call.isReady()) {
            return false;
        }
        sending = isReady();
        return sending;
    }

    private boolean isReady() {
        long wait = buffer.ready(unconfirmed.size(), System.nanoTime());
        if (wait > 0 && wait != BatchBuffer.NOTHING && !lingering) {
            lingering = true;
            connection.timer.schedule(this::lingered, wait, TimeUnit.NANOSECONDS);
        }
        return wait == 0 || isDone() && !halfClosed;
    }

    private boolean isDone() {
        return closing && buffer.isEmpty() && unconfirmed.isEmpty();
    }

    private void lingered() {
        lock.lock();
        lingering = false;
        lock.unlock();
        pump();
    }

    private void send() {
        while (true) {
            Batch batch = null;
            Call<PublishStreamRequest, PublishStreamResponse> on;
            lock.lock();
            try {
                if (call == null || !call.isReady() || !isReady()) {
                    sending = false;
                    return;
                }
                on = call;
                if (isDone()) {
                    halfClosed = true;
                } else {
                    batch = buffer.take();
                    batch.id = batch.id == 0 ? ++lastId : batch.id;
                    unconfirmed.add(batch);
                }
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
            confirmed(response);
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

    private void confirmed(PublishStreamResponse response) {
        List<Batch> batches = new ArrayList<>(response.getConfirmsCount());
        lock.lock();
        try {
            backoff.reset();
            for (PublishConfirm confirm : response.getConfirmsList()) {
                Batch batch = unconfirmed(confirm.getId());
                batches.add(batch);
                free += batch == null ? 0 : batch.bytes;
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        // Elsewhere, as what hangs on a confirm may publish and wait for room, which the next confirms give.
        connection.executor.execute(() -> answer(batches, response.getConfirmsList()));
    }

    private Batch unconfirmed(long id) {
        Batch first = unconfirmed.peekFirst();
        if (first != null && first.id == id) {
            return unconfirmed.pollFirst();
        }
        Batch found =
                unconfirmed.stream().filter(batch -> batch.id == id).findFirst().orElse(null);
        unconfirmed.remove(found);
        return found;
    }

    private void answer(List<Batch> batches, List<PublishConfirm> confirms) {
        long count = 0;
        for (int at = 0; at < batches.size(); at++) {
            Batch batch = batches.get(at);
            PublishConfirm confirm = confirms.get(at);
            if (batch == null) {
                continue;
            }
            if (confirm.hasConfirmed()) {
                batch.confirm(confirm.getConfirmed().getResultsList());
            } else {
                fail(batch, Errors.of(confirm.getFailure()));
            }
            count += batch.confirms.size();
        }
        count(count);
    }

    private static void fail(Batch batch, FerryException error) {
        if (!batch.fail(error)) {
            Log.warn("a batch of " + batch.confirms.size() + " messages that nobody waits for was refused: "
                    + error.getMessage());
        }
    }

    private void count(long more) {
        lock.lock();
        try {
            answered += more;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** The stream has ended; `error` is null if the broker ended it in order. */
    private void broken(FerryException error) {
        List<Batch> lost = new ArrayList<>();
        boolean over;
        FerryException why = error == null ? FerryException.unavailable("the publish stream ended early") : error;
        lock.lock();
        try {
            call = null;
            buffer.putBack(unconfirmed);
            over = isDone() || !why.isPassing();
            if (!over) {
                link = buffer.isEmpty() ? Link.IDLE : Link.BROKEN;
            } else {
                end(why, lost);
            }
        } finally {
            lock.unlock();
        }
        give(lost, why);
        if (over) {
            ended.complete(null);
        } else {
            later(why);
        }
    }

    private void end(FerryException why, List<Batch> lost) {
        failure = isDone() ? null : why;
        link = Link.ENDED;
        while (!buffer.isEmpty()) {
            lost.add(buffer.take());
        }
        changed.signalAll();
    }

    private void give(List<Batch> lost, FerryException error) {
        if (!lost.isEmpty()) {
            connection.executor.execute(() -> {
                lost.forEach(batch -> fail(batch, error));
                count(lost.stream().mapToLong(batch -> batch.confirms.size()).sum());
            });
        }
    }

    /** After a break: the next attempt, or the end of the patience for the oldest message if that is sooner. */
    private void later(FerryException error) {
        Duration pause;
        long wait;
        lock.lock();
        try {
            if (link != Link.BROKEN) {
                return;
            }
            pause = backoff.next(error.retryAfter().orElse(null));
            long expiry = buffer.first().since + options.publishTimeout.toNanos() - System.nanoTime();
            wait = Math.max(0, Math.min(pause.toNanos(), expiry));
        } finally {
            lock.unlock();
        }
        Log.warn("publish stream broke off, trying again in " + pause.toMillis() + " ms: " + error.getMessage());
        connection.timer.schedule(() -> again(error), wait, TimeUnit.NANOSECONDS);
    }

    private void again(FerryException error) {
        List<Batch> late = new ArrayList<>();
        boolean opens;
        boolean over;
        lock.lock();
        try {
            long oldest = System.nanoTime() - options.publishTimeout.toNanos();
            while (!buffer.isEmpty() && buffer.first().since - oldest <= 0) {
                Batch batch = buffer.take();
                free += batch.bytes;
                late.add(batch);
            }
            changed.signalAll();
            link = Link.IDLE;
            opens = mayOpen();
            over = isDone();
            if (over) {
                link = Link.ENDED;
            }
        } finally {
            lock.unlock();
        }
        give(
                late,
                FerryException.unavailable(
                        "not confirmed within " + options.publishTimeout + ": " + error.getMessage()));
        if (opens) {
            open();
        } else if (over) {
            ended.complete(null);
        }
    }
}
