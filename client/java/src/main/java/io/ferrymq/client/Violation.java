package io.ferrymq.client;

import java.io.Serializable;
import java.util.Objects;

/** A field of a request that broke a rule. */
public final class Violation implements Serializable {
    private static final long serialVersionUID = 1L;

    /** Of the request. */
    private final String field;

    /** For people. */
    private final String rule;

    Violation(String field, String rule) {
        this.field = field;
        this.rule = rule;
    }

    /**
     * Which field.
     *
     * @return e.g. {@code messages[3].ttl_ms}
     */
    public String field() {
        return field;
    }

    /**
     * The rule, for people.
     *
     * @return one sentence
     */
    public String rule() {
        return rule;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Violation that && field.equals(that.field) && rule.equals(that.rule);
    }

    @Override
    public int hashCode() {
        return Objects.hash(field, rule);
    }

    @Override
    public String toString() {
        return field + ": " + rule;
    }
}
