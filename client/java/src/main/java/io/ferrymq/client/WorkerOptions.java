package io.ferrymq.client;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Executor;

/** How a {@link Worker} works: {@code WorkerOptions.builder().concurrency(32).build()}. */
public final class WorkerOptions {
    final int concurrency;
    final Duration drainTimeout;
    final Executor executor;
    final SubscriberOptions subscriber;

    private WorkerOptions(Builder builder) {
        concurrency = builder.concurrency;
        drainTimeout = builder.drainTimeout;
        executor = builder.executor;
        subscriber = builder.subscriber.setsPrefetch()
                ? builder.subscriber
                : builder.subscriber.withPrefetch(2 * builder.concurrency);
    }

    /**
     * The defaults, to be changed.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Makes {@link WorkerOptions}. */
    public static final class Builder {
        private int concurrency = 8;
        private Duration drainTimeout = Duration.ofSeconds(30);
        private Executor executor;
        private SubscriberOptions subscriber = SubscriberOptions.builder().build();

        private Builder() {}

        /**
         * Handlers that run at a time. Twice as many messages are asked for, unless the subscriber's options set a
         * prefetch. Default 8.
         *
         * @param handlers 1 to 10,000
         * @return this
         */
        public Builder concurrency(int handlers) {
            concurrency = Ranges.check("concurrency", handlers, 1, 10_000);
            return this;
        }

        /**
         * How long handlers may take to end when the worker stops; then their threads are interrupted and their messages
         * released. Default 30 s.
         *
         * @param timeout zero or above
         * @return this
         */
        public Builder drainTimeout(Duration timeout) {
            drainTimeout = Objects.requireNonNull(timeout);
            return this;
        }

        /**
         * Runs the handlers; it must not run tasks in the thread that gives them. Default: the client's executor. One of
         * virtual threads does well.
         *
         * @param executor not ended by the worker
         * @return this
         */
        public Builder executor(Executor executor) {
            this.executor = Objects.requireNonNull(executor);
            return this;
        }

        /**
         * How its deliveries are taken.
         *
         * @param options prefetch, lease and so on
         * @return this
         */
        public Builder subscriber(SubscriberOptions options) {
            subscriber = Objects.requireNonNull(options);
            return this;
        }

        /**
         * What has been set.
         *
         * @return the options
         */
        public WorkerOptions build() {
            return new WorkerOptions(this);
        }
    }
}
