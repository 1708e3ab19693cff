import assert from "node:assert/strict";
import { test } from "node:test";
import { deferred } from "../src/async.js";
import type { Delivery } from "../src/delivery.js";
import { makeError } from "../src/errors.js";
import type { SettleOptions } from "../src/settle.js";
import { Subscriber } from "../src/subscriber.js";
import type { Handler } from "../src/worker.js";
import { Reject, Worker } from "../src/worker.js";
import { deliver, FakeLink } from "./fake_link.js";
import { quickSettings } from "./helpers.js";

function workerOf(link: FakeLink, handler: Handler, options: { concurrency?: number; drainTimeoutMs?: number } = {}) {
  const source = { queue: "work" };
  const subscriber = new Subscriber(source, link, quickSettings(), () => {});
  return new Worker(subscriber, { ...source, ...options }, handler, quickSettings());
}

/** What is asked of the broker for so many deliveries: their numbers and what is done with them. */
async function settlements(
  next: () => Promise<{ options: SettleOptions; deliveries: Delivery[] }[] | undefined>,
  count: number,
) {
  const asked: [number, SettleOptions][] = [];
  while (asked.length < count) {
    for (const { options, deliveries } of (await next()) ?? []) {
      asked.push(...deliveries.map((delivery): [number, SettleOptions] => [delivery.ackId[0] as number, options]));
    }
  }
  return asked.sort(([a], [b]) => a - b);
}

test("returned is acked, thrown is tried again with the reason, Reject is rejected, and what the handler settled is left", async () => {
  const link = new FakeLink();
  workerOf(link, (delivery) => {
    switch (delivery.ackId[0]) {
      case 1:
        return;
      case 2:
        throw new Error("no such customer");
      case 3:
        throw new Reject("hopeless");
      default:
        delivery.release();
    }
  });
  const { inbox, settlements: asked } = await link.connection();
  inbox.opened(new Uint8Array([1]));
  deliver(inbox, 1, 2, 3, 4);
  assert.deepEqual(await settlements(() => asked.next(), 4), [
    [1, { action: "ack" }],
    [2, { action: "retry", reason: "no such customer" }],
    [3, { action: "reject", reason: "hopeless" }],
    [4, { action: "release" }],
  ]);
});

test("no more handlers run than it was told", async () => {
  const link = new FakeLink();
  const gate = deferred<void>();
  const begun: number[] = [];
  workerOf(
    link,
    (delivery) => {
      begun.push(delivery.ackId[0] as number);
      return gate.promise;
    },
    { concurrency: 2 },
  );
  const { inbox, settlements: asked } = await link.connection();
  deliver(inbox, 1, 2, 3);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(begun, [1, 2]);
  gate.resolve();
  await settlements(() => asked.next(), 3);
  assert.deepEqual(begun, [1, 2, 3]);
});

test("stop lets handlers end, begins nothing new, and then closes", async () => {
  const link = new FakeLink();
  const gate = deferred<void>();
  const begun: number[] = [];
  const worker = workerOf(
    link,
    (delivery) => {
      begun.push(delivery.ackId[0] as number);
      return gate.promise;
    },
    { concurrency: 1 },
  );
  const { inbox, settlements: asked, end } = await link.connection();
  deliver(inbox, 1, 2);
  await new Promise((resolve) => setImmediate(resolve));
  const stopping = worker.stop();
  gate.resolve();
  assert.deepEqual(await settlements(() => asked.next(), 1), [[1, { action: "ack" }]]);
  assert.equal(await asked.next(), undefined);
  end();
  await stopping;
  assert.deepEqual(begun, [1]);
});

test("a handler that does not end is waited for no longer than the drain timeout", async () => {
  const link = new FakeLink();
  const worker = workerOf(link, () => new Promise(() => {}), { concurrency: 1, drainTimeoutMs: 0 });
  const { inbox, settlements: asked, end } = await link.connection();
  deliver(inbox, 1);
  await new Promise((resolve) => setImmediate(resolve));
  const stopping = worker.stop();
  assert.equal(await asked.next(), undefined);
  end();
  await stopping;
});

test("what ends its subscriber ends it, with the error", async () => {
  const link = new FakeLink();
  const worker = workerOf(link, () => {});
  const { end } = await link.connection();
  end(makeError(5, "the queue was deleted", {}));
  await assert.rejects(worker.done, { code: "NOT_FOUND" });
});
