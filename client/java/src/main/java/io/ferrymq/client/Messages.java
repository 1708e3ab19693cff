package io.ferrymq.client;

import com.google.protobuf.ByteString;
import io.ferrymq.v1.Message;

/**
 * Short ways to a {@link Message}. Every other field is set on its builder:
 * {@code Messages.json(order).toBuilder().setRoutingKey("eu.created").build()}.
 */
public final class Messages {
    private Messages() {}

    /**
     * A message of text, as UTF-8.
     *
     * @param payload the text
     * @return a message without a content type
     */
    public static Message text(String payload) {
        return Message.newBuilder().setPayload(ByteString.copyFromUtf8(payload)).build();
    }

    /**
     * A message of bytes.
     *
     * @param payload copied
     * @return a message without a content type
     */
    public static Message bytes(byte[] payload) {
        return Message.newBuilder().setPayload(ByteString.copyFrom(payload)).build();
    }

    /**
     * A message of a value written as JSON, with content type {@code application/json}. Needs {@code jackson-databind} in
     * the program.
     *
     * @param value what Jackson writes: a record, a bean, a map, a list
     * @return the message
     * @throws FerryException INVALID_ARGUMENT (field {@code payload}) if Jackson cannot write it
     */
    public static Message json(Object value) {
        return Message.newBuilder()
                .setPayload(ByteString.copyFrom(Json.write(value)))
                .setContentType("application/json")
                .build();
    }
}
