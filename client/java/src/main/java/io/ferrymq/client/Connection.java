package io.ferrymq.client;

import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;

/** The connection and the threads that all of a client share. */
final class Connection {
    /** The most that the broker puts on one page. */
    static final int PAGE_SIZE = 1000;

    /** The largest response that the protocol lets a stream ask for. */
    private static final int RESPONSE_BYTES_MAX = 256 << 20;

    private static final int WINDOW_BYTES = 4 << 20;
    /** What a stream may have handed to the connection and not yet written: some batches, so that it never runs dry. */
    private static final int UNWRITTEN_BYTES = 1 << 20;

    final ClientOptions options;
    final Executor executor;
    final ScheduledExecutorService timer;
    private final ManagedChannel channel;
    private final ExecutorService own;

    Connection(ClientOptions options) {
        this.options = options;
        own = options.executor == null ? Executors.newCachedThreadPool(daemons("ferrymq-")) : null;
        executor = own == null ? options.executor : orHere(own);
        channel = channel(options);
        ScheduledThreadPoolExecutor timer = new ScheduledThreadPoolExecutor(1, daemons("ferrymq-timer-"));
        timer.setRemoveOnCancelPolicy(true);
        this.timer = timer;
    }

    private static ManagedChannel channel(ClientOptions options) {
        URI url = parse(options.url);
        boolean tls = url.getScheme().equals("https");
        int port = url.getPort() >= 0 ? url.getPort() : tls ? 443 : 80;
        NettyChannelBuilder builder = NettyChannelBuilder.forAddress(url.getHost(), port)
                // Events of calls stay in the connection's thread, as handing each on costs more than dealing with it.
                .directExecutor()
                .userAgent("ferrymq-java")
                .maxInboundMessageSize(RESPONSE_BYTES_MAX)
                .initialFlowControlWindow(WINDOW_BYTES)
                .withOption(ChannelOption.CONNECT_TIMEOUT_MILLIS, (int) options.connectTimeout.toMillis())
                .keepAliveTime(options.keepaliveInterval.toNanos(), TimeUnit.NANOSECONDS)
                .keepAliveTimeout(options.keepaliveTimeout.toNanos(), TimeUnit.NANOSECONDS)
                .keepAliveWithoutCalls(true)
                // What to try again is for the client to say: a publish may not be.
                .disableRetry();
        return (tls ? builder.useTransportSecurity() : builder.usePlaintext()).build();
    }

    private static URI parse(String text) {
        URI url;
        try {
            url = URI.create(text);
        } catch (IllegalArgumentException e) {
            throw FerryException.invalid("url", "`" + text + "` is no URL: " + e.getMessage());
        }
        boolean known = "http".equals(url.getScheme()) || "https".equals(url.getScheme());
        if (!known || url.getHost() == null) {
            throw FerryException.invalid("url", "`" + text + "` must look like http://HOST:PORT");
        }
        return url;
    }

    /** A stream that has yet to be started. */
    <Q, R> Call<Q, R> stream(MethodDescriptor<Q, R> method) {
        // gRPC waits longer and longer between its attempts to connect; the client has a backoff of its own.
        channel.resetConnectBackoff();
        return new Call<>(channel.newCall(method, CallOptions.DEFAULT.withOnReadyThreshold(UNWRITTEN_BYTES)));
    }

    /** One call with one answer. */
    <Q, R> CompletableFuture<R> call(MethodDescriptor<Q, R> method, Q request, Duration timeout) {
        channel.resetConnectBackoff();
        CallOptions call = CallOptions.DEFAULT.withDeadlineAfter(timeout.toNanos(), TimeUnit.NANOSECONDS);
        CompletableFuture<R> answer = new CompletableFuture<>();
        new Call<>(channel.newCall(method, call)).unary(request, answer, executor);
        return answer;
    }

    /** As {@link #call}, with the default deadline, waited for. */
    <Q, R> R ask(MethodDescriptor<Q, R> method, Q request) {
        return Futures.get(call(method, request, options.callTimeout));
    }

    /** As {@link #ask}, page after page. */
    <Q, R, T> List<T> pages(
            MethodDescriptor<Q, R> method,
            Function<String, Q> request,
            Function<R, List<T>> items,
            Function<R, String> next) {
        List<T> all = new ArrayList<>();
        String token = "";
        do {
            R page = ask(method, request.apply(token));
            all.addAll(items.apply(page));
            token = next.apply(page);
        } while (!token.isEmpty());
        return all;
    }

    Backoff backoff() {
        return new Backoff(options.reconnectBackoff, options.reconnectBackoffMax, () -> ThreadLocalRandom.current()
                .nextDouble());
    }

    /** What comes after the end still has to come: a call that is refused as all is closed, say. */
    private static Executor orHere(ExecutorService own) {
        return task -> {
            try {
                own.execute(task);
            } catch (RejectedExecutionException e) {
                task.run();
            }
        };
    }

    void close() {
        timer.shutdownNow();
        channel.shutdown();
        try {
            // All that was made by the client has ended: nothing is open but calls that nobody waits for.
            if (!channel.awaitTermination(1, TimeUnit.SECONDS)) {
                channel.shutdownNow();
            }
        } catch (InterruptedException e) {
            channel.shutdownNow();
            Thread.currentThread().interrupt();
        }
        if (own != null) {
            own.shutdown();
        }
    }

    private static ThreadFactory daemons(String prefix) {
        AtomicInteger number = new AtomicInteger();
        return task -> {
            Thread thread = new Thread(task, prefix + number.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        };
    }
}
