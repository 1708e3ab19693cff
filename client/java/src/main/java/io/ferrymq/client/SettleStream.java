package io.ferrymq.client;

import io.ferrymq.v1.ConsumeRequest;
import io.ferrymq.v1.ConsumeResponse;
import io.ferrymq.v1.SubscribeRequest;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;

/** What goes out on one stream of a subscriber: how it is opened, then what is {@link Pending}. */
final class SettleStream {
    private final Call<ConsumeRequest, ConsumeResponse> call;
    private final Pending pending;

    private final ReentrantLock lock = new ReentrantLock();
    // All of what follows is under the lock, which comes before that of what is pending.
    /** The first request has been sent: settlements may follow. */
    private boolean announced;

    private boolean sending;
    private boolean closing;
    private boolean halfClosed;
    private boolean over;

    SettleStream(Call<ConsumeRequest, ConsumeResponse> call, Pending pending) {
        this.call = call;
        this.pending = pending;
    }

    /** Begins; takes so many responses before {@link #take} asks for more. */
    void start(Call.Events<ConsumeResponse> events, int responses, SubscribeRequest first) {
        call.start(events, responses);
        call.send(ConsumeRequest.newBuilder().setOpen(first).build());
        lock.lock();
        announced = true;
        lock.unlock();
        pump();
    }

    void take(int responses) {
        call.take(responses);
    }

    /** Ends this side once all that is pending has been sent. */
    void close() {
        lock.lock();
        closing = true;
        lock.unlock();
        pump();
    }

    void cancel() {
        call.cancel("closed");
    }

    /** It has ended: nothing more is sent on it. What was is among what goes again. */
    void end() {
        lock.lock();
        over = true;
        lock.unlock();
    }

    /** Sends what there is to send, unless another thread does. */
    void pump() {
        if (maySend()) {
            send();
        }
    }

    /** True for the one thread that now has to {@link #send}. */
    boolean maySend() {
        lock.lock();
        try {
            boolean begins = !sending && isReady();
            sending |= begins;
            return begins;
        } finally {
            lock.unlock();
        }
    }

    private boolean isReady() {
        return announced && !halfClosed && !over && (closing || pending.isReady()) && call.isReady();
    }

    /** Until there is nothing more to send. */
    void send() {
        while (true) {
            List<SettleGroup> groups;
            lock.lock();
            try {
                sending = isReady();
                if (!sending) {
                    return;
                }
                groups = pending.take(closing);
                halfClosed = groups.isEmpty();
            } finally {
                lock.unlock();
            }
            // If the stream has ended meanwhile this does nothing: the groups are among those that go again.
            if (groups.isEmpty()) {
                call.halfClose();
            } else {
                call.send(request(groups));
            }
        }
    }

    private static ConsumeRequest request(List<SettleGroup> groups) {
        ConsumeRequest.Builder request = ConsumeRequest.newBuilder();
        groups.forEach(group -> request.addSettlements(group.wire()));
        return request.build();
    }
}
