package io.ferrymq.client;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Executor;

/** How a {@link Client} connects: {@code ClientOptions.builder().url("http://broker:7171").build()}. */
public final class ClientOptions {
    private static final String DEFAULT_URL = "http://127.0.0.1:7171";

    final String url;
    final Duration callTimeout;
    final Duration connectTimeout;
    final Duration reconnectBackoff;
    final Duration reconnectBackoffMax;
    final Duration keepaliveInterval;
    final Duration keepaliveTimeout;
    final Executor executor;

    private ClientOptions(Builder builder) {
        url = builder.url;
        callTimeout = builder.callTimeout;
        connectTimeout = builder.connectTimeout;
        reconnectBackoff = builder.reconnectBackoff;
        reconnectBackoffMax = builder.reconnectBackoffMax;
        keepaliveInterval = builder.keepaliveInterval;
        keepaliveTimeout = builder.keepaliveTimeout;
        executor = builder.executor;
    }

    /**
     * The defaults, to be changed.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Makes {@link ClientOptions}. */
    public static final class Builder {
        private String url = urlOfEnvironment();
        private Duration callTimeout = Duration.ofSeconds(30);
        private Duration connectTimeout = Duration.ofSeconds(5);
        private Duration reconnectBackoff = Duration.ofMillis(100);
        private Duration reconnectBackoffMax = Duration.ofSeconds(10);
        private Duration keepaliveInterval = Duration.ofSeconds(30);
        private Duration keepaliveTimeout = Duration.ofSeconds(20);
        private Executor executor;

        private Builder() {}

        private static String urlOfEnvironment() {
            String url = System.getenv("FERRYMQ_URL");
            return url == null || url.isEmpty() ? DEFAULT_URL : url;
        }

        /**
         * Where the broker is: {@code http://HOST:PORT} in plain text, {@code https://HOST:PORT} with TLS and the
         * system's certificates. Default: what the environment variable {@code FERRYMQ_URL} says, else
         * {@code http://127.0.0.1:7171}.
         *
         * @param url the URL
         * @return this
         */
        public Builder url(String url) {
            this.url = Objects.requireNonNull(url, "url");
            return this;
        }

        /**
         * Deadline of every call but streams. Default 30 s.
         *
         * @param timeout above zero
         * @return this
         */
        public Builder callTimeout(Duration timeout) {
            callTimeout = positive(timeout);
            return this;
        }

        /**
         * How long one attempt to connect may take. Default 5 s.
         *
         * @param timeout above zero
         * @return this
         */
        public Builder connectTimeout(Duration timeout) {
            connectTimeout = positive(timeout);
            return this;
        }

        /**
         * How long to wait between attempts: the first time, doubled up to the bound, a fifth more or less at random.
         * Default 100 ms up to 10 s.
         *
         * @param first above zero
         * @param most the bound
         * @return this
         */
        public Builder reconnectBackoff(Duration first, Duration most) {
            reconnectBackoff = positive(first);
            reconnectBackoffMax = positive(most);
            return this;
        }

        /**
         * How often a connection is asked whether it is alive, and how long it may take to answer. Default every 30 s,
         * within 20 s.
         *
         * @param interval at least 10 s
         * @param timeout above zero
         * @return this
         */
        public Builder keepalive(Duration interval, Duration timeout) {
            keepaliveInterval = positive(interval);
            keepaliveTimeout = positive(timeout);
            return this;
        }

        /**
         * Runs what comes from the broker, what hangs on futures, and handlers of workers. It must not run tasks in the
         * thread that gives them. Default: daemon threads of the client's own, made as they are needed. One of virtual
         * threads does well.
         *
         * @param executor not ended by the client
         * @return this
         */
        public Builder executor(Executor executor) {
            this.executor = Objects.requireNonNull(executor, "executor");
            return this;
        }

        /**
         * What has been set.
         *
         * @return the options
         */
        public ClientOptions build() {
            return new ClientOptions(this);
        }

        private static Duration positive(Duration length) {
            if (length.isZero() || length.isNegative()) {
                throw new IllegalArgumentException("has to be above zero: " + length);
            }
            return length;
        }
    }
}
