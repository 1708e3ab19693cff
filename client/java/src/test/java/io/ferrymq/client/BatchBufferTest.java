package io.ferrymq.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.ferrymq.v1.Message;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class BatchBufferTest {
    private static void add(BatchBuffer buffer, long bytes) {
        buffer.add(Message.getDefaultInstance(), bytes, new CompletableFuture<>());
    }

    @Test
    void aBatchEndsAtItsMessagesAndAtItsBytesAndALargeMessageGoesAlone() {
        BatchBuffer buffer = new BatchBuffer(0, 3, 100);
        List.of(10, 10, 10, 10, 90, 500, 10).forEach(bytes -> add(buffer, bytes));
        List<Long> sizes = new ArrayList<>();
        while (!buffer.isEmpty()) {
            sizes.add(buffer.take().bytes);
        }
        assertEquals(List.of(30L, 100L, 500L, 10L), sizes);
        assertNull(buffer.take());
    }

    @Test
    void aSmallBatchWaitsForItsLingerAndWhileTwoAreOnTheirWay() {
        BatchBuffer buffer = new BatchBuffer(5, 2, 100);
        assertEquals(BatchBuffer.NOTHING, buffer.ready(0, 0));
        add(buffer, 1);
        long since = buffer.first().since;
        assertEquals(5, buffer.ready(0, since));
        assertEquals(0, buffer.ready(1, since + 5));
        assertEquals(BatchBuffer.NOTHING, buffer.ready(2, since + 5));
        add(buffer, 1);
        assertEquals(0, buffer.ready(2, since));
    }

    @Test
    void whoBeginsOrFillsABatchIsTold() {
        BatchBuffer buffer = new BatchBuffer(0, 3, 100);
        List<Boolean> told = new ArrayList<>();
        for (long bytes : List.of(10, 10, 10, 10, 95)) {
            told.add(buffer.add(Message.getDefaultInstance(), bytes, new CompletableFuture<>()));
        }
        assertEquals(List.of(true, false, true, true, true), told);
    }

    @Test
    void aFlushDoesNotLinger() {
        BatchBuffer buffer = new BatchBuffer(1000, 100, 100);
        add(buffer, 1);
        buffer.hurry();
        assertEquals(0, buffer.ready(0, buffer.first().since));
        buffer.take();
        add(buffer, 1);
        assertEquals(1000, buffer.ready(0, buffer.first().since));
    }

    @Test
    void whatWasNotConfirmedGoesAgainFirstInOrderAndAsItWas() {
        BatchBuffer buffer = new BatchBuffer(0, 1, 100);
        List.of(1, 2, 3).forEach(bytes -> add(buffer, bytes));
        Deque<Batch> unconfirmed = new ArrayDeque<>();
        for (long id = 1; id <= 2; id++) {
            Batch batch = buffer.take();
            batch.id = id;
            unconfirmed.add(batch);
        }
        buffer.putBack(unconfirmed);
        add(buffer, 4);
        List<Long> again = new ArrayList<>();
        while (!buffer.isEmpty()) {
            again.add(buffer.take().bytes);
        }
        assertEquals(List.of(1L, 2L, 3L, 4L), again);
        assertEquals(0, unconfirmed.size());
    }
}
