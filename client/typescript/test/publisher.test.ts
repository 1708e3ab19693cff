import assert from "node:assert/strict";
import { test } from "node:test";
import { makeError, unavailable } from "../src/errors.js";
import { Publisher } from "../src/publisher.js";
import type { PublisherOptions } from "../src/settings.js";
import { FakeBroker, quickSettings, results } from "./helpers.js";

function publisherOf(broker: FakeBroker, options: PublisherOptions = {}, lines: string[] = []): Publisher {
  return new Publisher("orders", options, broker.link, quickSettings(lines), () => {});
}

test("what comes while the batch before is sent goes as one", async () => {
  const broker = new FakeBroker();
  const publisher = publisherOf(broker);
  const one = await publisher.publish({ payload: "one" });
  const first = await broker.take();
  assert.deepEqual(first?.texts, ["one"]);
  await publisher.publish({ payload: "two" });
  const three = await publisher.publish({ payload: "three" });
  const second = await broker.take();
  assert.deepEqual(second?.texts, ["two", "three"]);
  broker.confirm(first.batch, results(1));
  broker.confirm(second.batch, results(2));
  assert.equal((await one.result()).position?.offset, 0);
  assert.equal((await three.result()).position?.offset, 1);
});

test("a batch holds so many messages and bytes at most, and a larger message goes alone", async () => {
  const broker = new FakeBroker();
  const publisher = publisherOf(broker, { batchMessages: 2, batchBytes: 1_000 });
  for (const payload of ["a", "b", "c", "x".repeat(2_000), "d"]) {
    await publisher.publish({ payload });
  }
  const sizes: number[] = [];
  for (let i = 0; i < 4; i++) {
    sizes.push((await broker.take())?.texts.length ?? 0);
  }
  assert.deepEqual(sizes, [2, 1, 1, 1]);
});

test("publish waits while too much is unconfirmed, and goes on in order", async () => {
  const broker = new FakeBroker();
  const publisher = publisherOf(broker, { unconfirmedBytes: 200, batchMessages: 1 });
  await publisher.publish({ payload: "x".repeat(100) });
  const order: string[] = [];
  const waiting = ["second", "third"].map((payload) => publisher.publish({ payload }).then(() => order.push(payload)));
  const first = await broker.take();
  assert.ok(first);
  broker.confirm(first.batch, results(1));
  await Promise.all(waiting);
  assert.deepEqual(order, ["second", "third"]);
  assert.deepEqual((await broker.take())?.texts, ["second"]);
});

test("what was not confirmed is sent again in order when the connection breaks", async () => {
  const broker = new FakeBroker();
  const lines: string[] = [];
  const publisher = publisherOf(broker, { batchMessages: 1 }, lines);
  for (const payload of ["one", "two", "three"]) {
    await publisher.publish({ payload });
  }
  const one = await broker.take();
  await broker.take();
  assert.ok(one);
  broker.confirm(one.batch, results(1));
  broker.breakOff(unavailable("gone"));
  assert.deepEqual((await broker.take())?.texts, ["two"]);
  assert.deepEqual((await broker.take())?.texts, ["three"]);
  assert.equal(broker.connections, 2);
  assert.equal(lines.length, 1);
});

test("a refused batch fails its confirms and the stream goes on", async () => {
  const broker = new FakeBroker();
  const publisher = publisherOf(broker, { batchMessages: 1 });
  const bad = (await publisher.publish({ payload: "bad" })).result();
  bad.catch(() => {});
  const good = await publisher.publish({ payload: "good" });
  const first = await broker.take();
  const second = await broker.take();
  assert.ok(first && second);
  broker.refuse(first.batch, makeError(3, "too large", { reason: "MESSAGE_TOO_LARGE" }));
  broker.confirm(second.batch, results(1));
  await assert.rejects(bad, { code: "INVALID_ARGUMENT", reason: "MESSAGE_TOO_LARGE" });
  await good.result();
});

test("when the stream ends for good, what was sent may be stored, the rest is not, and nothing goes on", async () => {
  const broker = new FakeBroker();
  const publisher = publisherOf(broker, { batchMessages: 1 });
  const sent = await publisher.publish({ payload: "sent" });
  const waiting = await publisher.publish({ payload: "waiting" });
  await broker.take();
  broker.breakOff(makeError(7, "not allowed", {}));
  const message = "not known whether it is stored: the publish stream ended with PERMISSION_DENIED: not allowed";
  await assert.rejects(sent.result(), { code: "UNAVAILABLE", reason: "", message });
  await assert.rejects(waiting.result(), { code: "PERMISSION_DENIED" });
  await assert.rejects(publisher.publish({ payload: "more" }), { code: "PERMISSION_DENIED" });
  await assert.rejects(publisher.flush(), { code: "PERMISSION_DENIED" });
  await assert.rejects(publisher.close(), { code: "PERMISSION_DENIED" });
});

test("what the broker says of a batch is told as it says it, also that a write failed", async () => {
  const broker = new FakeBroker();
  const publisher = publisherOf(broker);
  const confirm = await publisher.publish({ payload: "one" });
  const first = await broker.take();
  assert.ok(first);
  broker.refuse(first.batch, makeError(14, "writes have stopped", { reason: "WRITES_STOPPED" }));
  await assert.rejects(confirm.result(), { code: "UNAVAILABLE", reason: "WRITES_STOPPED" });
  assert.equal(broker.connections, 1);
});

test("a message is given up when its time is over", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const broker = new FakeBroker();
  const publisher = publisherOf(broker, { publishTimeoutMs: 60_000 });
  const confirm = await publisher.publish({ payload: "one" });
  await broker.take();
  const result = confirm.result();
  context.mock.timers.tick(60_001);
  await assert.rejects(result, { code: "UNAVAILABLE" });
});

test("linger holds a batch back until its time is over", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const broker = new FakeBroker();
  const publisher = publisherOf(broker, { lingerMs: 10 });
  await publisher.publish({ payload: "one" });
  const taking = broker.take();
  // Lets the link ask before the clock moves.
  await new Promise((resolve) => setImmediate(resolve));
  await publisher.publish({ payload: "two" });
  context.mock.timers.tick(10);
  assert.deepEqual((await taking)?.texts, ["one", "two"]);
});

test("a message that cannot be encoded leaves the others as they are", async () => {
  const broker = new FakeBroker();
  const publisher = publisherOf(broker);
  await assert.rejects(publisher.publish({ payload: "bad", ttlMs: 0.5 }), TypeError);
  await publisher.publish({ payload: "good" });
  assert.deepEqual((await broker.take())?.texts, ["good"]);
});

test("close flushes, ends the stream, and takes no more", async () => {
  const broker = new FakeBroker();
  const publisher = publisherOf(broker);
  await publisher.publish({ payload: "one" });
  const closing = publisher.close();
  const first = await broker.take();
  assert.ok(first);
  const end = broker.take();
  broker.confirm(first.batch, results(1));
  assert.equal(await end, undefined);
  await closing;
  await assert.rejects(publisher.publish({ payload: "late" }), { code: "UNAVAILABLE" });
});

test("a failure that nobody waits for is one line of log, and flush throws it", async () => {
  const broker = new FakeBroker();
  const lines: string[] = [];
  const publisher = publisherOf(broker, {}, lines);
  await publisher.publish({ payload: "one" });
  const first = await broker.take();
  assert.ok(first);
  broker.refuse(first.batch, makeError(5, "no such topic", {}));
  assert.equal(lines.length, 1);
  await publisher.publish({ payload: "two" });
  const flushing = publisher.flush();
  const second = await broker.take();
  assert.ok(second);
  broker.refuse(second.batch, makeError(5, "no such topic", {}));
  await assert.rejects(flushing, { code: "NOT_FOUND" });
});
