package io.ferrymq.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ferrymq.v1.ErrorReason;
import io.ferrymq.v1.Failure;
import io.ferrymq.v1.PublishConfirm;
import io.ferrymq.v1.PublishResult;
import io.ferrymq.v1.PublishStreamRequest;
import io.ferrymq.v1.PublishStreamResponse;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;

class PublisherTest extends AgainstFakeBroker {
    /** Requests with so many messages together. */
    private static List<PublishStreamRequest> take(FakeBroker.Stream<PublishStreamRequest, ?> stream, int messages)
            throws InterruptedException {
        List<PublishStreamRequest> requests = new ArrayList<>();
        while (payloads(requests).size() < messages) {
            requests.add(FakeBroker.next(stream.requests));
        }
        return requests;
    }

    private static List<String> payloads(List<PublishStreamRequest> requests) {
        return requests.stream()
                .flatMap(request -> request.getBatch().getMessagesList().stream())
                .map(message -> message.getPayload().toStringUtf8())
                .toList();
    }

    @Test
    void whatWasNotConfirmedWhenTheStreamBrokeGoesAgainInOrder() throws InterruptedException {
        Publisher publisher = client.publisher("orders");
        CompletableFuture<PublishResult> one = publisher.publish(Messages.text("one"));
        CompletableFuture<PublishResult> two = publisher.publish(Messages.text("two"));
        var first = FakeBroker.next(broker.publishing);
        List<PublishStreamRequest> sent = take(first, 2);
        first.breaks();

        var second = FakeBroker.next(broker.publishing);
        List<PublishStreamRequest> again = take(second, 2);
        assertEquals(List.of("one", "two"), payloads(again));
        assertEquals(sent, again);
        again.forEach(request -> second.responses.onNext(FakeBroker.confirm(request)));
        one.join();
        two.join();
        publisher.close();
    }

    private static FerryException failed(CompletableFuture<?> confirm) {
        CompletionException failed = assertThrows(CompletionException.class, confirm::join);
        return assertInstanceOf(FerryException.class, failed.getCause());
    }

    @Test
    void anyOtherEndOfTheStreamEndsThePublisher() throws InterruptedException {
        Publisher publisher = client.publisher("orders");
        CompletableFuture<PublishResult> one = publisher.publish(Messages.text("one"));
        var stream = FakeBroker.next(broker.publishing);
        FakeBroker.next(stream.requests);
        stream.responses.onError(Status.PERMISSION_DENIED.asRuntimeException());
        // It was sent and not answered: nobody knows.
        FerryException unknown = failed(one);
        assertEquals(Code.UNAVAILABLE, unknown.code());
        assertTrue(unknown.getMessage().contains("PERMISSION_DENIED"), unknown::getMessage);
        assertEquals(
                Code.PERMISSION_DENIED,
                failed(publisher.publish(Messages.text("two"))).code());
        assertEquals(
                Code.PERMISSION_DENIED,
                assertThrows(FerryException.class, publisher::close).code());
    }

    @Test
    void whatWasNeverSentFailsAsTheStreamDid() throws InterruptedException {
        PublisherOptions options =
                PublisherOptions.builder().linger(Duration.ofHours(1)).build();
        Publisher publisher = client.publisher(Destination.topic("orders"), options);
        CompletableFuture<PublishResult> one = publisher.publish(Messages.text("one"));
        FakeBroker.next(broker.publishing).responses.onError(Status.PERMISSION_DENIED.asRuntimeException());
        assertEquals(Code.PERMISSION_DENIED, failed(one).code());
    }

    @Test
    void aRefusalForNowIsTheAnswerToItsBatchAlone() throws InterruptedException {
        Publisher publisher = client.publisher("orders");
        CompletableFuture<PublishResult> one = publisher.publish(Messages.text("one"));
        var stream = FakeBroker.next(broker.publishing);
        Failure refusal = Failure.newBuilder()
                .setCode(Status.Code.UNAVAILABLE.value())
                .setReason(ErrorReason.ERROR_REASON_WRITES_STOPPED)
                .setMessage("no more writes until a restart")
                .build();
        PublishConfirm.Builder confirm = PublishConfirm.newBuilder()
                .setId(FakeBroker.next(stream.requests).getId())
                .setFailure(refusal);
        stream.responses.onNext(
                PublishStreamResponse.newBuilder().addConfirms(confirm).build());
        assertEquals("WRITES_STOPPED", failed(one).reason());
        CompletableFuture<PublishResult> two = publisher.publish(Messages.text("two"));
        stream.responses.onNext(FakeBroker.confirm(FakeBroker.next(stream.requests)));
        two.join();
        publisher.close();
    }

    @Test
    void aMessageIsTriedForOnlySoLong() {
        broker.close();
        PublisherOptions options =
                PublisherOptions.builder().publishTimeout(Duration.ofMillis(20)).build();
        Publisher publisher = client.publisher(Destination.topic("orders"), options);
        CompletableFuture<PublishResult> one = publisher.publish(Messages.text("one"));
        CompletionException failed = assertThrows(CompletionException.class, one::join);
        assertInstanceOf(FerryException.Unavailable.class, failed.getCause());
        publisher.close();
    }

    @Test
    void whatHangsOnAConfirmMayPublishAlthoughTheBufferIsFull() throws InterruptedException {
        PublisherOptions options =
                PublisherOptions.builder().unconfirmedBytes(200).build();
        Publisher publisher = client.publisher(Destination.topic("orders"), options);
        CompletableFuture<PublishResult> third = publisher
                .publish(Messages.text("one"))
                .thenCompose(result -> {
                    publisher.publish(Messages.text("two"));
                    publisher.publish(Messages.text("three"));
                    return publisher.publish(Messages.text("four"));
                });
        var stream = FakeBroker.next(broker.publishing);
        for (int count = 0; count < 4; count++) {
            stream.responses.onNext(FakeBroker.confirm(FakeBroker.next(stream.requests)));
        }
        third.join();
        publisher.close();
    }

    @Test
    void whatIsAskedOfAClosedClientFailsAtOnce() {
        Publisher publisher = client.publisher("orders");
        client.close();
        assertThrows(FerryException.Unavailable.class, client::serverInfo);
        assertTrue(publisher.publish(Messages.text("late")).isCompletedExceptionally());
    }

    @Test
    void aPublisherThatHadNothingToDoCloses() {
        client.publisher("orders").close();
        assertTrue(broker.publishing.isEmpty());
    }
}
