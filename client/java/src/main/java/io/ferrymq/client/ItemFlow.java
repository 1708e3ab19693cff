package io.ferrymq.client;

import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** Gives what is buffered to one subscriber, as it asks for it, one after the other. */
final class ItemFlow<T> implements Flow.Subscription {
    private final ItemBuffer<T> buffer;
    private final Executor executor;
    private final Flow.Subscriber<? super T> subscriber;
    private final Runnable cancelled;
    private final AtomicLong demand = new AtomicLong();
    /** Above 0 while a thread gives: who raises it from 0 is that thread. */
    private final AtomicInteger signals = new AtomicInteger();

    private volatile boolean over;
    private volatile boolean invalid;

    ItemFlow(ItemBuffer<T> buffer, Executor executor, Flow.Subscriber<? super T> subscriber, Runnable cancelled) {
        this.buffer = buffer;
        this.executor = executor;
        this.subscriber = subscriber;
        this.cancelled = cancelled;
    }

    @Override
    public void request(long more) {
        if (more <= 0) {
            invalid = true;
        } else {
            demand.accumulateAndGet(more, (held, added) -> held + added < 0 ? Long.MAX_VALUE : held + added);
        }
        signal();
    }

    @Override
    public void cancel() {
        if (!over) {
            over = true;
            cancelled.run();
        }
    }

    /** Something has changed. */
    void signal() {
        if (signals.getAndIncrement() == 0) {
            executor.execute(this::give);
        }
    }

    private void give() {
        int seen = signals.get();
        while (seen != 0) {
            giveAll();
            seen = signals.addAndGet(-seen);
        }
    }

    private void giveAll() {
        while (!over && !invalid && demand.get() > 0) {
            T item = buffer.poll();
            if (item == null) {
                break;
            }
            demand.decrementAndGet();
            subscriber.onNext(item);
        }
        if (!over && invalid) {
            over = true;
            cancelled.run();
            subscriber.onError(new IllegalArgumentException("one asks for at least one delivery"));
        } else if (!over && buffer.isOver()) {
            over = true;
            end();
        }
    }

    private void end() {
        if (buffer.error() == null) {
            subscriber.onComplete();
        } else {
            subscriber.onError(buffer.error());
        }
    }
}
