package io.ferrymq.client;

import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** Deliveries that wait for the program. The prefetch bounds them, or who calls {@link #put} only as `taken` says. */
final class DeliveryBuffer {
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    /** Called each time a whole response has been taken. */
    private final Runnable taken;

    private final Deque<Iterator<Delivery>> responses = new ArrayDeque<>();
    private Iterator<Delivery> current = Collections.emptyIterator();
    private Runnable signal = () -> {};
    private boolean ended;
    private FerryException error;

    DeliveryBuffer(Runnable taken) {
        this.taken = taken;
    }

    void put(List<Delivery> deliveries) {
        Runnable tell;
        lock.lock();
        try {
            if (ended) {
                return;
            }
            responses.add(deliveries.iterator());
            changed.signalAll();
            tell = signal;
        } finally {
            lock.unlock();
        }
        tell.run();
    }

    /** Nothing more comes; what is there is still given out unless it is to be dropped. */
    void end(FerryException why, boolean drop) {
        Runnable tell;
        lock.lock();
        try {
            if (!ended) {
                ended = true;
                error = why;
            }
            if (drop) {
                responses.clear();
                current = Collections.emptyIterator();
            }
            changed.signalAll();
            tell = signal;
        } finally {
            lock.unlock();
        }
        tell.run();
    }

    /** Called after each change from now on, and once at once. */
    void onChange(Runnable signal) {
        lock.lock();
        try {
            this.signal = signal;
        } finally {
            lock.unlock();
        }
        signal.run();
    }

    /** What is there now, or null. */
    Delivery poll() {
        return get(0, false);
    }

    /** The next one, or null: at the end, or after so many nanoseconds (below 0: without end). Fails if the end was a failure. */
    Delivery take(long nanos) {
        Delivery delivery = get(nanos, true);
        if (delivery == null && error() != null) {
            throw error().here();
        }
        return delivery;
    }

    private Delivery get(long nanos, boolean waits) {
        Delivery delivery;
        boolean whole;
        lock.lock();
        try {
            long left = nanos;
            while (!current.hasNext()) {
                if (!responses.isEmpty()) {
                    current = responses.poll();
                } else if (ended || !waits || nanos >= 0 && left <= 0) {
                    return null;
                } else if (nanos < 0) {
                    changed.await();
                } else {
                    left = changed.awaitNanos(left);
                }
            }
            delivery = current.next();
            whole = !current.hasNext();
        } catch (InterruptedException e) {
            throw FerryException.interrupted();
        } finally {
            lock.unlock();
        }
        if (whole) {
            taken.run();
        }
        return delivery;
    }

    /** Whether nothing more comes and nothing is left. */
    boolean isOver() {
        lock.lock();
        try {
            return ended && !current.hasNext() && responses.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    FerryException error() {
        lock.lock();
        try {
            return error;
        } finally {
            lock.unlock();
        }
    }
}
