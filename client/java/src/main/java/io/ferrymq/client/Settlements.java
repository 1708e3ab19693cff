package io.ferrymq.client;

import io.ferrymq.v1.SettleStatus;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** What has been settled and not been answered, in order. Its owner lets in one thread at a time. */
final class Settlements {
    /** Most deliveries of one group. */
    static final int GROUP_MAX = 1_000;

    private final Deque<SettleGroup> unsent = new ArrayDeque<>();
    private final Deque<SettleGroup> sent = new ArrayDeque<>();
    private long lastId;

    /** Neighbours of the same kind go together. True if it begins a group or fills one. */
    boolean add(Delivery delivery, Settle how, CompletableFuture<SettleStatus> answer) {
        SettleGroup last = unsent.peekLast();
        boolean begins = last == null || last.size() >= GROUP_MAX || !last.how.equals(how);
        if (begins) {
            last = new SettleGroup(++lastId, how);
            unsent.add(last);
        }
        last.add(delivery, answer);
        return begins || last.size() >= GROUP_MAX;
    }

    boolean hasUnsent() {
        return !unsent.isEmpty();
    }

    /** Whether what is unsent makes a whole group. */
    boolean hasFull() {
        return unsent.size() > 1 || hasUnsent() && unsent.peekFirst().size() >= GROUP_MAX;
    }

    /** Up to so many deliveries, at least a group; from here on they wait for their answers. */
    List<SettleGroup> take(int most) {
        List<SettleGroup> taken = new ArrayList<>();
        int count = 0;
        while (!unsent.isEmpty()
                && (taken.isEmpty() || count + unsent.peekFirst().size() <= most)) {
            SettleGroup group = unsent.pollFirst();
            count += group.size();
            taken.add(group);
        }
        sent.addAll(taken);
        return taken;
    }

    /** A group that has been answered; null if it is not known. */
    SettleGroup answered(long id) {
        SettleGroup first = sent.peekFirst();
        if (first != null && first.id == id) {
            return sent.pollFirst();
        }
        SettleGroup found =
                sent.stream().filter(group -> group.id == id).findFirst().orElse(null);
        sent.remove(found);
        return found;
    }

    /** How many groups wait for their answers. */
    int waiting() {
        return sent.size();
    }

    /** A new stream: what was not answered goes again. Settling twice does no harm. */
    void startAgain() {
        while (!sent.isEmpty()) {
            unsent.addFirst(sent.pollLast());
        }
    }

    /** All that will not be answered any more. */
    List<SettleGroup> end() {
        startAgain();
        List<SettleGroup> all = new ArrayList<>(unsent);
        unsent.clear();
        return all;
    }
}
