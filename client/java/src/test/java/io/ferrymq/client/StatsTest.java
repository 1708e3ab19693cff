package io.ferrymq.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.ferrymq.client.testing.TestBroker;
import io.ferrymq.v1.WatchStatsResponse;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Numbers of a real broker. */
@Timeout(60)
class StatsTest {
    private static final Duration OFTEN = Duration.ofMillis(100);

    private TestBroker broker;
    private Client client;

    @BeforeEach
    void start() {
        assumeTrue(Brokers.areHere(), Brokers.SKIPPED);
        broker = TestBroker.start();
        client = broker.client();
        client.admin().createQueue("billing");
    }

    @AfterEach
    void stop() {
        if (broker != null) {
            client.close();
            broker.close();
        }
    }

    private static long ready(WatchStatsResponse numbers) {
        return numbers.getQueuesOrThrow("billing").getReady();
    }

    @Test
    void numbersComeAgainAndAgainUntilItIsClosed() {
        StatsWatch watch = client.admin().watchStats(List.of(), List.of("billing"), OFTEN);
        Iterator<WatchStatsResponse> numbers = watch.iterator();
        assertEquals(0, ready(numbers.next()));
        client.publish(
                Destination.queue("billing"),
                List.of(Messages.text("one")),
                PublishOptions.builder().build());
        long seen = 0;
        while (seen == 0) {
            seen = ready(numbers.next());
        }
        assertEquals(1, seen);
        watch.close();
        assertFalse(numbers.hasNext());
    }

    @Test
    void whatDoesNotExistCannotBeWatched() {
        try (StatsWatch watch = client.admin().watchStats(List.of("nothing"), List.of(), OFTEN)) {
            assertThrows(FerryException.NotFound.class, () -> watch.iterator().next());
        }
    }

    @Test
    void closingTheClientEndsIt() {
        StatsWatch watch = client.admin().watchStats(List.of(), List.of(), Duration.ofHours(1));
        Iterator<WatchStatsResponse> numbers = watch.iterator();
        numbers.next();
        client.close();
        assertFalse(numbers.hasNext());
    }
}
