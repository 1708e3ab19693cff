package io.ferrymq.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import io.ferrymq.v1.ConsumeRequest;
import io.ferrymq.v1.ConsumeResponse;
import io.ferrymq.v1.Opened;
import io.ferrymq.v1.SettleStatus;
import io.ferrymq.v1.Settlement;
import io.ferrymq.v1.SettlementResult;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class SubscriberTest {
    private FakeBroker broker;
    private Client client;

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

    private Subscriber subscribe() throws InterruptedException {
        CompletableFuture<Subscriber> subscriber =
                CompletableFuture.supplyAsync(() -> client.subscribe(Source.queue("work")));
        stream = FakeBroker.next(broker.consuming);
        open("token");
        return subscriber.join();
    }

    private FakeBroker.Stream<ConsumeRequest, ConsumeResponse> stream;

    private ConsumeRequest open(String token) throws InterruptedException {
        ConsumeRequest open = FakeBroker.next(stream.requests);
        Opened opened = Opened.newBuilder()
                .setResumeToken(ByteString.copyFromUtf8(token))
                .build();
        stream.responses.onNext(ConsumeResponse.newBuilder().setOpened(opened).build());
        return open;
    }

    private void deliver(String... ids) {
        ConsumeResponse.Builder response = ConsumeResponse.newBuilder();
        for (String id : ids) {
            response.addDeliveriesBuilder()
                    .setMessage(Messages.text(id))
                    .setAckId(ByteString.copyFromUtf8(id))
                    .setAttempt(1);
        }
        stream.responses.onNext(response.build());
    }

    private void answer(Settlement settlement) {
        SettlementResult.Builder result = SettlementResult.newBuilder().setId(settlement.getId());
        settlement.getAck().getAckIdsList().forEach(id -> result.addStatuses(SettleStatus.SETTLE_STATUS_OK));
        stream.responses.onNext(ConsumeResponse.newBuilder().addSettled(result).build());
    }

    @Test
    void aBrokenStreamIsResumedWithWhatIsHeldAndUnansweredAcksGoAgain() throws InterruptedException {
        Subscriber subscriber = subscribe();
        deliver("a", "b", "c");
        var first = subscriber.next().orElseThrow().ack();
        answer(FakeBroker.next(stream.requests).getSettlements(0));
        assertEquals(SettleStatus.SETTLE_STATUS_OK, first.join());
        var second = subscriber.next().orElseThrow().ack();
        FakeBroker.next(stream.requests);
        stream.breaks();

        stream = FakeBroker.next(broker.consuming);
        ConsumeRequest again = open("other");
        assertEquals("token", again.getOpen().getResumeToken().toStringUtf8());
        assertEquals(
                List.of("b", "c"),
                again.getOpen().getHeldAckIdsList().stream()
                        .map(ByteString::toStringUtf8)
                        .sorted()
                        .toList());
        answer(FakeBroker.next(stream.requests).getSettlements(0));
        assertEquals(SettleStatus.SETTLE_STATUS_OK, second.join());
        assertEquals("c", subscriber.next().orElseThrow().text());
        subscriber.close();
        assertTrue(subscriber.next().isEmpty());
    }

    @Test
    void aFlowGetsAsManyAsItAsksFor() throws InterruptedException {
        Subscriber subscriber = subscribe();
        deliver("a", "b", "c");
        BlockingQueue<String> came = new LinkedBlockingQueue<>();
        CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();
        subscriber.subscribe(new Flow.Subscriber<>() {
            @Override
            public void onSubscribe(Flow.Subscription given) {
                subscription.complete(given);
            }

            @Override
            public void onNext(Delivery delivery) {
                came.add(delivery.text());
            }

            @Override
            public void onError(Throwable error) {
                came.add("error");
            }

            @Override
            public void onComplete() {
                came.add("end");
            }
        });
        subscription.join().request(1);
        assertEquals("a", FakeBroker.next(came));
        assertTrue(came.isEmpty());
        subscription.join().request(5);
        assertEquals("b", FakeBroker.next(came));
        assertEquals("c", FakeBroker.next(came));
        subscriber.close();
        assertEquals("end", FakeBroker.next(came));
    }

    @Test
    void aStreamThatIsNotOpenedInTimeIsATimeout() {
        try (Client hasty = broker.client(Duration.ofMillis(20))) {
            assertThrows(FerryException.Timeout.class, () -> hasty.subscribe(Source.queue("work")));
        }
    }

    @Test
    void aCallbackGetsAllInOrder() throws InterruptedException {
        Subscriber subscriber = subscribe();
        BlockingQueue<String> came = new LinkedBlockingQueue<>();
        CompletableFuture<Void> ended = subscriber.listen(delivery -> came.add(delivery.text()));
        deliver("a", "b");
        deliver("c");
        for (String expected : List.of("a", "b", "c")) {
            assertEquals(expected, FakeBroker.next(came));
        }
        subscriber.close();
        ended.join();
    }
}
