package io.ferrymq.client;

import java.util.ArrayDeque;
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
    /** Of what came: it is replaced, once it is empty, under the lock. */
    private volatile Portion<T> current = new Portion<>(List.of(), () -> {});

    // All of what follows is under the lock.
    private final Deque<Portion<T>> later = new ArrayDeque<>();
    private Runnable signal = () -> {};
    private boolean ended;
    private FerryException error;

    ItemBuffer(Runnable taken) {
        this.taken = taken;
    }

    /** One response. */
    void put(List<T> items) {
        Runnable tell;
        lock.lock();
        try {
            if (ended) {
                return;
            }
            later.add(new Portion<>(items, taken));
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
                drop();
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
            drop();
        } finally {
            lock.unlock();
        }
    }

    private void drop() {
        later.clear();
        current.drop();
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
        return get(0);
    }

    /** The next one, or null: at the end, or after so many nanoseconds (below 0: without end). Fails if the end was a failure. */
    T take(long nanos) {
        T item = get(nanos);
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

    private T get(long nanos) {
        T item = current.next();
        if (item != null) {
            return item;
        }
        long since = System.nanoTime();
        // Another thread may take all before this one gets to it.
        while (item == null && advance(since, nanos)) {
            item = current.next();
        }
        return item;
    }

    /** Waits until there is something in `current`: true, or until so long after `since`. */
    private boolean advance(long since, long nanos) {
        lock.lock();
        try {
            while (current.isEmpty()) {
                long left = nanos - (System.nanoTime() - since);
                if (!later.isEmpty()) {
                    current = later.poll();
                } else if (ended || nanos >= 0 && left <= 0) {
                    return false;
                } else if (nanos < 0) {
                    changed.await();
                } else {
                    changed.awaitNanos(left);
                }
            }
            return true;
        } catch (InterruptedException e) {
            throw FerryException.interrupted();
        } finally {
            lock.unlock();
        }
    }

    /** Whether nothing more comes and nothing is left. */
    boolean isOver() {
        lock.lock();
        try {
            return ended && current.isEmpty() && later.isEmpty();
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
