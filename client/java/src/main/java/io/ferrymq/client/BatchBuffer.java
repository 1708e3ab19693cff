package io.ferrymq.client;

import io.ferrymq.v1.Message;
import io.ferrymq.v1.PublishResult;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.concurrent.CompletableFuture;

/** Messages on their way into a batch, and batches that go again. Its owner lets in one thread at a time. */
final class BatchBuffer {
    /** Nothing to send, however long one waits. */
    static final long NOTHING = Long.MAX_VALUE;
    /** So many unconfirmed batches keep the connection busy; more of them have to be full. */
    private static final int UNCONFIRMED_BATCHES = 2;

    private final long lingerNanos;
    private final int messagesMax;
    private final long bytesMax;
    private final Deque<Batch> batches = new ArrayDeque<>();
    private boolean hurry;

    BatchBuffer(long lingerNanos, int messagesMax, long bytesMax) {
        this.lingerNanos = lingerNanos;
        this.messagesMax = messagesMax;
        this.bytesMax = bytesMax;
    }

    /** True if it begins a batch or fills one. */
    boolean add(Message message, long bytes, CompletableFuture<PublishResult> confirm) {
        Batch last = batches.peekLast();
        boolean begins = last == null || last.id != 0 || isFull(last) || last.bytes + bytes > bytesMax;
        if (begins) {
            last = new Batch(System.nanoTime());
            batches.add(last);
        }
        last.add(message, bytes, confirm);
        return begins || isFull(last);
    }

    private boolean isFull(Batch batch) {
        return batch.confirms.size() >= messagesMax || batch.bytes >= bytesMax;
    }

    /** In how many nanoseconds there is a batch to send, with so many unconfirmed: 0 is now, {@link #NOTHING} not by itself. */
    long ready(int unconfirmed, long now) {
        Batch first = batches.peekFirst();
        if (first == null) {
            return NOTHING;
        }
        if (first.id != 0 || batches.size() > 1 || isFull(first)) {
            return 0;
        }
        if (unconfirmed >= UNCONFIRMED_BATCHES) {
            return NOTHING;
        }
        return hurry ? 0 : Math.max(0, first.since + lingerNanos - now);
    }

    /** The next batch, or null. */
    Batch take() {
        Batch first = batches.pollFirst();
        hurry &= !batches.isEmpty();
        return first;
    }

    /** What was sent and not confirmed goes before all else, in order. */
    void putBack(Deque<Batch> unconfirmed) {
        Iterator<Batch> newestFirst = unconfirmed.descendingIterator();
        while (newestFirst.hasNext()) {
            batches.addFirst(newestFirst.next());
        }
        unconfirmed.clear();
    }

    /** Sends what is there without lingering. */
    void hurry() {
        hurry = !batches.isEmpty();
    }

    boolean isEmpty() {
        return batches.isEmpty();
    }

    /** The batch that waits longest, or null. */
    Batch first() {
        return batches.peekFirst();
    }
}
