package io.ferrymq.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.ferrymq.v1.Message;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Scope;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class TraceTest {
    private static final String TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
    private static final String SPAN = "00f067aa0ba902b7";
    private static final String PARENT = "00-" + TRACE + "-" + SPAN + "-01";

    private static Scope span() {
        SpanContext context = SpanContext.create(TRACE, SPAN, TraceFlags.getSampled(), TraceState.getDefault());
        return Span.wrap(context).makeCurrent();
    }

    @Test
    void theCurrentContextGoesAlongUnlessTheProgramSetOne() {
        try (Scope scope = span()) {
            assertNotNull(scope);
            assertEquals(PARENT, Trace.inject(Messages.text("x")).getAttributesOrThrow("traceparent"));
            Message own =
                    Message.newBuilder().putAttributes("traceparent", "own").build();
            assertSame(own, Trace.inject(own));
        }
        Message without = Messages.text("x");
        assertSame(without, Trace.inject(without));
    }

    @Test
    void aHandlerRunsInTheContextThatTheMessageBrings() {
        Message message =
                Message.newBuilder().putAttributes("traceparent", PARENT).build();
        AtomicReference<SpanContext> seen = new AtomicReference<>();
        Trace.run(message, () -> seen.set(Span.current().getSpanContext()));
        assertEquals(TRACE, seen.get().getTraceId());
        assertEquals(SPAN, seen.get().getSpanId());
    }
}
