package io.ferrymq.client;

import java.time.Duration;

/** How a {@link Publisher} batches and how much it holds: {@code PublisherOptions.builder().linger(...).build()}. */
public final class PublisherOptions {
    final Duration linger;
    final int batchMessages;
    final int batchBytes;
    final int unconfirmedBytes;
    final Duration publishTimeout;
    final boolean requireRoute;
    final Duration waitForRoom;

    private PublisherOptions(Builder builder) {
        linger = builder.linger;
        batchMessages = builder.batchMessages;
        batchBytes = builder.batchBytes;
        unconfirmedBytes = builder.unconfirmedBytes;
        publishTimeout = builder.publishTimeout;
        requireRoute = builder.requireRoute;
        waitForRoom = builder.waitForRoom;
    }

    /**
     * The defaults, to be changed.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Makes {@link PublisherOptions}. */
    public static final class Builder {
        private Duration linger = Duration.ZERO;
        private int batchMessages = 1000;
        private int batchBytes = 256 << 10;
        private int unconfirmedBytes = 16 << 20;
        private Duration publishTimeout = Duration.ofSeconds(60);
        private boolean requireRoute;
        private Duration waitForRoom;

        private Builder() {}

        /**
         * How long a message may wait for others of its batch. Default 0: a batch is what came while the ones before it
         * were on their way.
         *
         * @param linger zero or above
         * @return this
         */
        public Builder linger(Duration linger) {
            if (linger.isNegative()) {
                throw new IllegalArgumentException("has to be zero or above: " + linger);
            }
            this.linger = linger;
            return this;
        }

        /**
         * Most messages in one batch. Default 1,000.
         *
         * @param messages 1 to 10,000
         * @return this
         */
        public Builder batchMessages(int messages) {
            batchMessages = Ranges.check("batchMessages", messages, 1, 10_000);
            return this;
        }

        /**
         * Most bytes in one batch; a larger message goes alone. Default 256 KiB.
         *
         * @param bytes 1 to 4 MiB
         * @return this
         */
        public Builder batchBytes(int bytes) {
            batchBytes = Ranges.check("batchBytes", bytes, 1, 4 << 20);
            return this;
        }

        /**
         * Most bytes buffered and on their way; above, {@link Publisher#publish} waits. One message always passes.
         * Default 16 MiB.
         *
         * @param bytes 1 to 1 GiB
         * @return this
         */
        public Builder unconfirmedBytes(int bytes) {
            unconfirmedBytes = Ranges.check("unconfirmedBytes", bytes, 1, 1 << 30);
            return this;
        }

        /**
         * How long a message is tried for over reconnects, from when it was published. Then its confirm fails with
         * UNAVAILABLE: it may or may not be stored. Default 60 s.
         *
         * @param timeout zero or above
         * @return this
         */
        public Builder publishTimeout(Duration timeout) {
            publishTimeout = timeout;
            return this;
        }

        /**
         * Whether a batch of which some message matches no queue is refused (NO_ROUTE). Default false.
         *
         * @param require whether it is
         * @return this
         */
        public Builder requireRoute(boolean require) {
            requireRoute = require;
            return this;
        }

        /**
         * How long the broker waits for room in a full queue, topic or disk before it refuses a batch. Default: without
         * end.
         *
         * @param wait 0 to 1 h
         * @return this
         */
        public Builder waitForRoom(Duration wait) {
            waitForRoom = wait;
            return this;
        }

        /**
         * What has been set.
         *
         * @return the options
         */
        public PublisherOptions build() {
            return new PublisherOptions(this);
        }
    }
}
