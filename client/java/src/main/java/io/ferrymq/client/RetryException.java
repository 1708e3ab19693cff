package io.ferrymq.client;

import java.time.Duration;
import java.util.Objects;

/** Thrown by a {@link Handler}: again, after a delay of its own. */
public class RetryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** From now. */
    private final Duration delay;

    /**
     * With a reason.
     *
     * @param delay 0 to 366 days
     * @param reason for whoever looks into the dead-letter queue, should it end there
     */
    public RetryException(Duration delay, String reason) {
        super(reason);
        this.delay = Objects.requireNonNull(delay);
    }

    /**
     * When it is to come again.
     *
     * @return from now
     */
    public Duration delay() {
        return delay;
    }
}
