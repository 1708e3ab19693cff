package io.ferrymq.client;

import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** What has come and waits for the program. The prefetch bounds them, or who calls {@link #put} only as `taken` says. */
final class ItemBuffer<T> implements Iterable<T> {
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    /** Called each time a whole response has been taken. */
    private final Runnable taken;

    private final Deque<Iterator<T>> responses = new ArrayDeque<>();
    private Iterator<T> current = Collections.emptyIterator();
    private Runnable signal = () -> {};
    private boolean ended;
    private FerryException error;

    ItemBuffer(Runnable taken) {
        this.taken = taken;
    }

    void put(List<T> items) {
        Runnable tell;
        lock.lock();
        try {
            if (ended) {
                return;
            }
            responses.add(items.iterator());
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

    /** Drops what is there. */
    void clear() {
        lock.lock();
        try {
            responses.clear();
            current = Collections.emptyIterator();
        } finally {
            lock.unlock();
        }
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
    T poll() {
        return get(0, false);
    }

    /** The next one, or null: at the end, or after so many nanoseconds (below 0: without end). Fails if the end was a failure. */
    T take(long nanos) {
        T item = get(nanos, true);
        if (item == null && error() != null) {
            throw error().here();
        }
        return item;
    }

    /** All as they come; {@code hasNext} waits and fails as {@link #take}. */
    @Override
    public Iterator<T> iterator() {
        return new Iterator<>() {
            private T next;

            @Override
            public boolean hasNext() {
                next = next == null ? take(-1) : next;
                return next != null;
            }

            @Override
            public T next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                T taken = next;
                next = null;
                return taken;
            }
        };
    }

    private T get(long nanos, boolean waits) {
        T item;
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
            item = current.next();
            whole = !current.hasNext();
        } catch (InterruptedException e) {
            throw FerryException.interrupted();
        } finally {
            lock.unlock();
        }
        if (whole) {
            taken.run();
        }
        return item;
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
