package io.ferrymq.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.rpc.ErrorInfo;
import io.ferrymq.v1.ConsumeResponse;
import io.ferrymq.v1.LogPoint;
import io.ferrymq.v1.Position;
import io.ferrymq.v1.SettleStatus;
import io.ferrymq.v1.SubscribeRequest;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.Test;

class SubscriberTest extends AgainstFakeBroker {
    private SubscribeRequest first;

    private Subscriber subscribe() throws InterruptedException {
        return subscribe(Source.queue("work"));
    }

    private Subscriber subscribe(Source source) throws InterruptedException {
        CompletableFuture<Subscriber> subscriber = CompletableFuture.supplyAsync(() -> client.subscribe(source));
        first = open("token");
        return subscriber.join();
    }

    @Test
    void aBrokenStreamIsResumedWithWhatIsHeldAndUnansweredAcksGoAgain() throws InterruptedException {
        Subscriber subscriber = subscribe();
        deliver("a", "b", "c");
        var first = subscriber.next().orElseThrow().ack();
        settled();
        assertEquals(SettleStatus.SETTLE_STATUS_OK, first.join());
        var second = subscriber.next().orElseThrow().ack();
        FakeBroker.next(stream.requests);
        stream.breaks();

        SubscribeRequest again = open("token");
        assertEquals("token", again.getResumeToken().toStringUtf8());
        assertEquals(
                List.of("b", "c"),
                again.getHeldAckIdsList().stream()
                        .map(ByteString::toStringUtf8)
                        .sorted()
                        .toList());
        settled();
        assertEquals(SettleStatus.SETTLE_STATUS_OK, second.join());
        assertEquals("c", subscriber.next().orElseThrow().text());
        subscriber.close();
        assertTrue(subscriber.next().isEmpty());
    }

    @Test
    void whatAnotherConsumerGetsIsNotHandedOut() throws InterruptedException {
        Subscriber subscriber = subscribe();
        deliver("a", "b");
        Delivery mine = subscriber.next().orElseThrow();
        stream.breaks();
        open("of a new consumer");
        // A late ack still counts; its answer comes behind the opening.
        var late = mine.ack();
        settled();
        assertEquals(SettleStatus.SETTLE_STATUS_OK, late.join());
        deliver("c");
        assertEquals("c", subscriber.next().orElseThrow().text());
        stream.breaks();
        SubscribeRequest again = open("of a new consumer");
        assertEquals(List.of(ByteString.copyFromUtf8("c")), again.getHeldAckIdsList());
        subscriber.close();
    }

    @Test
    void whatWasLatestAtTheFirstOpeningStaysSo() throws InterruptedException {
        Subscriber subscriber =
                subscribe(Source.topic("orders").start(Points.latest()).stop(Points.latest()));
        assertEquals(Points.latest(), first.getStart());
        assertEquals(Points.latest(), first.getStop());
        stream.breaks();
        SubscribeRequest again = open("token");
        LogPoint then = LogPoint.newBuilder().setTime(FakeBroker.TIME).build();
        assertEquals(then, again.getStart());
        assertEquals(then, again.getStop());
        stream.responses.onCompleted();
        assertTrue(subscriber.next().isEmpty());
        subscriber.close();
    }

    @Test
    void aBroadcastGoesOnBehindItsLastPositionAndOverWhatRetentionHasTaken() throws InterruptedException {
        Subscriber subscriber = subscribe(Source.topic("orders").start(Points.earliest()));
        Position position = Position.newBuilder().setLog(7).setOffset(41).build();
        stream.responses.onNext(ConsumeResponse.newBuilder()
                .addDeliveries(io.ferrymq.v1.Delivery.newBuilder().setPosition(position))
                .build());
        assertEquals(position, subscriber.next().orElseThrow().position());
        stream.breaks();
        stream = FakeBroker.next(broker.consuming);
        SubscribeRequest again = FakeBroker.next(stream.requests).getOpen();
        assertEquals(42, again.getStart().getPosition().getOffset());
        stream.responses.onError(trimmed());
        assertEquals(Points.earliest(), open("token").getStart());
        subscriber.close();
    }

    private static StatusRuntimeException trimmed() {
        ErrorInfo why = ErrorInfo.newBuilder()
                .setDomain("ferrymq")
                .setReason("POSITION_TRIMMED")
                .build();
        return StatusProto.toStatusRuntimeException(com.google.rpc.Status.newBuilder()
                .setCode(com.google.rpc.Code.OUT_OF_RANGE_VALUE)
                .addDetails(Any.pack(why))
                .build());
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
