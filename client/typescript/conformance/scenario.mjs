import assert from "node:assert/strict";
import { fromJson } from "@bufbuild/protobuf";
import { NotFoundError, Reject } from "ferrymq";
import { BindingSchema, QueueSchema, TopicSchema } from "ferrymq/proto";
import { message, messagesOf, sameError, sameMessage, samePayload } from "./messages.mjs";

const WAIT_MS = 20_000;

/** With FERRYMQ_CONFORMANCE=web as browsers do it, over gRPC-Web. */
const { connect } = await import(process.env.FERRYMQ_CONFORMANCE === "web" ? "ferrymq/web" : "ferrymq");

/** One scenario on a broker of its own. */
export class Scenario {
  #client;
  #stage;
  #publishers = new Map();
  #subscribers = new Map();
  /** Deliveries that are held, by subscriber. */
  #held = new Map();
  #handled = [];

  constructor(url, stage) {
    this.#client = connect(url, { log: () => {} });
    this.#stage = stage;
  }

  async play(steps) {
    for (const [i, step] of steps.entries()) {
      const [[name, args]] = Object.entries(step);
      try {
        await inTime(this[name](args), `step ${i + 1}, ${name}`);
      } catch (error) {
        error.message = `step ${i + 1}, ${name}: ${error.message}`;
        throw error;
      }
    }
  }

  async end() {
    await this.#client.close().catch(() => {});
  }

  async topic({ name, settings = {}, error }) {
    const topic = fromJson(TopicSchema, { ...settings, name });
    await outcome(this.#client.admin.createTopic({ topic }), error);
  }

  async queue({ name, settings = {}, bindings = [], error }) {
    const queue = fromJson(QueueSchema, { ...settings, name });
    const all = bindings.map((binding) => fromJson(BindingSchema, binding));
    await outcome(this.#client.admin.createQueue({ queue, bindings: all }), error);
  }

  async publish(step) {
    const publisher = this.#publisher(step);
    const confirms = [];
    for (const one of messagesOf(step)) {
      confirms.push(await publisher.publish(one));
    }
    for (const confirm of confirms) {
      const result = await outcome(confirm.result(), step.error);
      if (step.queues_matched !== undefined) {
        assert.equal(result.queuesMatched, step.queues_matched, "queues matched");
      }
    }
  }

  #publisher(step) {
    const to = step.queue === undefined ? step.topic : { queue: step.queue };
    const key = JSON.stringify(to);
    if (!this.#publishers.has(key)) {
      this.#publishers.set(key, this.#client.publisher(to));
    }
    return this.#publishers.get(key);
  }

  async publish_once(step) {
    const to = step.queue === undefined ? step.topic : { queue: step.queue };
    const options = { waitForRoomMs: step.wait_for_room_ms, timeoutMs: step.timeout_ms };
    await outcome(this.#client.publish(to, messagesOf(step), options), step.error);
  }

  async subscribe({ as, error, wait_for_queue: wait, ...options }) {
    for (;;) {
      const subscriber = this.#client.subscribe(options);
      try {
        await subscriber.opened;
        assert.equal(error, undefined, "it was opened");
        this.#subscribers.set(as, subscriber);
        return;
      } catch (thrown) {
        if (error !== undefined) {
          sameError(thrown, error);
          return;
        }
        if (!(wait && thrown instanceof NotFoundError)) {
          throw thrown;
        }
      }
    }
  }

  async receive({ from, payloads, messages, count, attempts, settle, reason }) {
    const expected = messages ?? payloads?.map((payload) => ({ payload })) ?? Array(count).fill(undefined);
    for (const [i, fields] of expected.entries()) {
      const { value, done } = await this.#subscribers.get(from).next();
      assert.ok(!done, "it has ended");
      if (fields !== undefined) {
        sameMessage(value, fields);
      }
      if (attempts !== undefined) {
        assert.equal(value.attempt, attempts[i], "attempt");
      }
      if (settle === "hold") {
        this.#held.set(from, [...(this.#held.get(from) ?? []), value]);
      } else if (settle !== undefined) {
        await settled(value, settle, reason);
      }
    }
  }

  async settle({ from, payloads, action }) {
    for (const payload of payloads) {
      const held = this.#held.get(from) ?? [];
      const i = held.findIndex((delivery) => delivery.message.text() === payload);
      assert.ok(i >= 0, `${payload} is not held`);
      await settled(held.splice(i, 1)[0], action);
    }
  }

  async together({ from, payloads }) {
    const held = from.flatMap((name) => this.#held.get(name) ?? []);
    assert.deepEqual(held.map((delivery) => delivery.message.text()).sort(), [...payloads].sort());
    for (const delivery of held) {
      await settled(delivery, "ack");
    }
    for (const name of from) {
      this.#held.delete(name);
    }
  }

  async stats({ queue, ready, unsettled }) {
    for (const end = Date.now() + WAIT_MS; ; ) {
      const stats = await this.#client.admin.getStats({ queues: [queue] }).catch((error) => {
        // Dead-letter queues are made when they are first needed.
        assert.ok(error instanceof NotFoundError, error);
        return { queues: {} };
      });
      const now = stats.queues[queue];
      const wrong = (expected, actual) => expected !== undefined && actual !== BigInt(expected);
      if (now !== undefined && !wrong(ready, now.ready) && !wrong(unsettled, now.unsettled)) {
        return;
      }
      assert.ok(Date.now() < end, `ready ${now?.ready}, unsettled ${now?.unsettled}`);
    }
  }

  async pull({ queue, max, wait_ms, payloads, settle }) {
    const deliveries = await this.#client.pull({ queue, max, waitMs: wait_ms });
    assert.equal(deliveries.length, payloads.length, "deliveries");
    for (const [i, delivery] of deliveries.entries()) {
      samePayload(delivery.message.payload, { payload: payloads[i] });
      if (settle !== undefined) {
        await settled(delivery, settle);
      }
    }
  }

  async read({ topic, start, stop, count, prefix }) {
    const got = [];
    for await (const delivery of this.#client.read(topic, { start, stop })) {
      got.push(delivery.message.text());
    }
    assert.deepEqual(got, series(prefix, count));
  }

  async worker({ queue, concurrency, fail_once: failOnce, reject, done }) {
    const missing = new Set([...done, ...reject]);
    const failed = new Set();
    let finish;
    const finished = new Promise((resolve) => {
      finish = resolve;
    });
    const worker = this.#client.worker({ queue, concurrency }, (delivery) => {
      const text = delivery.message.text();
      if (failOnce.includes(text) && !failed.has(text)) {
        failed.add(text);
        throw new Error("the first time");
      }
      missing.delete(text);
      if (missing.size === 0) {
        finish();
      }
      if (reject.includes(text)) {
        throw new Reject("hopeless");
      }
    });
    await finished;
    await worker.stop();
  }

  async worker_stop({ queue, concurrency, stop_after }) {
    const worker = this.#client.worker({ queue, concurrency }, (delivery) => {
      this.#handled.push(delivery.message.text());
      if (this.#handled.length === stop_after) {
        worker.stop();
      }
    });
    await worker.done;
  }

  async drain({ queue, total, prefix }) {
    const subscriber = this.#client.subscribe({ queue });
    const got = [...this.#handled];
    while (got.length < total) {
      const { value } = await subscriber.next();
      got.push(value.message.text());
      await settled(value, "ack");
    }
    assert.deepEqual(got.sort(), series(prefix, total).sort());
    await subscriber.close();
  }

  async publish_over_restart({ topic, count, prefix, kill_after, as }) {
    const publisher = this.#publisher({ topic });
    const missing = new Set(series(prefix, count));
    const subscriber = this.#subscribers.get(as);
    const taking = (async () => {
      while (missing.size > 0) {
        const { value } = await subscriber.next();
        missing.delete(value.message.text());
        value.ack();
      }
    })();
    taking.catch(() => {});
    const confirms = [];
    let confirmed = 0;
    let killed;
    for (let i = 0; i < count; i++) {
      const confirm = await publisher.publish(message({ payload: `${prefix}${i}` }));
      const counted = confirm.result().then(() => {
        confirmed++;
        if (confirmed === kill_after) {
          killed = this.#stage.tell("kill");
        }
      });
      confirms.push(counted);
      if (i === kill_after) {
        await Promise.all(confirms);
      }
    }
    await Promise.all(confirms);
    await killed;
    await taking;
  }

  async break_connections() {
    await this.#stage.tell("break");
  }

  async close(name) {
    await this.#subscribers.get(name).close();
    this.#subscribers.delete(name);
  }
}

/** The result, or that it fails as expected. */
async function outcome(promise, expected) {
  if (expected === undefined) {
    return await promise;
  }
  let thrown;
  await promise.catch((error) => {
    thrown = error;
  });
  sameError(thrown, expected);
}

async function settled(delivery, action, reason) {
  const how = {
    ack: () => delivery.ack(),
    retry: () => delivery.retry({ reason }),
    reject: () => delivery.reject(reason),
    release: () => delivery.release(),
  };
  assert.equal(await how[action](), "OK", `status of ${action}`);
}

function series(prefix, count) {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

async function inTime(step, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${WAIT_MS} ms`)), WAIT_MS);
  });
  await Promise.race([step, late]).finally(() => clearTimeout(timer));
}
