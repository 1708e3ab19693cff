package io.ferrymq.client;

import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * Runs a handler for each delivery, some at a time, and settles by how it ends: returned acks, {@link RejectException} rejects,
 * anything else that is thrown retries.
 */
public final class Worker implements AutoCloseable {
    private final Connection connection;
    private final Subscriber subscriber;
    private final WorkerOptions options;
    private final Handler handler;
    private final Executor executor;
    private final Consumer<Worker> closed;
    private final CompletableFuture<Void> ended = new CompletableFuture<>();

    private final ReentrantLock lock = new ReentrantLock();
    // All of what follows is under the lock.
    private final Set<Thread> running = new HashSet<>();
    private int begun;
    private boolean stopping;
    private boolean interrupted;
    private boolean closing;
    private Throwable failure;

    private Flow.Subscription subscription;

    Worker(
            Connection connection,
            Subscriber subscriber,
            WorkerOptions options,
            Handler handler,
            Consumer<Worker> closed) {
        this.connection = connection;
        this.subscriber = subscriber;
        this.options = options;
        this.handler = handler;
        this.closed = closed;
        executor = options.executor == null ? connection.executor : options.executor;
    }

    void start() {
        subscriber.subscribe(new Taking());
    }

    /**
     * Begins nothing new; handlers that run may end within the drain timeout, and the rest is released. May be called by a
     * handler.
     *
     * @return ends once the worker has; fails with why it had ended by itself
     */
    public CompletableFuture<Void> stop() {
        boolean first;
        lock.lock();
        try {
            first = !stopping;
            stopping = true;
        } finally {
            lock.unlock();
        }
        if (first) {
            connection.timer.schedule(this::drained, options.drainTimeout.toNanos(), TimeUnit.NANOSECONDS);
        }
        closeIfIdle();
        return ended.copy();
    }

    /**
     * Waits until it ends: it is stopped, or its deliveries ended for good, e.g. because the queue was deleted.
     *
     * @throws FerryException why it ended by itself; CANCELLED if the thread is interrupted
     */
    public void await() {
        Futures.get(ended);
    }

    /** Stops and waits for it; a handler calls {@link #stop} instead. */
    @Override
    public void close() {
        Futures.ends(stop(), options.drainTimeout.plus(connection.options.callTimeout));
    }

    private final class Taking implements Flow.Subscriber<Delivery> {
        @Override
        public void onSubscribe(Flow.Subscription given) {
            subscription = given;
            given.request(options.concurrency);
        }

        @Override
        public void onNext(Delivery delivery) {
            if (begins()) {
                executor.execute(() -> work(delivery));
            }
        }

        @Override
        public void onError(Throwable error) {
            over(error);
        }

        @Override
        public void onComplete() {
            over(null);
        }
    }

    private boolean begins() {
        lock.lock();
        try {
            begun += stopping ? 0 : 1;
            return !stopping;
        } finally {
            lock.unlock();
        }
    }

    private void work(Delivery delivery) {
        lock.lock();
        try {
            running.add(Thread.currentThread());
        } finally {
            lock.unlock();
        }
        try {
            Trace.run(delivery.message(), () -> handle(delivery));
        } finally {
            done();
        }
    }

    private void done() {
        boolean more;
        lock.lock();
        try {
            running.remove(Thread.currentThread());
            begun--;
            more = !stopping;
        } finally {
            lock.unlock();
        }
        if (more) {
            subscription.request(1);
        } else {
            closeIfIdle();
        }
    }

    private void handle(Delivery delivery) {
        try {
            handler.handle(delivery);
            delivery.ack();
        } catch (RejectException e) {
            delivery.reject(text(e));
        } catch (RetryException e) {
            delivery.retry(e.delay(), text(e));
        } catch (Exception | LinkageError | AssertionError | StackOverflowError e) {
            // One that was interrupted as time ran out goes back with the rest, without a failure.
            if (!isInterrupted()) {
                delivery.retry(text(e));
            }
        }
    }

    private static String text(Throwable error) {
        return error.getMessage() == null ? error.getClass().getSimpleName() : error.getMessage();
    }

    private boolean isInterrupted() {
        lock.lock();
        try {
            return interrupted;
        } finally {
            lock.unlock();
        }
    }

    /** The deliveries have ended by themselves. */
    private void over(Throwable error) {
        lock.lock();
        try {
            failure = error;
            stopping = true;
        } finally {
            lock.unlock();
        }
        closeIfIdle();
    }

    /** Time is up for the handlers. */
    private void drained() {
        lock.lock();
        try {
            interrupted = true;
            running.forEach(Thread::interrupt);
            begun = 0;
        } finally {
            lock.unlock();
        }
        closeIfIdle();
    }

    private void closeIfIdle() {
        boolean closes;
        lock.lock();
        try {
            closes = stopping && begun <= 0 && !closing;
            closing |= closes;
        } finally {
            lock.unlock();
        }
        if (closes) {
            connection.executor.execute(this::finish);
        }
    }

    private void finish() {
        subscriber.close();
        closed.accept(this);
        if (failure == null) {
            ended.complete(null);
        } else {
            ended.completeExceptionally(failure);
        }
    }
}
