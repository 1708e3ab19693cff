package io.ferrymq.client;

import com.google.protobuf.ByteString;
import io.ferrymq.v1.SettleStatus;
import io.ferrymq.v1.SettlementResult;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantLock;

/** Owns what a subscriber holds and what of it is being settled, over reconnects. */
final class Pending {
    /** So many groups of settlements are on their way before more wait to be a whole group. */
    private static final int GROUPS_ON_THEIR_WAY = 4;

    private final Held held = new Held();
    private final ReentrantLock lock = new ReentrantLock();
    // All of what follows is under the lock.
    private final Settlements settlements = new Settlements();
    /** Why nothing is settled any more. */
    private FerryException over;

    /** Takes a settlement. True if there may be more to send than before: it begins or fills a group. */
    boolean settle(Delivery delivery, Settle how, CompletableFuture<SettleStatus> answer) {
        lock.lock();
        try {
            if (over == null) {
                return settlements.add(delivery, how, answer);
            }
            // Nobody can hang on it yet.
            answer.completeExceptionally(over);
            return false;
        } finally {
            lock.unlock();
        }
    }

    /** Remembers those of them that are to be settled. */
    void hold(List<Delivery> came) {
        held.add(came);
    }

    /** What was held comes again, to whoever is there. */
    void forgetAll() {
        held.clear();
    }

    /** The groups that were answered, null for each that is not known. */
    List<SettleGroup> answered(List<SettlementResult> results) {
        List<SettleGroup> groups = new ArrayList<>(results.size());
        lock.lock();
        try {
            for (SettlementResult result : results) {
                groups.add(settlements.answered(result.getId()));
            }
        } finally {
            lock.unlock();
        }
        for (SettleGroup group : groups) {
            if (group != null) {
                group.settled(held);
            }
        }
        return groups;
    }

    /** Whether there is something to send that is worth a request. */
    boolean isReady() {
        lock.lock();
        try {
            return settlements.hasUnsent() && (settlements.waiting() < GROUPS_ON_THEIR_WAY || settlements.hasFull());
        } finally {
            lock.unlock();
        }
    }

    /** What is to be sent with one request. If that is nothing and it is `closing`, nothing more is taken from now on. */
    List<SettleGroup> take(boolean closing) {
        lock.lock();
        try {
            List<SettleGroup> groups = settlements.take(Settlements.GROUP_MAX);
            if (closing && groups.isEmpty()) {
                close();
            }
            return groups;
        } finally {
            lock.unlock();
        }
    }

    private void close() {
        over = over == null ? closed() : over;
    }

    static FerryException closed() {
        return FerryException.unavailable("the subscriber is closed");
    }

    /** A new stream: what was not answered goes again. Gives the ack ids of what is held. */
    List<ByteString> startAgain() {
        lock.lock();
        try {
            settlements.startAgain();
        } finally {
            lock.unlock();
        }
        return held.ackIds();
    }

    /** Takes nothing more; gives what will not be answered. */
    List<SettleGroup> end(FerryException why) {
        lock.lock();
        try {
            over = over == null ? why : over;
            return settlements.end();
        } finally {
            lock.unlock();
        }
    }
}
