package io.ferrymq.client;

import io.ferrymq.v1.Message;
import io.ferrymq.v1.PublishResult;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * Publishes to one destination, from any number of threads: batches by itself, keeps order, and sends again what was not
 * confirmed when its connection broke, so that a message may then be stored twice.
 */
public final class Publisher implements AutoCloseable {
    private final PublishEngine engine;
    private final Consumer<Publisher> closed;

    Publisher(PublishEngine engine, Consumer<Publisher> closed) {
        this.engine = engine;
        this.closed = closed;
    }

    /**
     * Takes a message, waiting only while too much is unconfirmed. The confirm need not be waited for: a refused batch that
     * nobody waits for is a line of log.
     *
     * @param message not changed
     * @return the confirm: completed when the message is on disk; fails with a {@link FerryException}: with {@link
     *     FerryException.Unavailable} it is not known whether the message is stored, with any other it is not
     * @throws FerryException CANCELLED if the thread is interrupted while it waits; the message is not published
     */
    public CompletableFuture<PublishResult> publish(Message message) {
        return engine.publish(Trace.inject(message));
    }

    /**
     * Waits until everything published so far is confirmed or refused; says nothing of which.
     *
     * @throws FerryException what ended the stream, if that was for good; CANCELLED if the thread is interrupted
     */
    public void flush() {
        engine.flush();
    }

    /**
     * Waits until everything is confirmed or refused, and ends. Further publishes fail.
     *
     * @throws FerryException as {@link #flush}
     */
    @Override
    public void close() {
        closed.accept(this);
        engine.close();
    }
}
