package io.ferrymq.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import io.ferrymq.v1.ConsumeRequest;
import io.ferrymq.v1.ConsumeResponse;
import io.ferrymq.v1.NackMode;
import io.ferrymq.v1.Opened;
import io.ferrymq.v1.SettleStatus;
import io.ferrymq.v1.Settlement;
import io.ferrymq.v1.SettlementResult;
import io.grpc.Status;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class WorkerTest {
    private FakeBroker broker;
    private Client client;
    private FakeBroker.Stream<ConsumeRequest, ConsumeResponse> stream;

    @BeforeEach
    void start() throws IOException {
        broker = new FakeBroker();
        client = broker.client();
    }

    @AfterEach
    void stop() {
        client.close();
        broker.close();
    }

    private Worker work(WorkerOptions.Builder options, Handler handler) throws InterruptedException {
        CompletableFuture<Worker> worker =
                CompletableFuture.supplyAsync(() -> client.worker(Source.queue("work"), options.build(), handler));
        stream = FakeBroker.next(broker.consuming);
        assertEquals(4, FakeBroker.next(stream.requests).getOpen().getPrefetch());
        stream.responses.onNext(ConsumeResponse.newBuilder()
                .setOpened(Opened.getDefaultInstance())
                .build());
        return worker.join();
    }

    private void deliver(String id) {
        ConsumeResponse.Builder response = ConsumeResponse.newBuilder();
        response.addDeliveriesBuilder()
                .setMessage(Messages.text(id))
                .setAckId(ByteString.copyFromUtf8(id))
                .setAttempt(1);
        stream.responses.onNext(response.build());
    }

    private Settlement settled() throws InterruptedException {
        Settlement settlement = FakeBroker.next(stream.requests).getSettlements(0);
        SettlementResult.Builder result = SettlementResult.newBuilder().setId(settlement.getId());
        stream.responses.onNext(ConsumeResponse.newBuilder()
                .addSettled(result.addStatuses(SettleStatus.SETTLE_STATUS_OK))
                .build());
        return settlement;
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
