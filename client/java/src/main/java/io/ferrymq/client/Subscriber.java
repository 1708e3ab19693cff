package io.ferrymq.client;

import io.ferrymq.v1.Opened;
import java.time.Duration;
import java.util.Iterator;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/**
 * Deliveries for as long as it is open, over reconnects. They are taken in one of these ways: one by one with {@link #next()},
 * in a {@code for} loop, by a callback with {@link #listen}, or as a {@link Flow.Publisher} with one subscriber.
 */
public final class Subscriber implements Flow.Publisher<Delivery>, Iterable<Delivery>, AutoCloseable {
    private final Consumption consumption;
    private final ItemBuffer<Delivery> buffer;
    private final Connection connection;
    private final Consumer<Subscriber> closed;
    private final AtomicBoolean flows = new AtomicBoolean();

    Subscriber(
            Consumption consumption, ItemBuffer<Delivery> buffer, Connection connection, Consumer<Subscriber> closed) {
        this.consumption = consumption;
        this.buffer = buffer;
        this.connection = connection;
        this.closed = closed;
    }

    /**
     * What was opened, with every default filled in.
     *
     * @return as the broker said when it was opened first
     */
    public Opened opened() {
        return consumption.opened();
    }

    /**
     * Waits for the next delivery.
     *
     * @return empty once nothing more comes: it is closed, or a broadcast has reached its stop
     * @throws FerryException why it has ended by itself: trying again could not help; CANCELLED if the thread is interrupted
     */
    public Optional<Delivery> next() {
        return Optional.ofNullable(buffer.take(-1));
    }

    /**
     * Waits for the next delivery for so long.
     *
     * @param timeout zero or above
     * @return empty if nothing came in time, and once nothing more comes
     * @throws FerryException as {@link #next()}
     */
    public Optional<Delivery> next(Duration timeout) {
        return Optional.ofNullable(buffer.take(Math.max(0, timeout.toNanos())));
    }

    /** Deliveries as they come; {@code hasNext} waits and fails as {@link #next()}. */
    @Override
    public Iterator<Delivery> iterator() {
        return buffer.iterator();
    }

    /** Deliveries as they are asked for. A second subscriber is refused; one that cancels closes this. */
    @Override
    public void subscribe(Flow.Subscriber<? super Delivery> subscriber) {
        if (flows.getAndSet(true)) {
            subscriber.onSubscribe(new ItemFlow<>(buffer, connection.executor, subscriber, () -> {}));
            subscriber.onError(new IllegalStateException("it has its one subscriber already"));
            return;
        }
        Runnable close = () -> connection.executor.execute(this::close);
        ItemFlow<Delivery> flow = new ItemFlow<>(buffer, connection.executor, subscriber, close);
        subscriber.onSubscribe(flow);
        buffer.onChange(flow::signal);
    }

    /**
     * Calls the handler for each delivery, one after the other, in a thread of the client. What it throws ends it.
     *
     * @param handler may settle at once or later
     * @return ends when nothing more comes; fails with why
     */
    public CompletableFuture<Void> listen(Consumer<? super Delivery> handler) {
        Listener listener = new Listener(handler);
        subscribe(listener);
        return listener.ended;
    }

    /** Nothing more comes: what was settled is answered, what is held or buffered goes back without a failure. */
    @Override
    public void close() {
        consumption.close();
        closed.accept(this);
    }

    private static final class Listener implements Flow.Subscriber<Delivery> {
        private final CompletableFuture<Void> ended = new CompletableFuture<>();
        private final Consumer<? super Delivery> handler;
        private Flow.Subscription subscription;

        Listener(Consumer<? super Delivery> handler) {
            this.handler = handler;
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            this.subscription = subscription;
            subscription.request(Long.MAX_VALUE);
        }

        @Override
        public void onNext(Delivery delivery) {
            try {
                handler.accept(delivery);
            } catch (RuntimeException e) {
                subscription.cancel();
                ended.completeExceptionally(e);
            }
        }

        @Override
        public void onError(Throwable error) {
            ended.completeExceptionally(error);
        }

        @Override
        public void onComplete() {
            ended.complete(null);
        }
    }
}
