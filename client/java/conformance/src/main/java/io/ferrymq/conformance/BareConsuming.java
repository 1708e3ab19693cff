package io.ferrymq.conformance;

import io.ferrymq.v1.AckRequest;
import io.ferrymq.v1.ConsumeRequest;
import io.ferrymq.v1.ConsumeResponse;
import io.ferrymq.v1.Delivery;
import io.ferrymq.v1.MessagingServiceGrpc;
import io.ferrymq.v1.Settlement;
import io.ferrymq.v1.SubscribeRequest;
import io.grpc.ManagedChannel;
import io.grpc.stub.StreamObserver;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** One stream of the bare stubs that takes and acks. */
final class BareConsuming implements Bench.Measured {
    private static final int RESPONSE_BYTES_MAX = 64 << 20;

    private final AtomicLong acked = new AtomicLong();
    private final ManagedChannel channel;
    private final StreamObserver<ConsumeRequest> requests;
    private volatile Throwable failure;

    BareConsuming(String url) {
        channel = Channels.open(url);
        SubscribeRequest open = SubscribeRequest.newBuilder()
                .setQueue(Bench.NOOP_QUEUE)
                .setPrefetch(Bench.PREFETCH)
                .setPrefetchBytes(Bench.PREFETCH_BYTES)
                .setMaxResponseBytes(RESPONSE_BYTES_MAX)
                .build();
        requests = MessagingServiceGrpc.newStub(channel).consume(new Deliveries());
        requests.onNext(ConsumeRequest.newBuilder().setOpen(open).build());
    }

    @Override
    public double run(Bench.Time time) throws InterruptedException {
        long before = acked.get();
        TimeUnit.NANOSECONDS.sleep(time.left());
        double rate = time.rate(acked.get() - before);
        if (failure != null) {
            throw new IllegalStateException(failure);
        }
        return rate;
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }

    private final class Deliveries implements StreamObserver<ConsumeResponse> {
        private long lastId;

        @Override
        public void onNext(ConsumeResponse response) {
            if (response.getDeliveriesCount() == 0) {
                return;
            }
            AckRequest.Builder ack = AckRequest.newBuilder();
            for (Delivery delivery : response.getDeliveriesList()) {
                ack.addAckIds(delivery.getAckId());
            }
            Settlement.Builder settlement =
                    Settlement.newBuilder().setId(++lastId).setAck(ack);
            requests.onNext(
                    ConsumeRequest.newBuilder().addSettlements(settlement).build());
            acked.addAndGet(response.getDeliveriesCount());
        }

        @Override
        public void onError(Throwable error) {
            failure = error;
        }

        @Override
        public void onCompleted() {}
    }
}
