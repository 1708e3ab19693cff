package io.ferrymq.conformance;

import java.util.List;
import java.util.Map;

/** The arguments of a step, as YAML has them. */
final class Given {
    final Map<?, ?> fields;

    Given(Object fields) {
        this.fields = (Map<?, ?>) fields;
    }

    boolean has(String name) {
        return fields.get(name) != null;
    }

    Object get(String name) {
        return fields.get(name);
    }

    String text(String name) {
        return has(name) ? String.valueOf(get(name)) : "";
    }

    long number(String name, long otherwise) {
        return has(name) ? ((Number) get(name)).longValue() : otherwise;
    }

    boolean is(String name) {
        return Boolean.TRUE.equals(get(name));
    }

    List<?> list(String name) {
        return has(name) ? (List<?>) get(name) : List.of();
    }

    List<String> texts(String name) {
        return list(name).stream().map(String::valueOf).toList();
    }

    List<Given> all(String name) {
        return list(name).stream().map(Given::new).toList();
    }
}
