package io.ferrymq.client;

import com.google.protobuf.ByteString;
import io.ferrymq.v1.AckResponse;
import io.ferrymq.v1.ExtendLeaseRequest;
import io.ferrymq.v1.ExtendLeaseResponse;
import io.ferrymq.v1.MessagingServiceGrpc;
import io.ferrymq.v1.NackMode;
import io.ferrymq.v1.NackRequest;
import io.ferrymq.v1.NackResponse;
import io.ferrymq.v1.SettleStatus;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/** What one pull brought: extends the leases until all is settled or it is closed, and settles with calls. */
final class Leases implements Settler {
    /** The most ack ids in one call that every broker takes. */
    private static final int IDS_MAX = 1000;

    private static final long RENEWAL_LEAST_MS = 100;

    private final Connection connection;
    private final Consumer<Leases> done;
    private final ScheduledFuture<?> renewal;
    private final Held held = new Held();
    private final ReentrantLock lock = new ReentrantLock();
    // All of what follows is under the lock.
    private final Settlements settlements = new Settlements();
    private boolean calling;

    Leases(Connection connection, Duration lease, Consumer<Leases> done) {
        this.connection = connection;
        this.done = done;
        long every = Math.max(RENEWAL_LEAST_MS, lease.toMillis() / 2);
        renewal = connection.timer.scheduleWithFixedDelay(this::renew, every, every, TimeUnit.MILLISECONDS);
    }

    /** What a pull has brought, once. */
    List<Delivery> hold(List<io.ferrymq.v1.Delivery> pulled) {
        List<Delivery> deliveries =
                pulled.stream().map(delivery -> new Delivery(delivery, this)).toList();
        held.add(deliveries);
        return deliveries;
    }

    @Override
    public CompletableFuture<SettleStatus> settle(Delivery delivery, Settle how) {
        CompletableFuture<SettleStatus> answer = new CompletableFuture<>();
        lock.lock();
        try {
            settlements.add(delivery, how, answer);
        } finally {
            lock.unlock();
        }
        callNext();
        return answer;
    }

    /** One call at a time: what is settled meanwhile goes together with the next. */
    private void callNext() {
        SettleGroup group;
        lock.lock();
        try {
            if (calling || !settlements.hasUnsent()) {
                return;
            }
            calling = true;
            group = settlements.take(1).get(0);
            settlements.answered(group.id);
        } finally {
            lock.unlock();
        }
        call(group).whenCompleteAsync((statuses, error) -> answered(group, statuses, error), connection.executor);
    }

    private CompletableFuture<List<SettleStatus>> call(SettleGroup group) {
        Duration timeout = connection.options.callTimeout;
        if (group.how.longer()) {
            return connection
                    .call(MessagingServiceGrpc.getExtendLeaseMethod(), group.extend(), timeout)
                    .thenApply(ExtendLeaseResponse::getStatusesList);
        }
        if (group.how.mode() == null) {
            return connection
                    .call(MessagingServiceGrpc.getAckMethod(), group.ack(), timeout)
                    .thenApply(AckResponse::getStatusesList);
        }
        return connection
                .call(MessagingServiceGrpc.getNackMethod(), group.nack(), timeout)
                .thenApply(NackResponse::getStatusesList);
    }

    private void answered(SettleGroup group, List<SettleStatus> statuses, Throwable error) {
        boolean over;
        lock.lock();
        try {
            calling = false;
            group.settled(held);
            over = held.isEmpty() && !settlements.hasUnsent();
        } finally {
            lock.unlock();
        }
        if (statuses != null) {
            group.answer(statuses);
        } else {
            group.fail(Futures.failure(error));
        }
        callNext();
        if (over) {
            end();
        }
    }

    private void renew() {
        List<Delivery> all = held.list();
        for (int from = 0; from < all.size(); from += IDS_MAX) {
            List<Delivery> some = all.subList(from, Math.min(from + IDS_MAX, all.size()));
            ExtendLeaseRequest request =
                    ExtendLeaseRequest.newBuilder().addAllAckIds(ackIds(some)).build();
            connection
                    .call(MessagingServiceGrpc.getExtendLeaseMethod(), request, connection.options.callTimeout)
                    .whenComplete((response, error) -> renewed(some, response, error));
        }
    }

    private void renewed(List<Delivery> some, ExtendLeaseResponse response, Throwable error) {
        if (error != null) {
            Log.warn("leases of pulled messages were not extended: " + error.getMessage());
            return;
        }
        for (int at = 0; at < Math.min(some.size(), response.getStatusesCount()); at++) {
            boolean lost = response.getStatuses(at) == SettleStatus.SETTLE_STATUS_LEASE_LOST;
            if (lost && held.remove(some.get(at))) {
                Log.warn("the lease of a pulled message was lost");
            }
        }
    }

    private static List<ByteString> ackIds(List<Delivery> deliveries) {
        return deliveries.stream().map(Delivery::ackId).toList();
    }

    private void end() {
        renewal.cancel(false);
        done.accept(this);
    }

    /** What is held goes back without a failure. */
    void close() {
        end();
        List<ByteString> all = held.ackIds();
        List<CompletableFuture<NackResponse>> calls = new ArrayList<>();
        for (int from = 0; from < all.size(); from += IDS_MAX) {
            NackRequest release = NackRequest.newBuilder()
                    .addAllAckIds(all.subList(from, Math.min(from + IDS_MAX, all.size())))
                    .setMode(NackMode.NACK_MODE_RELEASE)
                    .build();
            calls.add(connection.call(MessagingServiceGrpc.getNackMethod(), release, connection.options.callTimeout));
        }
        // One that fails: it goes back when its lease ends.
        calls.forEach(call -> Futures.ends(call, connection.options.callTimeout));
    }
}
