package io.ferrymq.client;

import com.google.protobuf.ByteString;
import io.ferrymq.v1.ConsumeRequest;
import io.ferrymq.v1.ConsumeResponse;
import io.ferrymq.v1.LogPoint;
import io.ferrymq.v1.MessagingServiceGrpc;
import io.ferrymq.v1.Opened;
import io.ferrymq.v1.Position;
import io.ferrymq.v1.SettleStatus;
import io.ferrymq.v1.SettlementResult;
import io.ferrymq.v1.SubscribeRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/** Owns a subscriber's stream, what is held and what is being settled, over reconnects. */
final class Consumption implements Settler {
    /** So many groups of settlements are on their way before more wait to be a whole group. */
    private static final int GROUPS_ON_THEIR_WAY = 4;
    /** Where nothing is settled: responses that wait for the program. */
    private static final int RESPONSES_MAX = 4;

    private final Connection connection;
    /** Nothing is settled: gRPC's flow control bounds what waits. */
    private final boolean unsettled;

    private final boolean broadcast;
    private final DeliveryBuffer buffer;
    private final Backoff backoff;
    private final CompletableFuture<Opened> opened = new CompletableFuture<>();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();

    private final ReentrantLock lock = new ReentrantLock();
    // All of what follows is under the lock.
    private final SubscribeRequest.Builder request;
    private final Settlements settlements = new Settlements();
    private final Set<ByteString> held = new HashSet<>();
    private Call<ConsumeRequest, ConsumeResponse> call;
    /** The first request of this stream has been sent: settlements may follow. */
    private boolean announced;

    private Position last;
    private boolean sending;
    private boolean closing;
    private boolean halfClosed;
    private FerryException over;

    /** `since`: a broadcast that has delivered nothing yet goes on from here after a break; null otherwise. */
    Consumption(Connection connection, Source source, SubscribeRequest.Builder request, LogPoint since) {
        this.connection = connection;
        this.request = request;
        broadcast = source.isBroadcast();
        unsettled = broadcast || request.getAtMostOnce();
        backoff = connection.backoff();
        buffer = new DeliveryBuffer(this::taken);
        open(request.build());
        if (since != null) {
            request.setStart(since);
        }
    }

    DeliveryBuffer buffer() {
        return buffer;
    }

    /** Waits for the broker to say that it is open. */
    Opened opened() {
        return Futures.get(opened);
    }

    boolean opensWithin(Duration time) {
        return Futures.ends(opened, time);
    }

    private void open(SubscribeRequest first) {
        Call<ConsumeRequest, ConsumeResponse> next = connection.stream(MessagingServiceGrpc.getConsumeMethod());
        lock.lock();
        try {
            if (over != null) {
                return;
            }
            call = next;
            announced = false;
            halfClosed = false;
            settlements.startAgain();
        } finally {
            lock.unlock();
        }
        next.start(new Stream(next), unsettled ? RESPONSES_MAX : 2);
        next.send(ConsumeRequest.newBuilder().setOpen(first).build());
        lock.lock();
        try {
            announced = call == next;
        } finally {
            lock.unlock();
        }
        pump();
    }

    @Override
    public CompletableFuture<SettleStatus> settle(ByteString ackId, Settle how) {
        CompletableFuture<SettleStatus> answer = new CompletableFuture<>();
        boolean sends;
        lock.lock();
        try {
            if (over != null || closing && halfClosed) {
                answer.completeExceptionally(over == null ? closed() : over);
                return answer;
            }
            settlements.add(ackId, how, answer);
            sends = maySend();
        } finally {
            lock.unlock();
        }
        if (sends) {
            // In another thread: what is settled meanwhile goes along.
            connection.executor.execute(this::send);
        }
        return answer;
    }

    private static FerryException closed() {
        return FerryException.unavailable("the subscriber is closed");
    }

    private void pump() {
        boolean sends;
        lock.lock();
        try {
            sends = maySend();
        } finally {
            lock.unlock();
        }
        if (sends) {
            send();
        }
    }

    /** True for the one thread that sends until there is nothing more to send. */
    private boolean maySend() {
        if (sending || call == null) {
            return false;
        }
        sending = isReady();
        return sending;
    }

    private boolean isReady() {
        if (!announced || halfClosed || !call.isReady()) {
            return false;
        }
        boolean room = settlements.waiting() < GROUPS_ON_THEIR_WAY || settlements.hasFull() || closing;
        return settlements.hasUnsent() ? room : closing;
    }

    private void send() {
        while (true) {
            List<SettleGroup> groups;
            Call<ConsumeRequest, ConsumeResponse> on;
            lock.lock();
            try {
                if (call == null || !isReady()) {
                    sending = false;
                    return;
                }
                on = call;
                groups = settlements.take(Settlements.GROUP_MAX);
                halfClosed = groups.isEmpty();
            } finally {
                lock.unlock();
            }
            // To a stream that has ended meanwhile this does nothing: the groups are among those that go again.
            if (groups.isEmpty()) {
                on.halfClose();
            } else {
                ConsumeRequest.Builder more = ConsumeRequest.newBuilder();
                groups.forEach(group -> more.addSettlements(group.wire()));
                on.send(more.build());
            }
        }
    }

    private final class Stream implements Call.Events<ConsumeResponse> {
        private final Call<ConsumeRequest, ConsumeResponse> of;

        Stream(Call<ConsumeRequest, ConsumeResponse> of) {
            this.of = of;
        }

        @Override
        public void message(ConsumeResponse response) {
            boolean gives = received(response);
            if (!unsettled || !gives) {
                of.take(1);
            }
        }

        @Override
        public void ready() {
            pump();
        }

        @Override
        public void closed(FerryException error) {
            broken(error);
        }
    }

    /** Whether there are deliveries in it. */
    private boolean received(ConsumeResponse response) {
        List<Delivery> deliveries = new ArrayList<>(response.getDeliveriesCount());
        List<SettleGroup> groups = new ArrayList<>(response.getSettledCount());
        lock.lock();
        try {
            backoff.reset();
            if (response.hasOpened()) {
                request.setResumeToken(response.getOpened().getResumeToken());
            }
            for (SettlementResult result : response.getSettledList()) {
                SettleGroup group = settlements.answered(result.getId());
                groups.add(group);
                if (group != null) {
                    group.settled(held::remove);
                }
            }
            for (io.ferrymq.v1.Delivery delivery : response.getDeliveriesList()) {
                deliveries.add(new Delivery(delivery, this));
                last = delivery.getPosition();
                if (!delivery.getAckId().isEmpty()) {
                    held.add(delivery.getAckId());
                }
            }
        } finally {
            lock.unlock();
        }
        if (response.hasOpened()) {
            opened.complete(response.getOpened());
        }
        if (!deliveries.isEmpty()) {
            buffer.put(deliveries);
        }
        if (!groups.isEmpty()) {
            // Elsewhere, as what hangs on a settlement may wait for something.
            connection.executor.execute(() -> answer(groups, response.getSettledList()));
            pump();
        }
        return !deliveries.isEmpty();
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
        if (!unsettled) {
            return;
        }
        Call<ConsumeRequest, ConsumeResponse> from;
        lock.lock();
        try {
            from = call;
        } finally {
            lock.unlock();
        }
        if (from != null) {
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
            call = null;
            orderly = error == null && (closing || broadcast);
            if (!orderly && why.isPassing() && !closing && opened.isDone()) {
                pause = backoff.next(why.retryAfter().orElse(null));
            }
        } finally {
            lock.unlock();
        }
        if (pause == null) {
            end(why, orderly || isClosing());
            return;
        }
        Log.warn("stream of deliveries broke off, opening again in " + pause.toMillis() + " ms: " + why.getMessage());
        connection.timer.schedule(this::again, pause.toNanos(), TimeUnit.NANOSECONDS);
    }

    private void again() {
        SubscribeRequest resuming;
        lock.lock();
        try {
            resuming = resuming();
        } finally {
            lock.unlock();
        }
        open(resuming);
    }

    /** The request that goes on where this stream broke off. */
    private SubscribeRequest resuming() {
        SubscribeRequest.Builder next = request.clone();
        if (broadcast && last != null) {
            next.setStart(Points.position(
                    last.toBuilder().setOffset(last.getOffset() + 1).build()));
        }
        return next.addAllHeldAckIds(held).build();
    }

    private boolean isClosing() {
        lock.lock();
        try {
            return closing;
        } finally {
            lock.unlock();
        }
    }

    private void end(FerryException why, boolean orderly) {
        List<SettleGroup> lost;
        lock.lock();
        try {
            over = over == null ? why : over;
            lost = settlements.end();
        } finally {
            lock.unlock();
        }
        opened.completeExceptionally(why);
        buffer.end(orderly ? null : why, false);
        connection.executor.execute(() -> {
            lost.forEach(group -> group.fail(why));
            ended.complete(null);
        });
    }

    /** Waits until the broker has answered what was settled and taken back what is held. */
    void close() {
        boolean waits;
        lock.lock();
        try {
            closing = true;
            waits = call != null || over != null;
            over = waits ? over : closed();
        } finally {
            lock.unlock();
        }
        buffer.end(null, true);
        if (!waits) {
            end(closed(), true);
        }
        pump();
        if (!Futures.ends(ended, connection.options.callTimeout)) {
            cancel();
        }
    }

    /** Ends it although the broker does not answer. */
    void cancel() {
        Call<ConsumeRequest, ConsumeResponse> open;
        lock.lock();
        try {
            closing = true;
            open = call;
        } finally {
            lock.unlock();
        }
        if (open != null) {
            open.cancel("closed");
        }
    }
}
