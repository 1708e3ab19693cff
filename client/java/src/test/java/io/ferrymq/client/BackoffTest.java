package io.ferrymq.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.Test;

class BackoffTest {
    private static final Duration FIRST = Duration.ofMillis(100);
    private static final Duration MOST = Duration.ofSeconds(10);

    @Test
    void itDoublesUpToABoundAndBeginsAnewAfterSuccess() {
        Backoff backoff = new Backoff(FIRST, MOST, () -> 0.5);
        for (long millis : List.of(100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000)) {
            assertEquals(millis, backoff.next(null).toMillis(), 1);
        }
        backoff.reset();
        assertEquals(100, backoff.next(null).toMillis(), 1);
        assertEquals(Duration.ofSeconds(2), backoff.next(Duration.ofSeconds(2)));
        assertEquals(MOST, backoff.next(Duration.ofHours(1)));
    }

    @Test
    void itIsAFifthMoreOrLess() {
        for (int round = 0; round < 1000; round++) {
            Backoff backoff = new Backoff(FIRST, MOST, ThreadLocalRandom.current()::nextDouble);
            long millis = backoff.next(null).toMillis();
            assertTrue(millis >= 80 && millis <= 120, () -> "waits " + millis);
        }
    }
}
