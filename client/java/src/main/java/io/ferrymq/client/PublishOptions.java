package io.ferrymq.client;

import java.time.Duration;

/** How one call publishes: {@code PublishOptions.builder().waitForRoom(Duration.ofSeconds(5)).build()}. */
public final class PublishOptions {
    final Duration timeout;
    final Duration waitForRoom;
    final boolean requireRoute;

    private PublishOptions(Builder builder) {
        timeout = builder.timeout;
        waitForRoom = builder.waitForRoom;
        requireRoute = builder.requireRoute;
    }

    /**
     * The defaults, to be changed.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Makes {@link PublishOptions}. */
    public static final class Builder {
        private Duration timeout;
        private Duration waitForRoom = Duration.ZERO;
        private boolean requireRoute;

        private Builder() {}

        /**
         * Deadline of the call. Default: the client's call timeout.
         *
         * @param timeout above zero
         * @return this
         */
        public Builder timeout(Duration timeout) {
            this.timeout = timeout;
            return this;
        }

        /**
         * How long the broker waits for room in a full queue, topic or disk. Default: not at all.
         *
         * @param wait 0 to 1 h
         * @return this
         */
        public Builder waitForRoom(Duration wait) {
            waitForRoom = wait;
            return this;
        }

        /**
         * Whether the batch is refused if some message of it matches no queue (NO_ROUTE). Default false.
         *
         * @param require whether it is
         * @return this
         */
        public Builder requireRoute(boolean require) {
            requireRoute = require;
            return this;
        }

        /**
         * What has been set.
         *
         * @return the options
         */
        public PublishOptions build() {
            return new PublishOptions(this);
        }
    }
}
