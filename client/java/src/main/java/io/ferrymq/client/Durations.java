package io.ferrymq.client;

import com.google.protobuf.Duration;

/** Lengths of time as Java and as the protocol have them. */
final class Durations {
    private Durations() {}

    static Duration wire(java.time.Duration length) {
        return Duration.newBuilder()
                .setSeconds(length.getSeconds())
                .setNanos(length.getNano())
                .build();
    }

    static java.time.Duration read(Duration length) {
        return java.time.Duration.ofSeconds(length.getSeconds(), length.getNanos());
    }
}
