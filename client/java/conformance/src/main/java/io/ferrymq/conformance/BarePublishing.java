package io.ferrymq.conformance;

import io.ferrymq.v1.MessagingServiceGrpc;
import io.ferrymq.v1.PublishRequest;
import io.ferrymq.v1.PublishStreamRequest;
import io.ferrymq.v1.PublishStreamResponse;
import io.grpc.ManagedChannel;
import io.grpc.stub.StreamObserver;
import java.util.concurrent.Semaphore;

/** One publish stream of the bare stubs. */
final class BarePublishing implements Bench.Measured {
    /** As many as the client makes of these messages: 256 KiB. */
    private static final int BATCH_MESSAGES = 240;
    /** On their way at once: 16 MiB. */
    private static final int BATCHES_MAX = 64;

    private final Semaphore room = new Semaphore(BATCHES_MAX);
    private final ManagedChannel channel;
    private final StreamObserver<PublishStreamRequest> requests;
    private volatile Throwable failure;
    private long lastId;

    BarePublishing(String url) {
        channel = Channels.open(url);
        requests = MessagingServiceGrpc.newStub(channel).publishStream(new Confirms());
    }

    @Override
    public double run(Bench.Time time) throws InterruptedException {
        long count = 0;
        for (; time.goesOn(); count += BATCH_MESSAGES) {
            room.acquire();
            requests.onNext(batch());
        }
        // All is confirmed once there is all room.
        room.acquire(BATCHES_MAX);
        double rate = time.rate(count);
        room.release(BATCHES_MAX);
        if (failure != null) {
            throw new IllegalStateException(failure);
        }
        return rate;
    }

    private PublishStreamRequest batch() {
        PublishRequest.Builder batch = PublishRequest.newBuilder().setQueue(Bench.NOOP_QUEUE);
        for (int count = 0; count < BATCH_MESSAGES; count++) {
            batch.addMessages(Bench.message());
        }
        return PublishStreamRequest.newBuilder().setId(++lastId).setBatch(batch).build();
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }

    private final class Confirms implements StreamObserver<PublishStreamResponse> {
        @Override
        public void onNext(PublishStreamResponse response) {
            room.release(response.getConfirmsCount());
        }

        @Override
        public void onError(Throwable error) {
            failure = error;
            room.release(BATCHES_MAX);
        }

        @Override
        public void onCompleted() {}
    }
}
