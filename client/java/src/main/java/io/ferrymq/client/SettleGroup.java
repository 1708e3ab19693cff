package io.ferrymq.client;

import io.ferrymq.v1.AckRequest;
import io.ferrymq.v1.ExtendLeaseRequest;
import io.ferrymq.v1.NackRequest;
import io.ferrymq.v1.SettleStatus;
import io.ferrymq.v1.Settlement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** Deliveries that are settled alike and together. */
final class SettleGroup {
    final long id;
    final Settle how;
    private final List<Delivery> deliveries = new ArrayList<>();
    private final List<CompletableFuture<SettleStatus>> answers = new ArrayList<>();

    SettleGroup(long id, Settle how) {
        this.id = id;
        this.how = how;
    }

    void add(Delivery delivery, CompletableFuture<SettleStatus> answer) {
        deliveries.add(delivery);
        answers.add(answer);
    }

    int size() {
        return deliveries.size();
    }

    Settlement wire() {
        Settlement.Builder settlement = Settlement.newBuilder().setId(id);
        if (how.longer()) {
            return settlement.setExtend(extend()).build();
        }
        return how.mode() == null
                ? settlement.setAck(ack()).build()
                : settlement.setNack(nack()).build();
    }

    AckRequest ack() {
        AckRequest.Builder ack = AckRequest.newBuilder();
        deliveries.forEach(delivery -> ack.addAckIds(delivery.ackId()));
        return ack.build();
    }

    NackRequest nack() {
        NackRequest.Builder nack = NackRequest.newBuilder();
        deliveries.forEach(delivery -> nack.addAckIds(delivery.ackId()));
        if (how.length() != null) {
            nack.setDelay(Durations.wire(how.length()));
        }
        return nack.setMode(how.mode()).setReason(how.reason()).build();
    }

    ExtendLeaseRequest extend() {
        ExtendLeaseRequest.Builder extend = ExtendLeaseRequest.newBuilder();
        deliveries.forEach(delivery -> extend.addAckIds(delivery.ackId()));
        if (how.length() != null) {
            extend.setLease(Durations.wire(how.length()));
        }
        return extend.build();
    }

    /** Takes what is settled out of what is held. */
    void settled(Held held) {
        if (!how.longer()) {
            held.remove(deliveries);
        }
    }

    /** Tells everyone who waits. */
    void answer(List<SettleStatus> statuses) {
        for (int at = 0; at < answers.size(); at++) {
            CompletableFuture<SettleStatus> answer = answers.get(at);
            SettleStatus status = at < statuses.size() ? statuses.get(at) : SettleStatus.SETTLE_STATUS_UNSPECIFIED;
            boolean fine =
                    status == SettleStatus.SETTLE_STATUS_OK || status == SettleStatus.SETTLE_STATUS_ALREADY_SETTLED;
            if (!fine && answer.getNumberOfDependents() == 0) {
                Log.warn("a settlement that nobody waits for came too late: " + status);
            }
            answer.complete(status);
        }
    }

    void fail(FerryException error) {
        answers.forEach(answer -> answer.completeExceptionally(error));
    }
}
