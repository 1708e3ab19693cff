package io.ferrymq.client;

import com.google.protobuf.ByteString;
import java.util.ArrayList;
import java.util.List;

/** Deliveries that came and are not settled. Its owner lets in one thread at a time. */
final class Held {
    private final ArrayList<Delivery> all = new ArrayList<>();

    void add(Delivery delivery) {
        delivery.heldAt = all.size();
        all.add(delivery);
    }

    /** False if it is not held, or not any more. */
    boolean remove(Delivery delivery) {
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
        all.clear();
    }

    boolean isEmpty() {
        return all.isEmpty();
    }

    List<Delivery> list() {
        return new ArrayList<>(all);
    }

    List<ByteString> ackIds() {
        return all.stream().map(Delivery::ackId).toList();
    }
}
