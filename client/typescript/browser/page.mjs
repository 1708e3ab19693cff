// What runs in the page.

import { connect, NotFoundError, UnavailableError } from "ferrymq";

const COUNT = 500;
const texts = Array.from({ length: COUNT }, (_, i) => `ünïcødé ${i}`);

function check(is, what) {
  if (!is) {
    throw new Error(what);
  }
}

async function withClient(url, work, options = {}) {
  const client = connect(url, { log: () => {}, ...options });
  try {
    await work(client);
  } finally {
    await client.close();
  }
}

/** Waits until so many messages of a queue are ready, and nobody holds any. */
async function wait(client, queue, count) {
  for (;;) {
    const { queues } = await client.admin.getStats({ queues: [queue] });
    if (queues[queue].ready === BigInt(count) && queues[queue].unsettled === 0n) {
      return;
    }
  }
}

export const admin = (url) =>
  withClient(url, async (client) => {
    await client.admin.createTopic({ topic: { name: "chat" } });
    const bindings = [{ topic: "chat" }];
    const { created } = await client.admin.createQueue({ queue: { name: "history" }, bindings });
    check(created, "the queue is made");
  });

export const publishes = (url) =>
  withClient(url, async (client) => {
    const publisher = client.publisher("chat");
    const confirms = [];
    for (const payload of texts) {
      confirms.push(await publisher.publish({ payload, routingKey: "eu", attributes: { from: "a page" } }));
    }
    for (const [i, confirm] of confirms.entries()) {
      const { position, queuesMatched } = await confirm.result();
      check(position?.offset === i && queuesMatched === 1, `confirm ${i}`);
    }
  });

export const consumes = (url) =>
  withClient(url, async (client) => {
    const subscriber = client.subscribe({ queue: "history", prefetch: 100 });
    const statuses = [];
    for (const text of texts) {
      const { value } = await subscriber.next();
      check(value.message.text() === text && value.attempt === 1, `${value.message.text()} is not ${text}`);
      check(value.message.attributes.from === "a page" && value.topic === "chat", "its fields");
      statuses.push(value.ack());
    }
    for (const status of await Promise.all(statuses)) {
      check(status === "OK", status);
    }
    const { queues } = await client.admin.getStats({ queues: ["history"] });
    check(queues.history.ready === 0n && queues.history.unsettled === 0n, "all is settled");
  });

export const errors = (url) =>
  withClient(url, async (client) => {
    const error = await client.publish("nowhere", { payload: "x" }).catch((thrown) => thrown);
    check(error instanceof NotFoundError && error.reason === "TOPIC_NOT_FOUND", String(error));
    check(error.metadata.topic === "nowhere", "its metadata");
    const missing = await client
      .subscribe({ queue: "nowhere" })
      .next()
      .catch((thrown) => thrown);
    check(missing instanceof NotFoundError && missing.reason === "QUEUE_NOT_FOUND", String(missing));
  });

export const releases = (url) =>
  withClient(url, async (client) => {
    const retry = { maxAttempts: 1 };
    await client.admin.createQueue({ queue: { name: "work", retry } });
    await client.publish({ queue: "work" }, { payload: "one" });
    const first = client.subscribe({ queue: "work" });
    await first.next();
    await first.close();
    const second = client.subscribe({ queue: "work" });
    const { value } = await second.next();
    check(value.attempt === 2 && value.message.text() === "one", "it comes again and was no failure");
    check((await value.ack()) === "OK", "acked");
  });

export const reads = (url) =>
  withClient(url, async (client) => {
    let count = 0;
    for await (const delivery of client.read("chat", { start: "earliest", stop: "latest" })) {
      check(delivery.message.text() === texts[count], `message ${count}`);
      count++;
    }
    check(count === COUNT, `${count} messages`);
  });

export const works = (url) =>
  withClient(url, async (client) => {
    const seen = [];
    for (const payload of ["a", "b", "c"]) {
      await client.publish({ queue: "work" }, { payload });
    }
    const worker = client.worker({ queue: "work", concurrency: 1 }, (delivery) => {
      seen.push(delivery.message.text());
      if (seen.length === 3) {
        worker.stop();
      }
    });
    await worker.done;
    check(seen.join() === "a,b,c", seen.join());
  });

/** One failure would be the end of a message: what is on its way when a worker stops is none. */
export const stops = (url) =>
  withClient(url, async (client) => {
    const COUNT = 5_000;
    const queue = { queue: "burst" };
    await client.admin.createQueue({ queue: { name: "burst", retry: { maxAttempts: 1 } } });
    const publisher = client.publisher(queue);
    const payloads = Array.from({ length: COUNT }, (_, i) => `m${i}`);
    for (const payload of payloads) {
      await publisher.publish({ payload });
    }
    await publisher.flush();
    const seen = [];
    for (const most of [100, 1_200, 2_500]) {
      const worker = client.worker({ ...queue, prefetch: 1_000, concurrency: 4 }, (delivery) => {
        seen.push(delivery.message.text());
        if (seen.length === most) {
          worker.stop();
        }
      });
      await worker.done;
      await wait(client, "burst", COUNT - seen.length);
    }
    for await (const delivery of client.subscribe(queue)) {
      seen.push(delivery.message.text());
      delivery.ack();
      if (seen.length === COUNT) {
        break;
      }
    }
    check(seen.sort().join() === payloads.sort().join(), "each of them once");
    const letters = await client.admin.getStats({ queues: ["burst.dlq"] }).catch((error) => error);
    check(letters instanceof NotFoundError, "there are no dead letters");
  });

export const pulls = (url) =>
  withClient(url, async (client) => {
    await client.publish({ queue: "work" }, { payload: "pulled" });
    const [delivery] = await client.pull({ queue: "work", max: 5 });
    check(delivery.message.text() === "pulled", "its text");
    check((await delivery.ack()) === "OK", "acked");
  });

/** Over HTTP/2 and TLS, where a browser has more than six streams to one host. */
export const goesThrough = (url) =>
  withClient(url, async (client) => {
    await client.admin.createQueue({ queue: { name: "secure" } });
    const subscribers = Array.from({ length: 8 }, () => client.subscribe({ queue: "secure", prefetch: 1 }));
    await Promise.all(subscribers.map((subscriber) => subscriber.opened));
    const publisher = client.publisher({ queue: "secure" });
    for (const payload of texts.slice(0, 8)) {
      await publisher.publish({ payload });
    }
    await publisher.flush();
    const came = await Promise.all(subscribers.map((subscriber) => subscriber.next()));
    const payloads = came.map(({ value }) => value.message.text()).sort();
    check(payloads.join() === texts.slice(0, 8).sort().join(), payloads.join());
    const statuses = await Promise.all(came.map(({ value }) => value.ack()));
    check(
      statuses.every((status) => status === "OK"),
      statuses.join(),
    );
  });

/** From an origin that the broker does not know. */
export const isRefused = (url) =>
  withClient(url, async (client) => {
    const error = await client.publish("chat", { payload: "x" }).catch((thrown) => thrown);
    check(error instanceof UnavailableError, String(error));
  });
