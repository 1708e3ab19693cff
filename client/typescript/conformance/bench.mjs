// Speed of the client, and of the bare stubs against a server that does nothing: the same batches, deliveries and acks.

import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { connect } from "ferrymq";
import { MessageSchema, MessagingService } from "ferrymq/proto";

const PAYLOAD = new Uint8Array(1024).fill(120);
/** As the client's batches are: 256 KiB. */
const BATCH_MESSAGES = 250;
/** Batches that are on their way at once: 16 MiB. */
const BATCHES_OPEN = 64;

/** Prints a line for each measurement. */
export async function bench(url, noopUrl, seconds) {
  const ms = Number(seconds) * 1_000;
  const measurements = {
    publish: () => publish(url, ms),
    through: () => through(url, ms),
    "noop publish": () => noopPublish(noopUrl, ms),
    "noop through": () => noopThrough(noopUrl, ms),
  };
  for (const [name, measure] of Object.entries(measurements)) {
    const start = performance.now();
    const messages = await measure();
    const rate = Math.round((messages / (performance.now() - start)) * 1_000);
    console.log(JSON.stringify({ name, messages_per_second: rate }));
  }
}

async function publish(url, ms) {
  const client = connect(url);
  await client.admin.createTopic({ topic: { name: "bench" } });
  const count = await publishFor(client.publisher("bench"), ms);
  await client.close();
  return count;
}

async function publishFor(publisher, ms, onPublished = () => {}) {
  const end = performance.now() + ms;
  let count = 0;
  while (performance.now() < end) {
    for (let i = 0; i < 100; i++) {
      await publisher.publish({ payload: PAYLOAD });
      count++;
    }
    onPublished(count);
  }
  await publisher.close();
  return count;
}

async function through(url, ms) {
  const client = connect(url);
  await client.admin.createQueue({ queue: { name: "bench" } });
  const subscriber = client.subscribe({ queue: "bench", prefetch: 10_000, prefetchBytes: 16 << 20 });
  let total;
  const publishing = publishFor(client.publisher({ queue: "bench" }), ms).then((count) => {
    total = count;
  });
  let acked = 0;
  let last;
  for await (const delivery of subscriber) {
    last = delivery.ack();
    acked++;
    if (acked === total) {
      break;
    }
  }
  await publishing;
  await last;
  await client.close();
  return acked;
}

function stub(url) {
  return createClient(MessagingService, createGrpcTransport({ baseUrl: url }));
}

function batch(id) {
  const messages = Array.from({ length: BATCH_MESSAGES }, () => create(MessageSchema, { payload: PAYLOAD }));
  return { id: BigInt(id), batch: { destination: { case: "queue", value: "bench" }, messages } };
}

/** Publishes for so long, with so many batches open at once. */
async function noopPublish(url, ms, onConfirmed = () => {}) {
  const end = performance.now() + ms;
  let sent = 0;
  let confirmed = 0;
  let wake = () => {};
  async function* batches() {
    while (performance.now() < end) {
      while (sent - confirmed >= BATCHES_OPEN) {
        await new Promise((resolve) => {
          wake = resolve;
        });
      }
      sent++;
      yield batch(sent);
    }
  }
  for await (const response of stub(url).publishStream(batches())) {
    confirmed += response.confirms.length;
    onConfirmed(confirmed * BATCH_MESSAGES);
    wake();
  }
  return confirmed * BATCH_MESSAGES;
}

/** The same, and takes and acks as many as were confirmed. */
async function noopThrough(url, ms) {
  const client = stub(url);
  let published = 0;
  let isOver = false;
  let wake = () => {};
  const publishing = noopPublish(url, ms, (count) => {
    published = count;
    wake();
  }).finally(() => {
    isOver = true;
    wake();
  });
  let acked = 0;
  const stop = new AbortController();
  try {
    const source = { case: "queue", value: "bench-1024" };
    for await (const { deliveries } of client.subscribe({ source }, { signal: stop.signal })) {
      while (!isOver && acked + deliveries.length > published) {
        await new Promise((resolve) => {
          wake = resolve;
        });
      }
      if (isOver && acked + deliveries.length > published) {
        break;
      }
      if (deliveries.length > 0) {
        await client.ack({ ackIds: deliveries.map((delivery) => delivery.ackId) });
        acked += deliveries.length;
      }
    }
  } finally {
    stop.abort();
  }
  await publishing;
  return acked;
}
