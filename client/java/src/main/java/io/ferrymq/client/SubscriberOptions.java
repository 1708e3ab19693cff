package io.ferrymq.client;

import io.ferrymq.v1.LeaseRenewal;
import io.ferrymq.v1.SubscribeRequest;
import java.time.Duration;

/** How a {@link Subscriber} takes deliveries: {@code SubscriberOptions.builder().prefetch(1).build()}. */
public final class SubscriberOptions {
    final SubscribeRequest request;

    private SubscriberOptions(SubscribeRequest request) {
        this.request = request;
    }

    /**
     * The defaults, to be changed.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** The request for a source. */
    SubscribeRequest.Builder of(Source source) {
        SubscribeRequest.Builder all = source.subscribe().mergeFrom(request);
        if (source.isBroadcast() || request.getAtMostOnce()) {
            all.clearResumeWithin();
        }
        return all;
    }

    boolean setsPrefetch() {
        return request.getPrefetch() != 0;
    }

    SubscriberOptions withPrefetch(int messages) {
        return new SubscriberOptions(request.toBuilder().setPrefetch(messages).build());
    }

    /** Makes {@link SubscriberOptions}. */
    public static final class Builder {
        private static final int RESPONSE_BYTES = 64 << 20;
        private static final Duration RESUME_WITHIN = Duration.ofSeconds(30);

        private final SubscribeRequest.Builder request = SubscribeRequest.newBuilder()
                .setMaxResponseBytes(RESPONSE_BYTES)
                .setResumeWithin(Durations.wire(RESUME_WITHIN));

        private Builder() {}

        /**
         * Most unsettled messages. Default 256; 1 for long jobs that should spread evenly.
         *
         * @param messages 1 to 100,000
         * @return this
         */
        public Builder prefetch(int messages) {
            request.setPrefetch(Ranges.check("prefetch", messages, 1, 100_000));
            return this;
        }

        /**
         * Most unsettled bytes; one message is always delivered. Default 8 MiB.
         *
         * @param bytes 1 to 256 MiB
         * @return this
         */
        public Builder prefetchBytes(int bytes) {
            request.setPrefetchBytes(Ranges.check("prefetchBytes", bytes, 1, 256 << 20));
            return this;
        }

        /**
         * A broken stream is taken up again within this time, and the broker keeps its deliveries for it. Default 30 s.
         *
         * @param within 0 to 60 s
         * @return this
         */
        public Builder resumeWithin(Duration within) {
            request.setResumeWithin(Durations.wire(within));
            return this;
        }

        /**
         * How long a delivery is this consumer's. Default: the queue's lease.
         *
         * @param lease 1 s to the queue's max_lease
         * @return this
         */
        public Builder lease(Duration lease) {
            request.setLease(Durations.wire(lease));
            return this;
        }

        /**
         * Who prolongs the lease. Default: the broker, while the stream lives.
         *
         * @param renewal by whom
         * @return this
         */
        public Builder leaseRenewal(LeaseRenewal renewal) {
            request.setLeaseRenewal(renewal);
            return this;
        }

        /**
         * Whether deliveries are settled before they are sent: a crash loses them, and none comes twice. Default false.
         *
         * @param atMostOnce whether they are
         * @return this
         */
        public Builder atMostOnce(boolean atMostOnce) {
            request.setAtMostOnce(atMostOnce);
            return this;
        }

        /**
         * Shown in stats and logs of the broker, at most 128 bytes. Default: the address of this program.
         *
         * @param name e.g. host and process
         * @return this
         */
        public Builder consumer(String name) {
            request.setConsumer(name);
            return this;
        }

        /**
         * The broker sends something at least this often, so that proxies keep the stream. Default 30 s.
         *
         * @param interval 1 s to 1 h
         * @return this
         */
        public Builder heartbeat(Duration interval) {
            request.setHeartbeat(Durations.wire(interval));
            return this;
        }

        /**
         * The largest response that is taken; a larger message ends the stream. Default 64 MiB.
         *
         * @param bytes 64 KiB to 256 MiB
         * @return this
         */
        public Builder maxResponseBytes(int bytes) {
            request.setMaxResponseBytes(Ranges.check("maxResponseBytes", bytes, 64 << 10, 256 << 20));
            return this;
        }

        /**
         * What has been set.
         *
         * @return the options
         */
        public SubscriberOptions build() {
            return new SubscriberOptions(request.build());
        }
    }
}
