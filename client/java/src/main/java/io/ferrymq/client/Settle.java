package io.ferrymq.client;

import io.ferrymq.v1.NackMode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/**
 * What is to be done with a delivery.
 *
 * @param mode of a nack; null otherwise
 * @param longer whether it is an extension
 * @param length the delay of a nack or the lease of an extension; null for the queue's
 * @param reason of a nack
 */
record Settle(NackMode mode, boolean longer, Duration length, String reason) {
    static final Settle ACK = new Settle(null, false, null, "");
    private static final int REASON_BYTES_MAX = 1024;

    static Settle nack(NackMode mode, Duration delay, String reason) {
        return new Settle(mode, false, delay, cut(reason == null ? "" : reason));
    }

    static Settle extend(Duration lease) {
        return new Settle(null, true, lease, "");
    }

    /** As much of it as the protocol takes, in whole characters. */
    static String cut(String reason) {
        byte[] bytes = reason.getBytes(StandardCharsets.UTF_8);
        if (bytes.length <= REASON_BYTES_MAX) {
            return reason;
        }
        int end = REASON_BYTES_MAX;
        while ((bytes[end] & 0xC0) == 0x80) {
            end--;
        }
        return new String(bytes, 0, end, StandardCharsets.UTF_8);
    }
}
