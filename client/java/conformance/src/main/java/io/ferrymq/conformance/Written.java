package io.ferrymq.conformance;

import com.google.gson.Gson;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import io.ferrymq.client.FerryException;
import io.ferrymq.client.Messages;
import io.ferrymq.client.Received;
import io.ferrymq.v1.DeadLetter;
import io.ferrymq.v1.Message;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Messages and settings as the scenarios write them. */
final class Written {
    private Written() {}

    /** {@code messages}, or {@code count} with {@code prefix}. */
    static List<Message> messages(Given given) {
        if (given.has("count")) {
            String prefix = given.text("prefix");
            return IntStream.range(0, (int) given.number("count", 0))
                    .mapToObj(number -> Messages.text(prefix + number))
                    .toList();
        }
        return given.all("messages").stream().map(Written::message).toList();
    }

    static Message message(Given given) {
        Message.Builder message = Message.newBuilder()
                .setRoutingKey(given.text("routing_key"))
                .setOrderingKey(given.text("ordering_key"))
                .setMessageId(given.text("message_id"))
                .setContentType(given.text("content_type"))
                .setCorrelationId(given.text("correlation_id"))
                .setTtlMs(given.number("ttl_ms", 0));
        attributes(given).forEach((key, value) -> message.putAttributes((String) key, (String) value));
        ByteString payload = payload(given);
        return payload == null ? message.build() : message.setPayload(payload).build();
    }

    private static Map<?, ?> attributes(Given given) {
        return given.has("attributes") ? (Map<?, ?>) given.get("attributes") : Map.of();
    }

    private static ByteString payload(Given given) {
        if (given.has("payload_hex")) {
            return ByteString.copyFrom(HexFormat.of().parseHex(given.text("payload_hex")));
        }
        if (given.has("payload_size")) {
            byte[] bytes = new byte[(int) given.number("payload_size", 0)];
            for (int at = 0; at < bytes.length; at++) {
                bytes[at] = (byte) (at % 251);
            }
            return ByteString.copyFrom(bytes);
        }
        return given.has("payload") ? ByteString.copyFromUtf8(given.text("payload")) : null;
    }

    /** Whether what came is what is expected, in the fields that are given. */
    static void compare(Given expected, Received received, Map<String, String> attributes) {
        Message came = received.message();
        ByteString payload = payload(expected);
        if (payload != null && !payload.equals(came.getPayload())) {
            throw new Failure("payload " + shown(came.getPayload()) + ", not " + shown(payload));
        }
        for (Object field : expected.fields.keySet()) {
            same((String) field, expected, came, received, attributes);
        }
    }

    private static void same(
            String field, Given expected, Message came, Received received, Map<String, String> attributes) {
        switch (field) {
            case "payload", "payload_hex", "payload_size" -> {}
            case "attributes" -> equal(field, attributes(expected), attributes);
            case "routing_key" -> equal(field, expected.text(field), came.getRoutingKey());
            case "ordering_key" -> equal(field, expected.text(field), came.getOrderingKey());
            case "message_id" -> equal(field, expected.text(field), came.getMessageId());
            case "content_type" -> equal(field, expected.text(field), came.getContentType());
            case "correlation_id" -> equal(field, expected.text(field), came.getCorrelationId());
            case "ttl_ms" -> equal(field, expected.number(field, 0), came.getTtlMs());
            case "dead_letter" -> dead(
                    new Given(expected.get(field)), received.deadLetter().orElseThrow());
            default -> throw new Failure(field + " is no field here");
        }
    }

    private static void dead(Given expected, DeadLetter came) {
        equal("queue", expected.text("queue"), came.getQueue());
        equal(
                "reason",
                "DEAD_LETTER_REASON_" + expected.text("reason"),
                came.getReason().name());
        equal("attempts", expected.number("attempts", 0), (long) came.getAttempts());
        equal("description", expected.text("description"), came.getDescription());
    }

    static void equal(String what, Object expected, Object came) {
        if (!expected.equals(came)) {
            throw new Failure(what + " is " + came + ", not " + expected);
        }
    }

    private static String shown(ByteString payload) {
        String text = payload.substring(0, Math.min(40, payload.size())).toStringUtf8();
        return "`" + text + "` (" + payload.size() + " bytes)";
    }

    /** Proto3 JSON of a topic's or queue's settings. */
    static <T extends com.google.protobuf.Message.Builder> T settings(Given given, T builder) {
        if (given.has("settings")) {
            try {
                JsonFormat.parser().merge(new Gson().toJson(given.get("settings")), builder);
            } catch (InvalidProtocolBufferException e) {
                throw new Failure(e.getMessage());
            }
        }
        return builder;
    }

    /** Whether an error is the one that is expected. */
    static void error(Given expected, FerryException came) {
        equal("code", expected.text("code"), came.code().name());
        if (expected.has("reason")) {
            equal("reason", expected.text("reason"), came.reason());
        }
        if (expected.has("field")) {
            List<String> fields =
                    came.violations().stream().map(each -> each.field()).toList();
            if (!fields.contains(expected.text("field"))) {
                throw new Failure("wrong are " + fields + ", not " + expected.text("field"));
            }
        }
    }
}
