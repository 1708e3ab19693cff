package io.ferrymq.client;

import io.ferrymq.v1.Message;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.context.propagation.TextMapGetter;
import java.util.HashMap;
import java.util.Map;

/** Loaded only where OpenTelemetry is in the program. */
final class OpenTelemetryContext {
    private static final String PARENT = "traceparent";

    private static final TextMapGetter<Message> GETTER = new TextMapGetter<>() {
        @Override
        public Iterable<String> keys(Message message) {
            return message.getAttributesMap().keySet();
        }

        @Override
        public String get(Message message, String key) {
            return message == null ? null : message.getAttributesMap().get(key);
        }
    };

    private OpenTelemetryContext() {}

    static Message inject(Message message) {
        if (Context.current() == Context.root() || message.containsAttributes(PARENT)) {
            return message;
        }
        Map<String, String> context = new HashMap<>();
        W3CTraceContextPropagator.getInstance().inject(Context.current(), context, Map::put);
        return context.isEmpty()
                ? message
                : message.toBuilder().putAllAttributes(context).build();
    }

    static void run(Message message, Runnable work) {
        Context context = W3CTraceContextPropagator.getInstance().extract(Context.current(), message, GETTER);
        try (Scope scope = context.makeCurrent()) {
            assert scope != null;
            work.run();
        }
    }
}
