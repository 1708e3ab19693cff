package io.ferrymq.client;

import com.google.protobuf.ByteString;
import io.ferrymq.v1.NackMode;
import io.ferrymq.v1.SettleStatus;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;

/**
 * A delivery that waits to be settled; of a broadcast, which has nothing to settle, settling does nothing. A delivery that is
 * forgotten is held until its subscriber is closed or its lease ends.
 *
 * <p>What settles returns a future that need not be waited for: it completes when the settlement is on disk, with
 * {@code SETTLE_STATUS_OK} or with why nothing was done. It fails with a {@link FerryException} if the subscriber ends before
 * it is answered. A lost lease that nobody waits for is a line of log.
 */
public final class Delivery extends Received {
    /** Of the {@link Held} that it is in, under the lock of that: where; below 0 once it is out. */
    int heldAt = -1;

    /** Kept here too, as the thread that settles has no need of the rest, which is far from its cache. */
    private final ByteString ackId;

    /** Null if there is nothing to settle. */
    private final Settler settler;

    Delivery(io.ferrymq.v1.Delivery delivery, Settler settler) {
        super(delivery);
        ackId = delivery.getAckId();
        this.settler = ackId.isEmpty() ? null : settler;
    }

    /**
     * Done: it never comes back.
     *
     * @return its status
     */
    public CompletableFuture<SettleStatus> ack() {
        return settle(Settle.ACK);
    }

    /**
     * Failed: it comes again after the queue's backoff, or goes to the dead-letter queue after too many failures.
     *
     * @param reason for whoever looks there; what is beyond 1,024 bytes is cut off
     * @return its status
     */
    public CompletableFuture<SettleStatus> retry(String reason) {
        return settle(Settle.nack(NackMode.NACK_MODE_RETRY, null, reason));
    }

    /**
     * Failed: it comes again after this delay, or goes to the dead-letter queue after too many failures.
     *
     * @param delay 0 to 366 days
     * @param reason for whoever looks there; what is beyond 1,024 bytes is cut off
     * @return its status
     */
    public CompletableFuture<SettleStatus> retry(Duration delay, String reason) {
        return settle(Settle.nack(NackMode.NACK_MODE_RETRY, Objects.requireNonNull(delay), reason));
    }

    /**
     * Not tried: it goes back to its place without a failure.
     *
     * @return its status
     */
    public CompletableFuture<SettleStatus> release() {
        return settle(Settle.nack(NackMode.NACK_MODE_RELEASE, null, ""));
    }

    /**
     * Not tried: it comes again after this delay, without a failure.
     *
     * @param delay 0 to 366 days
     * @return its status
     */
    public CompletableFuture<SettleStatus> release(Duration delay) {
        return settle(Settle.nack(NackMode.NACK_MODE_RELEASE, Objects.requireNonNull(delay), ""));
    }

    /**
     * Will never work: it goes to the dead-letter queue now.
     *
     * @param reason for whoever looks there; what is beyond 1,024 bytes is cut off
     * @return its status
     */
    public CompletableFuture<SettleStatus> reject(String reason) {
        return settle(Settle.nack(NackMode.NACK_MODE_REJECT, null, reason));
    }

    /**
     * Needs longer: the lease runs anew from now, for the queue's lease. The broker prolongs a subscriber's leases by itself, unless
     * asked otherwise, and the client those of a pull.
     *
     * @return its status
     */
    public CompletableFuture<SettleStatus> extend() {
        return settle(Settle.extend(null));
    }

    /**
     * Needs longer: the lease runs anew from now, for this long.
     *
     * @param lease 1 s to the queue's max_lease
     * @return its status
     */
    public CompletableFuture<SettleStatus> extend(Duration lease) {
        return settle(Settle.extend(Objects.requireNonNull(lease)));
    }

    private CompletableFuture<SettleStatus> settle(Settle how) {
        return isToBeSettled()
                ? settler.settle(this, how)
                : CompletableFuture.completedFuture(SettleStatus.SETTLE_STATUS_OK);
    }

    boolean isToBeSettled() {
        return settler != null;
    }

    ByteString ackId() {
        return ackId;
    }
}
