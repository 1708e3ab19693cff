package io.ferrymq.client;

import io.ferrymq.v1.Message;

/** Trace context in the attributes {@code traceparent} and {@code tracestate}, where OpenTelemetry is in the program. */
final class Trace {
    private static final boolean PRESENT = isPresent();

    private Trace() {}

    /** The message with the current context, unless its program gave it one. */
    static Message inject(Message message) {
        return PRESENT ? OpenTelemetryContext.inject(message) : message;
    }

    /** Runs the work in the context that the message brings. */
    static void run(Message message, Runnable work) {
        if (PRESENT) {
            OpenTelemetryContext.run(message, work);
        } else {
            work.run();
        }
    }

    private static boolean isPresent() {
        try {
            Class.forName("io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator");
            return true;
        } catch (ClassNotFoundException | LinkageError e) {
            return false;
        }
    }
}
