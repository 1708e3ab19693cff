package io.ferrymq.client;

import com.google.protobuf.ByteString;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;

/** Deliveries that came and are not settled. */
final class Held {
    private final ReentrantLock lock = new ReentrantLock();
    /** Under the lock, with {@link Delivery#heldAt} of each. */
    private final ArrayList<Delivery> all = new ArrayList<>();

    /** Remembers those of them that are to be settled. */
    void add(List<Delivery> came) {
        lock.lock();
        try {
            for (Delivery delivery : came) {
                if (delivery.isToBeSettled()) {
                    delivery.heldAt = all.size();
                    all.add(delivery);
                }
            }
        } finally {
            lock.unlock();
        }
    }

    void remove(List<Delivery> settled) {
        lock.lock();
        try {
            for (Delivery delivery : settled) {
                take(delivery);
            }
        } finally {
            lock.unlock();
        }
    }

    /** False if it is not held, or not any more. */
    boolean remove(Delivery delivery) {
        lock.lock();
        try {
            return take(delivery);
        } finally {
            lock.unlock();
        }
    }

    private boolean take(Delivery delivery) {
        int at = delivery.heldAt;
        if (at >= all.size() || at < 0 || all.get(at) != delivery) {
            return false;
        }
        Delivery last = all.remove(all.size() - 1);
        if (last != delivery) {
            all.set(at, last);
            last.heldAt = at;
        }
        delivery.heldAt = -1;
        return true;
    }

    void clear() {
        lock.lock();
        try {
            all.clear();
        } finally {
            lock.unlock();
        }
    }

    boolean isEmpty() {
        lock.lock();
        try {
            return all.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    List<Delivery> list() {
        lock.lock();
        try {
            return new ArrayList<>(all);
        } finally {
            lock.unlock();
        }
    }

    List<ByteString> ackIds() {
        return list().stream().map(Delivery::ackId).toList();
    }
}
