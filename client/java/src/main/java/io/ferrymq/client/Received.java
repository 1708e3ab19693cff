package io.ferrymq.client;

import io.ferrymq.v1.DeadLetter;
import io.ferrymq.v1.Message;
import io.ferrymq.v1.Position;
import java.time.Instant;
import java.util.Optional;

/** What was delivered, apart from settling it. */
public class Received {
    private final io.ferrymq.v1.Delivery delivery;

    Received(io.ferrymq.v1.Delivery delivery) {
        this.delivery = delivery;
    }

    /**
     * The message as it was published.
     *
     * @return never null
     */
    public Message message() {
        return delivery.getMessage();
    }

    /**
     * The payload as bytes.
     *
     * @return a copy
     */
    public byte[] payload() {
        return message().getPayload().toByteArray();
    }

    /**
     * The payload as text; bytes that are no UTF-8 are replaced.
     *
     * @return never null
     */
    public String text() {
        return message().getPayload().toStringUtf8();
    }

    /**
     * The payload read as JSON. Needs {@code jackson-databind} in the program.
     *
     * @param <T> the kind of value
     * @param type its class, e.g. of a record
     * @return the value
     * @throws FerryException INVALID_ARGUMENT (field {@code payload}) if it is no JSON or another kind of value
     */
    public <T> T json(Class<T> type) {
        return Json.read(payload(), type);
    }

    /**
     * 1 for the first delivery; above, it may have been delivered before.
     *
     * @return from 1
     */
    public int attempt() {
        return delivery.getAttempt();
    }

    /**
     * The topic it was published to.
     *
     * @return empty if it was sent straight to the queue
     */
    public String topic() {
        return delivery.getTopic();
    }

    /**
     * Where it stands in the log: the identity of the message.
     *
     * @return never null
     */
    public Position position() {
        return delivery.getPosition();
    }

    /**
     * When the broker took it, by the broker's clock.
     *
     * @return to the millisecond
     */
    public Instant publishTime() {
        return Instant.ofEpochMilli(delivery.getPublishTimeMs());
    }

    /**
     * In a dead-letter queue: where it comes from and why.
     *
     * @return empty elsewhere
     */
    public Optional<DeadLetter> deadLetter() {
        return delivery.hasDeadLetter() ? Optional.of(delivery.getDeadLetter()) : Optional.empty();
    }

    io.ferrymq.v1.Delivery wire() {
        return delivery;
    }

    @Override
    public String toString() {
        return delivery.toString();
    }
}
