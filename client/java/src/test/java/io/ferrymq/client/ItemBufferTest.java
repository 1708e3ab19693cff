package io.ferrymq.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class ItemBufferTest {
    private final AtomicInteger taken = new AtomicInteger();
    private final ItemBuffer<Integer> buffer = new ItemBuffer<>(taken::incrementAndGet);

    @Test
    void aResponseIsTakenOnceItsLastItemIs() {
        buffer.put(List.of(1, 2));
        buffer.put(List.of(3));
        assertEquals(1, buffer.poll());
        assertEquals(0, taken.get());
        assertEquals(2, buffer.poll());
        assertEquals(1, taken.get());
        assertEquals(3, buffer.poll());
        assertEquals(2, taken.get());
        assertNull(buffer.poll());
    }

    @Test
    void threadsTakeEachItemOnceAndInOrder() {
        List<CompletableFuture<List<Integer>>> takers =
                Stream.generate(this::taker).limit(3).toList();
        for (int first = 0; first < 100_000; first += 100) {
            buffer.put(IntStream.range(first, first + 100).boxed().toList());
        }
        buffer.end(null, false);
        List<Integer> all = new ArrayList<>();
        for (CompletableFuture<List<Integer>> taker : takers) {
            List<Integer> took = taker.join();
            assertEquals(took.stream().sorted().toList(), took);
            all.addAll(took);
        }
        assertEquals(
                IntStream.range(0, 100_000).boxed().toList(),
                all.stream().sorted().toList());
        assertEquals(1_000, taken.get());
        assertTrue(buffer.isOver());
    }

    private CompletableFuture<List<Integer>> taker() {
        return CompletableFuture.supplyAsync(() -> {
            List<Integer> took = new ArrayList<>();
            buffer.iterator().forEachRemaining(took::add);
            return took;
        });
    }

    @Test
    void whatIsDroppedIsNotGivenOut() {
        buffer.put(List.of(1, 2));
        buffer.put(List.of(3));
        assertEquals(1, buffer.poll());
        buffer.clear();
        assertNull(buffer.poll());
        buffer.put(List.of(4));
        assertEquals(4, buffer.take(-1));
        assertFalse(buffer.isOver());
        buffer.end(null, true);
        assertTrue(buffer.isOver());
        assertNull(buffer.take(-1));
    }
}
