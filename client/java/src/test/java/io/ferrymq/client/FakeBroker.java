package io.ferrymq.client;

import com.google.protobuf.Timestamp;
import io.ferrymq.v1.ConsumeRequest;
import io.ferrymq.v1.ConsumeResponse;
import io.ferrymq.v1.GetServerInfoRequest;
import io.ferrymq.v1.GetServerInfoResponse;
import io.ferrymq.v1.MessagingServiceGrpc;
import io.ferrymq.v1.PublishConfirm;
import io.ferrymq.v1.PublishResponse;
import io.ferrymq.v1.PublishResult;
import io.ferrymq.v1.PublishStreamRequest;
import io.ferrymq.v1.PublishStreamResponse;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContext;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A server whose every answer is the test's. */
final class FakeBroker extends MessagingServiceGrpc.MessagingServiceImplBase implements AutoCloseable {
    /** Streams as they are opened. */
    final BlockingQueue<Stream<PublishStreamRequest, PublishStreamResponse>> publishing = new LinkedBlockingQueue<>();

    final BlockingQueue<Stream<ConsumeRequest, ConsumeResponse>> consuming = new LinkedBlockingQueue<>();
    /** What its clock says. */
    static final Timestamp TIME = Timestamp.newBuilder().setSeconds(1).build();

    private final Server server;

    private final String scheme;

    FakeBroker() throws IOException {
        this(null);
    }

    /** Behind TLS, as a proxy would show it, unless there is no certificate. */
    FakeBroker(SslContext certificate) throws IOException {
        NettyServerBuilder builder = NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0));
        scheme = certificate == null ? "http" : "https";
        server = (certificate == null ? builder : builder.sslContext(certificate))
                .addService(this)
                .build()
                .start();
    }

    Client client() {
        return client(Duration.ofSeconds(5));
    }

    Client client(Duration callTimeout) {
        return Client.connect(ClientOptions.builder()
                .url(scheme + "://127.0.0.1:" + server.getPort())
                .callTimeout(callTimeout)
                .reconnectBackoff(Duration.ofMillis(1), Duration.ofMillis(10))
                .build());
    }

    @Override
    public void getServerInfo(GetServerInfoRequest request, StreamObserver<GetServerInfoResponse> answer) {
        answer.onNext(GetServerInfoResponse.newBuilder().setTime(TIME).build());
        answer.onCompleted();
    }

    @Override
    public StreamObserver<PublishStreamRequest> publishStream(StreamObserver<PublishStreamResponse> responses) {
        Stream<PublishStreamRequest, PublishStreamResponse> stream = new Stream<>(responses);
        publishing.add(stream);
        return stream;
    }

    @Override
    public StreamObserver<ConsumeRequest> consume(StreamObserver<ConsumeResponse> responses) {
        Stream<ConsumeRequest, ConsumeResponse> stream = new Stream<>(responses);
        consuming.add(stream);
        return stream;
    }

    static <T> T next(BlockingQueue<T> queue) throws InterruptedException {
        T next = queue.poll(10, TimeUnit.SECONDS);
        if (next == null) {
            throw new AssertionError("nothing came");
        }
        return next;
    }

    static PublishStreamResponse confirm(PublishStreamRequest request) {
        PublishResponse.Builder confirmed = PublishResponse.newBuilder();
        request.getBatch()
                .getMessagesList()
                .forEach(message -> confirmed.addResults(PublishResult.getDefaultInstance()));
        return PublishStreamResponse.newBuilder()
                .addConfirms(PublishConfirm.newBuilder().setId(request.getId()).setConfirmed(confirmed))
                .build();
    }

    @Override
    public void close() {
        server.shutdownNow();
    }

    /** One stream: what came, and where answers go. */
    static final class Stream<Q, R> implements StreamObserver<Q> {
        final BlockingQueue<Q> requests = new LinkedBlockingQueue<>();
        final StreamObserver<R> responses;

        Stream(StreamObserver<R> responses) {
            this.responses = responses;
        }

        void breaks() {
            responses.onError(Status.UNAVAILABLE.asRuntimeException());
        }

        @Override
        public void onNext(Q request) {
            requests.add(request);
        }

        @Override
        public void onError(Throwable error) {}

        @Override
        public void onCompleted() {
            responses.onCompleted();
        }
    }
}
