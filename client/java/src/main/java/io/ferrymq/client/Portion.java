package io.ferrymq.client;

import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/** What came together, given out in order to any number of threads without a lock. */
final class Portion<T> {
    private final List<T> items;
    private final Runnable taken;
    private final AtomicInteger given = new AtomicInteger();

    /** Calls `taken` once the last one is given out. */
    Portion(List<T> items, Runnable taken) {
        this.items = items;
        this.taken = taken;
    }

    /** Null if there is none left. */
    T next() {
        int at = isEmpty() ? items.size() : given.getAndIncrement();
        if (at >= items.size()) {
            return null;
        }
        if (at == items.size() - 1) {
            taken.run();
        }
        return items.get(at);
    }

    boolean isEmpty() {
        return given.get() >= items.size();
    }

    /** Gives out nothing more. */
    void drop() {
        given.set(items.size());
    }
}
