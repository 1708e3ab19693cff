// How fast the client is, beside the bare stubs of its gRPC library. What is measured, and how: tests/conformance/README.md, Speed.

import { connect } from "ferrymq";
import { stubs, stubsConsume, stubsPublish } from "./bench_stubs.mjs";

const PAYLOAD = new Uint8Array(1024).fill(120);
const NOOP_QUEUE = "noop-1024";
const WINDOW = { prefetch: 10_000, prefetchBytes: 64 << 20 };
/** So many messages are published or acked between two looks at the clock. */
const UNTIL_CLOCK = 50;

/** Prints a line for each measurement. */
export async function bench(url, noopUrl, seconds) {
  const ms = Number(seconds) * 1_000;
  const broker = connect(url);
  for (const name of ["bench-publish", "bench-through"]) {
    await broker.admin.createQueue({ queue: { name } });
  }
  await measure("broker publish", ms, publishing(broker, "bench-publish"));
  await measure("broker through", ms, goingThrough(broker, "bench-through"));
  for (const name of ["bench-publish", "bench-through"]) {
    await broker.admin.deleteQueue({ name, force: true });
  }
  await broker.close();
  const client = connect(noopUrl);
  await measure("client publish", ms, publishing(client, NOOP_QUEUE));
  await measure("client consume", ms, consuming(client, NOOP_QUEUE));
  await client.close();
  const bare = stubs(noopUrl);
  await measure("stubs publish", ms, stubsPublish(bare.client, NOOP_QUEUE, PAYLOAD));
  await measure("stubs consume", ms, stubsConsume(bare.client, NOOP_QUEUE, WINDOW));
  bare.close();
}

/** Runs it once so that it is warm, and once that counts. */
async function measure(name, ms, { phase, end }) {
  await phase(ms / 2);
  const rate = await phase(ms);
  await end();
  console.log(JSON.stringify({ name, messages_per_second: Math.round(rate) }));
}

/** Does it until so many milliseconds are over, and says how often each second. */
async function rateOf(work) {
  const start = performance.now();
  const count = await work(start);
  return (count / (performance.now() - start)) * 1_000;
}

function publishing(client, queue) {
  const publisher = client.publisher({ queue });
  const phase = (ms) => rateOf((start) => publishUntil(publisher, start + ms));
  return { phase, end: () => publisher.close() };
}

/** Publishes until then, says how many before the last can have been delivered, and waits until all is confirmed; how many. */
async function publishUntil(publisher, end, sent = () => {}) {
  let count = 0;
  let confirm;
  while (performance.now() < end) {
    for (let i = 0; i < UNTIL_CLOCK; i++) {
      confirm = await publisher.publish({ payload: PAYLOAD });
    }
    count += UNTIL_CLOCK;
  }
  sent(count);
  await confirm.result();
  return count;
}

function consuming(client, queue) {
  const subscriber = client.subscribe({ queue, ...WINDOW });
  const phase = (ms) =>
    rateOf(async (start) => {
      let count = 0;
      while (performance.now() < start + ms) {
        for (let i = 0; i < UNTIL_CLOCK; i++) {
          const { value } = await subscriber.next();
          value.ack();
        }
        count += UNTIL_CLOCK;
      }
      return count;
    });
  return { phase, end: () => subscriber.close() };
}

function goingThrough(client, queue) {
  const publisher = client.publisher({ queue });
  const subscriber = client.subscribe({ queue, ...WINDOW });
  const phase = (ms) =>
    rateOf(async (start) => {
      let total;
      const published = publishUntil(publisher, start + ms, (count) => {
        total = count;
      });
      let count = 0;
      let settled;
      while (count !== total) {
        const { value } = await subscriber.next();
        settled = value.ack();
        count++;
      }
      await settled;
      await published;
      return count;
    });
  const end = async () => {
    await publisher.close();
    await subscriber.close();
  };
  return { phase, end };
}
