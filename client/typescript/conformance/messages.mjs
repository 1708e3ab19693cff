// Messages as the scenarios write them, and how they are compared.

import assert from "node:assert/strict";

/** The messages of a step. */
export function messagesOf(step) {
  if (step.messages !== undefined) {
    return step.messages.map(message);
  }
  return Array.from({ length: step.count }, (_, i) => ({ payload: `${step.prefix}${i}` }));
}

/** A message to publish. */
export function message(fields) {
  return {
    payload: payloadOf(fields),
    attributes: fields.attributes ?? {},
    routingKey: fields.routing_key ?? "",
    orderingKey: fields.ordering_key ?? "",
    messageId: fields.message_id ?? "",
    correlationId: fields.correlation_id ?? "",
    contentType: fields.content_type ?? "",
    ttlMs: fields.ttl_ms ?? 0,
  };
}

function payloadOf(fields) {
  if (fields.payload_hex !== undefined) {
    return Buffer.from(fields.payload_hex, "hex");
  }
  if (fields.payload_size !== undefined) {
    return Uint8Array.from({ length: fields.payload_size }, (_, i) => i % 251);
  }
  return fields.payload;
}

/** Fails unless the payload is this one. */
export function samePayload(actual, fields) {
  const expected = payloadOf(fields);
  const bytes = typeof expected === "string" ? Buffer.from(expected) : Buffer.from(expected);
  assert.ok(bytes.equals(actual), `payload ${preview(actual)} is not ${preview(bytes)}`);
}

function preview(bytes) {
  return `${bytes.length} bytes ${JSON.stringify(Buffer.from(bytes).toString("utf8", 0, 60))}`;
}

const FIELDS = {
  routing_key: "routingKey",
  ordering_key: "orderingKey",
  message_id: "messageId",
  correlation_id: "correlationId",
  content_type: "contentType",
  ttl_ms: "ttlMs",
};

/** Fails unless the delivery is this message, in the fields that are given. */
export function sameMessage(delivery, fields) {
  samePayload(delivery.message.payload, fields);
  for (const [name, property] of Object.entries(FIELDS)) {
    if (fields[name] !== undefined) {
      assert.equal(delivery.message[property], fields[name], name);
    }
  }
  if (fields.attributes !== undefined) {
    assert.deepEqual({ ...delivery.message.attributes }, fields.attributes);
  }
  for (const [name, value] of Object.entries(fields.dead_letter ?? {})) {
    assert.equal(delivery.deadLetter?.[name], value, `dead_letter.${name}`);
  }
}

/** Fails unless it was thrown as expected. */
export function sameError(error, expected) {
  assert.ok(error !== undefined, `expected ${JSON.stringify(expected)}, but it succeeded`);
  assert.equal(error.code, expected.code, error.stack);
  if (expected.reason !== undefined) {
    assert.equal(error.reason, expected.reason);
  }
  if (expected.field !== undefined) {
    assert.ok(
      error.violations.some(({ field }) => field === expected.field),
      `no violation of ${expected.field}: ${JSON.stringify(error.violations)}`,
    );
  }
}
