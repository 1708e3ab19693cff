import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { DeadLetterReason, DeliverySchema, MessageSchema } from "../src/gen/ferrymq/v1/message_pb.js";
import {
  PublishConfirmSchema,
  SettlementResultSchema,
  SettleStatus,
} from "../src/gen/ferrymq/v1/messaging_service_pb.js";
import type { MessageInit } from "../src/message.js";
import { readStatuses } from "../src/settle.js";
import { readDelivery, WireDelivery, writeMessage } from "../src/wire/message.js";
import { readConfirm } from "../src/wire/publish.js";
import { Reader } from "../src/wire/reader.js";
import { LENGTH_BYTES_MAX, Writer } from "../src/wire/writer.js";

const LONG = "ü".repeat(200);
const messages: MessageInit[] = [
  { payload: "" },
  { payload: "ünïcødé ⛴ 🚢 \u0000" },
  { payload: new Uint8Array(100_000).fill(7) },
  { payload: "x", attributes: { a: "1", ключ: "値", empty: "", long: LONG } },
  {
    payload: "x",
    routingKey: "eu.de",
    orderingKey: "k",
    messageId: LONG,
    contentType: "text/plain",
    correlationId: "c",
  },
  { payload: "x", priority: 3, ttlMs: 31_622_400_000, delayMs: 0, replyTo: "queue/answers" },
  { payload: "x", ttlMs: -1, deliverAtMs: Date.UTC(2026, 10, 20) },
];

/** The message as the generated code reads what was written here. */
function generated(message: MessageInit, extra?: Record<string, string>) {
  const writer = new Writer();
  writeMessage(writer, 1, message, extra);
  const { message: read } = fromBinary(DeliverySchema, writer.finish());
  assert.ok(read);
  return read;
}

for (const [i, message] of messages.entries()) {
  test(`message ${i} is what the generated code reads, and comes back the same`, () => {
    const read = generated(message);
    const bytes = toBinary(DeliverySchema, create(DeliverySchema, { message: read }));
    const delivery = new WireDelivery();
    readDelivery(new Reader(bytes), delivery);
    const payload = typeof message.payload === "string" ? new TextEncoder().encode(message.payload) : message.payload;
    assert.deepEqual(new Uint8Array(read.payload), payload);
    const { payload: _, attributes, ...fields } = message;
    assert.deepEqual({ ...delivery.message.attributes }, attributes ?? {});
    for (const [name, value] of Object.entries(fields)) {
      assert.equal(delivery.message[name as keyof typeof delivery.message], value, name);
    }
    assert.deepEqual(new Uint8Array(delivery.message.payload), payload);
    assert.equal(read.ttlMs, BigInt(message.ttlMs ?? 0));
  });
}

test("an attribute that the program set stays", () => {
  const read = generated({ payload: "x", attributes: { traceparent: "own" } }, { traceparent: "new", tracestate: "s" });
  assert.deepEqual({ ...read.attributes }, { traceparent: "own", tracestate: "s" });
});

test("a delivery is read with all its fields", () => {
  const position = { log: 7n, offset: 2n ** 40n };
  const bytes = toBinary(
    DeliverySchema,
    create(DeliverySchema, {
      message: create(MessageSchema, { payload: new Uint8Array([1]) }),
      ackId: new Uint8Array([1, 2]),
      topic: "orders",
      position,
      publishTimeMs: 1_700_000_000_000n,
      attempt: 3,
      deadLetter: {
        queue: "q",
        reason: DeadLetterReason.MAX_ATTEMPTS,
        attempts: 2,
        description: "why",
        timeMs: 5n,
        position,
      },
    }),
  );
  const delivery = new WireDelivery();
  readDelivery(new Reader(bytes), delivery);
  assert.deepEqual([...delivery.ackId], [1, 2]);
  assert.equal(delivery.topic, "orders");
  assert.deepEqual(delivery.position, { log: 7, offset: 2 ** 40 });
  assert.equal(delivery.publishTimeMs, 1_700_000_000_000);
  assert.equal(delivery.attempt, 3);
  assert.equal(delivery.deadLetter?.reason, "MAX_ATTEMPTS");
  assert.equal(delivery.deadLetter?.description, "why");
});

test("a confirm is read with its results, and a failure as an error", () => {
  const results = [
    { position: { log: 1n, offset: 9n }, queuesMatched: 2 },
    { duplicate: true, scheduleId: "s" },
  ];
  const outcome = { case: "confirmed" as const, value: { results } };
  const confirm = readConfirm(
    new Reader(toBinary(PublishConfirmSchema, create(PublishConfirmSchema, { id: 4n, outcome }))),
  );
  assert.equal(confirm.id, 4);
  assert.deepEqual(confirm.results?.(), [
    { position: { log: 1, offset: 9 }, duplicate: false, queuesMatched: 2, scheduleId: "" },
    { position: undefined, duplicate: true, queuesMatched: 0, scheduleId: "s" },
  ]);
  const failure = {
    code: 3,
    reason: 21,
    message: "bad",
    field: "messages[0].ttl_ms",
    retryAfter: { seconds: 1n, nanos: 500_000_000 },
  };
  const failed = create(PublishConfirmSchema, { id: 5n, outcome: { case: "failure", value: failure } });
  const error = readConfirm(new Reader(toBinary(PublishConfirmSchema, failed))).failure;
  assert.equal(error?.code, "INVALID_ARGUMENT");
  assert.equal(error?.reason, "FIELD_INVALID");
  assert.equal(error?.retryAfterMs, 1_500);
  assert.deepEqual(error?.violations, [{ field: "messages[0].ttl_ms", rule: "bad" }]);
});

test("statuses are read, packed as they come", () => {
  const statuses = [SettleStatus.OK, SettleStatus.LEASE_LOST];
  const bytes = toBinary(SettlementResultSchema, create(SettlementResultSchema, { id: 300n, statuses }));
  assert.deepEqual(readStatuses(new Reader(bytes)), { id: 300, statuses: ["OK", "LEASE_LOST"] });
});

test("a message that is cut short is an error and no endless loop", () => {
  assert.throws(() => readDelivery(new Reader(new Uint8Array([10, 200])), new WireDelivery()), RangeError);
  assert.throws(() => readDelivery(new Reader(new Uint8Array([0x80])), new WireDelivery()), RangeError);
});

test("a length goes in front of what was written, into the room that was left for it", () => {
  for (const length of [0, 1, 127, 128, 16_383, 16_384, 300_000]) {
    const writer = new Writer(8);
    writer.truncate(LENGTH_BYTES_MAX);
    writer.raw(new Uint8Array(length).fill(9));
    const reader = new Reader(writer.withLength(LENGTH_BYTES_MAX), 0, undefined, 2);
    assert.deepEqual(reader.bytes(), new Uint8Array(length).fill(9));
    assert.equal(writer.length, LENGTH_BYTES_MAX + length);
  }
});
