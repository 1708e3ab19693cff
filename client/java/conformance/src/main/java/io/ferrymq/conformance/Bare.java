package io.ferrymq.conformance;

import io.ferrymq.v1.AckRequest;
import io.ferrymq.v1.AckResponse;
import io.ferrymq.v1.MessagingServiceGrpc;
import io.ferrymq.v1.PublishConfirm;
import io.ferrymq.v1.PublishRequest;
import io.ferrymq.v1.PublishStreamRequest;
import io.ferrymq.v1.PublishStreamResponse;
import io.ferrymq.v1.SubscribeRequest;
import io.ferrymq.v1.SubscribeResponse;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.stub.StreamObserver;
import java.net.URI;
import java.time.Duration;
import java.util.Collections;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** The bare stubs, as the README of the scenarios describes it. */
final class Bare implements AutoCloseable {
    private static final int BATCH_MESSAGES = 240;
    private static final int UNCONFIRMED_BATCHES = 64;

    private final URI url;
    private final ManagedChannel channel;

    Bare(String url) {
        this.url = URI.create(url);
        channel = open();
    }

    private ManagedChannel open() {
        return ManagedChannelBuilder.forAddress(url.getHost(), url.getPort())
                .usePlaintext()
                .maxInboundMessageSize(64 << 20)
                .build();
    }

    double publish(Duration time) throws Exception {
        ManagedChannel own = open();
        try {
            AtomicLong count = new AtomicLong();
            Semaphore room = new Semaphore(UNCONFIRMED_BATCHES);
            StreamObserver<PublishStreamRequest> requests =
                    MessagingServiceGrpc.newStub(own).publishStream(new Confirms(count, room));
            PublishRequest batch = PublishRequest.newBuilder()
                    .setQueue("noop")
                    .addAllMessages(Collections.nCopies(BATCH_MESSAGES, Bench.message()))
                    .build();
            long begin = System.nanoTime();
            for (long id = 0; System.nanoTime() - begin < time.toNanos(); id++) {
                room.acquire();
                requests.onNext(PublishStreamRequest.newBuilder()
                        .setId(id)
                        .setBatch(batch)
                        .build());
            }
            return count.get() / Bench.seconds(begin);
        } finally {
            own.shutdownNow().awaitTermination(1, TimeUnit.SECONDS);
        }
    }

    /** The smaller of what was published and acked. */
    double through(Duration time) throws Exception {
        AtomicLong acked = new AtomicLong();
        ManagedChannel own = open();
        try {
            MessagingServiceGrpc.newStub(own)
                    .subscribe(
                            SubscribeRequest.newBuilder()
                                    .setQueue("noop-" + Bench.PAYLOAD_BYTES)
                                    .build(),
                            new Deliveries(acked, MessagingServiceGrpc.newStub(own)));
            long begin = System.nanoTime();
            double published = publish(time);
            return Math.min(published, acked.get() / Bench.seconds(begin));
        } finally {
            own.shutdownNow().awaitTermination(1, TimeUnit.SECONDS);
        }
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }

    private abstract static class Quiet<T> implements StreamObserver<T> {
        @Override
        public void onError(Throwable error) {}

        @Override
        public void onCompleted() {}
    }

    private static final class Confirms extends Quiet<PublishStreamResponse> {
        private final AtomicLong count;
        private final Semaphore room;

        Confirms(AtomicLong count, Semaphore room) {
            this.count = count;
            this.room = room;
        }

        @Override
        public void onNext(PublishStreamResponse response) {
            for (PublishConfirm confirm : response.getConfirmsList()) {
                count.addAndGet(confirm.getConfirmed().getResultsCount());
                room.release();
            }
        }
    }

    private static final class Deliveries extends Quiet<SubscribeResponse> {
        private final AtomicLong count;
        private final MessagingServiceGrpc.MessagingServiceStub stub;

        Deliveries(AtomicLong count, MessagingServiceGrpc.MessagingServiceStub stub) {
            this.count = count;
            this.stub = stub;
        }

        @Override
        public void onNext(SubscribeResponse response) {
            var ids = response.getDeliveriesList().stream()
                    .map(delivery -> delivery.getAckId())
                    .toList();
            if (!ids.isEmpty()) {
                stub.ack(AckRequest.newBuilder().addAllAckIds(ids).build(), new Acks(count));
            }
        }
    }

    private static final class Acks extends Quiet<AckResponse> {
        private final AtomicLong count;

        Acks(AtomicLong count) {
            this.count = count;
        }

        @Override
        public void onNext(AckResponse response) {
            count.addAndGet(response.getStatusesCount());
        }
    }
}
