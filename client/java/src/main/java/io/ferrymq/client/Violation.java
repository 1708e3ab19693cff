package io.ferrymq.client;

import java.io.Serializable;

/**
 * A field of a request that broke a rule.
 *
 * @param field e.g. {@code messages[3].ttl_ms}
 * @param rule the rule, for people
 */
public record Violation(String field, String rule) implements Serializable {}
