package io.ferrymq.client;

import java.time.Duration;
import java.util.function.DoubleSupplier;

/** How long to wait before trying again: doubled with each failure, a fifth more or less so that clients do not come back all at once. */
final class Backoff {
    private static final int DOUBLINGS_MAX = 16;

    private final Duration first;
    private final Duration most;
    private final DoubleSupplier random;
    private int failures;

    Backoff(Duration first, Duration most, DoubleSupplier random) {
        this.first = first;
        this.most = most;
        this.random = random;
    }

    /** What was tried worked: the next failure is the first again. */
    void reset() {
        failures = 0;
    }

    /** After one more failure; not shorter than what the broker asked for, up to the bound. */
    Duration next(Duration asked) {
        Duration doubled = shorter(first.multipliedBy(1L << Math.min(failures, DOUBLINGS_MAX)), most);
        failures++;
        Duration spread = Duration.ofNanos((long) (doubled.toNanos() * (0.8 + 0.4 * random.getAsDouble())));
        Duration least = asked == null ? Duration.ZERO : shorter(asked, most);
        return spread.compareTo(least) < 0 ? least : spread;
    }

    private static Duration shorter(Duration one, Duration other) {
        return one.compareTo(other) < 0 ? one : other;
    }
}
