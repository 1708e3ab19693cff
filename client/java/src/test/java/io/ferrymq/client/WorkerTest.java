package io.ferrymq.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ferrymq.v1.NackMode;
import io.grpc.Status;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

class WorkerTest extends AgainstFakeBroker {
    private Worker work(WorkerOptions.Builder options, Handler handler) throws InterruptedException {
        CompletableFuture<Worker> worker =
                CompletableFuture.supplyAsync(() -> client.worker(Source.queue("work"), options.build(), handler));
        assertEquals(4, open("token").getPrefetch());
        return worker.join();
    }

    @Test
    void howAHandlerEndsSettlesItsDelivery() throws InterruptedException {
        Worker worker = work(WorkerOptions.builder().concurrency(2), received -> {
            switch (received.text()) {
                case "rejects" -> throw new RejectException("hopeless");
                case "delays" -> throw new RetryException(Duration.ofSeconds(7), "later");
                case "fails" -> throw new IOException("no such file");
                case "breaks" -> throw new StackOverflowError();
                default -> {}
            }
        });
        deliver("works");
        assertEquals("works", settled().getAck().getAckIds(0).toStringUtf8());
        deliver("rejects");
        assertEquals(NackMode.NACK_MODE_REJECT, settled().getNack().getMode());
        deliver("delays");
        assertEquals(7, settled().getNack().getDelay().getSeconds());
        deliver("fails");
        assertEquals("no such file", settled().getNack().getReason());
        deliver("breaks");
        assertEquals("StackOverflowError", settled().getNack().getReason());
        worker.close();
    }

    @Test
    void aHandlerThatTakesTooLongIsInterruptedAndItsMessageIsLeftToGoBack() throws InterruptedException {
        CompletableFuture<Boolean> interrupted = new CompletableFuture<>();
        CountDownLatch begun = new CountDownLatch(1);
        WorkerOptions.Builder options = WorkerOptions.builder().concurrency(2).drainTimeout(Duration.ofMillis(10));
        Worker worker = work(options, received -> {
            begun.countDown();
            try {
                new CountDownLatch(1).await();
            } catch (InterruptedException e) {
                interrupted.complete(true);
                throw e;
            }
        });
        deliver("long");
        begun.await();
        worker.stop().join();
        assertTrue(interrupted.join());
        assertTrue(stream.requests.isEmpty());
    }

    @Test
    void itEndsWithWhyItsDeliveriesEnded() throws InterruptedException {
        Worker worker = work(WorkerOptions.builder().concurrency(2), received -> {});
        assertFalse(worker.stop().isCompletedExceptionally());
        Worker other = work(WorkerOptions.builder().concurrency(2), received -> {});
        stream.responses.onError(Status.NOT_FOUND.asRuntimeException());
        assertThrows(FerryException.NotFound.class, other::await);
    }
}
