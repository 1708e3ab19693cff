package io.ferrymq.client;

import io.ferrymq.v1.PublishRequest;
import java.util.Objects;

/** Where messages are published to. */
public final class Destination {
    private final PublishRequest template;
    private final String text;

    private Destination(PublishRequest.Builder template, String text) {
        this.template = template.build();
        this.text = text;
    }

    /**
     * Every queue that has a matching binding on this topic.
     *
     * @param name of the topic
     * @return the destination
     */
    public static Destination topic(String name) {
        return new Destination(PublishRequest.newBuilder().setTopic(Objects.requireNonNull(name)), "topic " + name);
    }

    /**
     * Straight into one queue.
     *
     * @param name of the queue
     * @return the destination
     */
    public static Destination queue(String name) {
        return new Destination(PublishRequest.newBuilder().setQueue(Objects.requireNonNull(name)), "queue " + name);
    }

    /**
     * To whom a received message's {@code reply_to} names.
     *
     * @param address as it came
     * @return the destination
     */
    public static Destination replyTo(String address) {
        return new Destination(PublishRequest.newBuilder().setReplyTo(Objects.requireNonNull(address)), address);
    }

    PublishRequest.Builder request() {
        return template.toBuilder();
    }

    @Override
    public String toString() {
        return text;
    }
}
