package io.ferrymq.client;

import io.ferrymq.v1.Message;
import io.ferrymq.v1.PublishConfirm;
import io.ferrymq.v1.PublishResult;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** Owns what is published and not answered: batches to send, batches on their way, and the room they leave. */
final class Outbox {
    /** What a message takes beside its bytes. */
    private static final int OVERHEAD_BYTES = 64;

    private final int bytesMax;
    private final ReentrantLock lock = new ReentrantLock();
    /** More room, more answered, or the end. */
    private final Condition changed = lock.newCondition();
    // All of what follows is under the lock.
    private final BatchBuffer unsent;
    private final Deque<Batch> unconfirmed = new ArrayDeque<>();
    private long free;
    private long published;
    private long answered;
    private long lastId;
    private boolean closing;
    /** Why nothing more is taken. */
    private FerryException over;
    /** What ended the stream for good, by itself. */
    private FerryException failure;

    Outbox(PublisherOptions options) {
        bytesMax = options.unconfirmedBytes;
        free = bytesMax;
        unsent = new BatchBuffer(options.linger.toNanos(), options.batchMessages, options.batchBytes);
    }

    /** Takes a message, waiting for room. True if there may be more to send than before: it begins or fills a batch. */
    boolean add(Message message, CompletableFuture<PublishResult> confirm) {
        int bytes = Math.min(message.getSerializedSize() + OVERHEAD_BYTES, bytesMax);
        lock.lock();
        try {
            while (free < bytes && over == null) {
                changed.await();
            }
            if (over != null) {
                // Nobody can hang on it yet.
                confirm.completeExceptionally(over);
                return false;
            }
            free -= bytes;
            published++;
            return unsent.add(message, bytes, confirm);
        } catch (InterruptedException e) {
            throw FerryException.interrupted();
        } finally {
            lock.unlock();
        }
    }

    /** As {@link BatchBuffer#ready}. */
    long ready() {
        lock.lock();
        try {
            return unsent.ready(unconfirmed.size(), System.nanoTime());
        } finally {
            lock.unlock();
        }
    }

    boolean isEmpty() {
        lock.lock();
        try {
            return unsent.isEmpty() && unconfirmed.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    /** Whether nothing is left and nothing more comes. */
    boolean isDone() {
        lock.lock();
        try {
            return closing && isEmpty();
        } finally {
            lock.unlock();
        }
    }

    /** The next batch to send, or null; from here on it waits for its confirm. */
    Batch next() {
        lock.lock();
        try {
            Batch batch = unsent.take();
            if (batch != null) {
                batch.id = batch.id == 0 ? ++lastId : batch.id;
                unconfirmed.add(batch);
            }
            return batch;
        } finally {
            lock.unlock();
        }
    }

    /** The batches that were answered, null for each that is not known. Their room is free; who waits for them is told by {@link #told}. */
    List<Batch> answered(List<PublishConfirm> confirms) {
        List<Batch> batches = new ArrayList<>(confirms.size());
        lock.lock();
        try {
            for (PublishConfirm confirm : confirms) {
                Batch batch = unconfirmed(confirm.getId());
                free += batch == null ? 0 : batch.bytes;
                batches.add(batch);
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        return batches;
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

    /** So many messages more have been answered, and everyone who waited for their confirms knows. */
    void told(long messages) {
        lock.lock();
        try {
            answered += messages;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Sends what is there without lingering. */
    void hurry() {
        lock.lock();
        try {
            unsent.hurry();
        } finally {
            lock.unlock();
        }
    }

    /** Waits until all that was published before is answered. Fails if the stream has ended by itself. */
    void await() {
        lock.lock();
        try {
            long all = published;
            while (answered < all) {
                changed.await();
            }
            if (failure != null) {
                throw failure.here();
            }
        } catch (InterruptedException e) {
            throw FerryException.interrupted();
        } finally {
            lock.unlock();
        }
    }

    /** A stream has ended: what was not confirmed goes again, in order and before all else. */
    void startAgain() {
        lock.lock();
        try {
            unsent.putBack(unconfirmed);
        } finally {
            lock.unlock();
        }
    }

    /** When the oldest message to be sent was published. There has to be one. */
    long oldest() {
        lock.lock();
        try {
            return unsent.first().since;
        } finally {
            lock.unlock();
        }
    }

    /** Takes out what is to be sent and was published no later than this. */
    List<Batch> giveUp(long published) {
        List<Batch> late = new ArrayList<>();
        lock.lock();
        try {
            while (!unsent.isEmpty() && unsent.first().since - published <= 0) {
                Batch batch = unsent.take();
                free += batch.bytes;
                late.add(batch);
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        return late;
    }

    /** Takes no more; what was taken goes on, without lingering. */
    void close() {
        lock.lock();
        try {
            closing = true;
            over = over == null ? FerryException.unavailable("the publisher is closed") : over;
            unsent.hurry();
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Takes no more, and takes out all that is to be sent: the stream has ended for good. */
    List<Batch> end(FerryException why) {
        List<Batch> all = new ArrayList<>();
        lock.lock();
        try {
            failure = isDone() ? null : why;
            over = over == null ? why : over;
            while (!unsent.isEmpty()) {
                all.add(unsent.take());
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        return all;
    }
}
