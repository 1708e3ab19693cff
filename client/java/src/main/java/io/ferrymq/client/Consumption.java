package io.ferrymq.client;

import io.ferrymq.v1.ConsumeRequest;
import io.ferrymq.v1.ConsumeResponse;
import io.ferrymq.v1.MessagingServiceGrpc;
import io.ferrymq.v1.Opened;
import io.ferrymq.v1.SettleStatus;
import io.ferrymq.v1.SettlementResult;
import io.ferrymq.v1.SubscribeRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/** Owns a subscriber's streams, one after the other: hands on what comes, and opens the next when one breaks off. */
final class Consumption implements Settler {
    /** Where nothing is settled: responses that wait for the program. */
    private static final int RESPONSES_MAX = 4;

    private final Connection connection;
    private final boolean broadcast;
    private final boolean unsettled;
    private final ItemBuffer<Delivery> buffer;
    private final Pending pending = new Pending();
    private final CompletableFuture<Opened> opened = new CompletableFuture<>();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();

    private final ReentrantLock lock = new ReentrantLock();
    // All of what follows is under the lock, which comes before that of what is pending.
    private final Opening opening;
    private final Backoff backoff;
    /** Null while there is none. Set under the lock. */
    private volatile SettleStream stream;

    private boolean closing;
    private boolean over;

    Consumption(Connection connection, Opening opening) {
        this.connection = connection;
        this.opening = opening;
        broadcast = opening.isBroadcast();
        unsettled = opening.isUnsettled();
        backoff = connection.backoff();
        buffer = new ItemBuffer<>(this::taken);
        open();
    }

    ItemBuffer<Delivery> buffer() {
        return buffer;
    }

    /** Waits for the broker to say that it is open. */
    Opened opened() {
        return Futures.get(opened);
    }

    boolean opensWithin(Duration time) {
        return Futures.ends(opened, time);
    }

    private void open() {
        Call<ConsumeRequest, ConsumeResponse> call = connection.stream(MessagingServiceGrpc.getConsumeMethod());
        SettleStream next = new SettleStream(call, pending);
        SubscribeRequest first;
        lock.lock();
        try {
            if (over) {
                return;
            }
            stream = next;
            first = opening.next(pending.startAgain());
        } finally {
            lock.unlock();
        }
        next.start(new Events(next), unsettled ? RESPONSES_MAX : 2, first);
    }

    @Override
    public CompletableFuture<SettleStatus> settle(Delivery delivery, Settle how) {
        CompletableFuture<SettleStatus> answer = new CompletableFuture<>();
        if (pending.settle(delivery, how, answer)) {
            SettleStream on = stream;
            if (on != null && on.maySend()) {
                // In another thread: what is settled meanwhile goes along.
                connection.executor.execute(on::send);
            }
        }
        return answer;
    }

    private final class Events implements Call.Events<ConsumeResponse> {
        private final SettleStream of;

        Events(SettleStream of) {
            this.of = of;
        }

        @Override
        public void message(ConsumeResponse response) {
            boolean gives = received(response, of);
            if (!unsettled || !gives) {
                of.take(1);
            }
        }

        @Override
        public void ready() {
            of.pump();
        }

        @Override
        public void closed(FerryException error) {
            of.end();
            broken(error);
        }
    }

    /** Whether there are deliveries in it. */
    private boolean received(ConsumeResponse response, SettleStream from) {
        lock.lock();
        try {
            backoff.reset();
            if (response.hasOpened() && opening.opened(response.getOpened())) {
                pending.forgetAll();
                buffer.clear();
            }
            if (response.getDeliveriesCount() > 0) {
                opening.delivered(response.getDeliveries(response.getDeliveriesCount() - 1)
                        .getPosition());
            }
        } finally {
            lock.unlock();
        }
        if (response.hasOpened()) {
            opened.complete(response.getOpened());
        }
        if (response.getDeliveriesCount() > 0) {
            deliver(response.getDeliveriesList());
        }
        if (response.getSettledCount() > 0) {
            List<SettleGroup> groups = pending.answered(response.getSettledList());
            // Elsewhere, as what hangs on a settlement may wait for something, and the connection's thread has enough
            // to read.
            connection.executor.execute(() -> {
                from.pump();
                answer(groups, response.getSettledList());
            });
        }
        return response.getDeliveriesCount() > 0;
    }

    private void deliver(List<io.ferrymq.v1.Delivery> came) {
        List<Delivery> deliveries = new ArrayList<>(came.size());
        for (io.ferrymq.v1.Delivery delivery : came) {
            deliveries.add(new Delivery(delivery, this));
        }
        pending.hold(deliveries);
        buffer.put(deliveries);
    }

    private static void answer(List<SettleGroup> groups, List<SettlementResult> results) {
        for (int at = 0; at < groups.size(); at++) {
            if (groups.get(at) != null) {
                groups.get(at).answer(results.get(at).getStatusesList());
            }
        }
    }

    /** A response has gone to the program: where gRPC's flow control bounds them, the next may come. */
    private void taken() {
        SettleStream from = stream;
        if (unsettled && from != null) {
            from.take(1);
        }
    }

    /** The stream has ended; `error` is null if the broker ended it in order. */
    private void broken(FerryException error) {
        FerryException why = error == null ? FerryException.unavailable("the stream of deliveries ended") : error;
        boolean orderly;
        Duration pause = null;
        lock.lock();
        try {
            stream = null;
            orderly = closing || error == null && broadcast;
            if (!orderly && opened.isDone() && opening.goesOnAfter(why)) {
                pause = backoff.next(why.retryAfter().orElse(null));
            }
        } finally {
            lock.unlock();
        }
        if (pause == null) {
            end(why, orderly);
            return;
        }
        Log.warn("stream of deliveries broke off, opening again in " + pause.toMillis() + " ms: " + why.getMessage());
        connection.timer.schedule(this::open, pause.toNanos(), TimeUnit.NANOSECONDS);
    }

    private void end(FerryException why, boolean orderly) {
        lock.lock();
        over = true;
        lock.unlock();
        List<SettleGroup> lost = pending.end(why);
        opened.completeExceptionally(why);
        buffer.end(orderly ? null : why, false);
        connection.executor.execute(() -> {
            lost.forEach(group -> group.fail(why));
            ended.complete(null);
        });
    }

    /** Waits until the broker has answered what was settled and taken back what is held. */
    void close() {
        SettleStream open = closing();
        buffer.end(null, true);
        if (open != null) {
            open.close();
        } else {
            end(Pending.closed(), true);
        }
        if (!Futures.ends(ended, connection.options.callTimeout)) {
            cancel();
        }
    }

    /** Ends it although the broker does not answer. */
    void cancel() {
        SettleStream open = closing();
        if (open != null) {
            open.cancel();
        }
    }

    /** From now on no stream is opened; gives the one that is open. */
    private SettleStream closing() {
        lock.lock();
        try {
            closing = true;
            return stream;
        } finally {
            lock.unlock();
        }
    }
}
