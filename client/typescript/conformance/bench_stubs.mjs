// What the generated stubs do by themselves: the same batches, windows and settlements as the client's, over the same library.

import * as http2 from "node:http2";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { MessageSchema, MessagingService } from "ferrymq/proto";

/** As the client's batches are: 256 KiB. */
const BATCH_MESSAGES = 250;
/** Batches that are on their way at once: 16 MiB. */
const BATCHES_OPEN = 64;

/** Stubs on a connection with the windows of the client's. */
export function stubs(url) {
  const session = http2.connect(url, {
    settings: { enablePush: false, initialWindowSize: 4 << 20 },
    maxSessionMemory: 512,
  });
  session.once("connect", () => session.setLocalWindowSize(64 << 20));
  const sessionManager = {
    authority: url,
    request: async (method, path, headers, options) =>
      session.request({ ...headers, ":method": method, ":path": path }, options),
    notifyResponseByteRead: () => {},
  };
  const transport = createGrpcTransport({ baseUrl: url, sessionManager, acceptCompression: [] });
  return { client: createClient(MessagingService, transport), close: () => session.destroy() };
}

/** Values to send: what is put in comes out in order; undefined ends them. */
class Outgoing {
  #values = [];
  #wake = () => {};

  put(value) {
    this.#values.push(value);
    this.#wake();
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      const value = this.#values.shift();
      if (value !== undefined) {
        yield value;
      } else if (this.isEnded) {
        return;
      } else {
        await new Promise((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  end() {
    this.isEnded = true;
    this.#wake();
  }
}

/** Publishes for so long, with so many batches open at once. */
export function stubsPublish(client, queue, payload) {
  const outgoing = new Outgoing();
  let open = 0;
  let confirmed = () => {};
  const taking = (async () => {
    for await (const { confirms } of client.publishStream(outgoing)) {
      open -= confirms.length;
      confirmed();
    }
  })();
  const until = async (most) => {
    while (open > most) {
      await new Promise((resolve) => {
        confirmed = resolve;
      });
    }
  };
  let id = 0n;
  const phase = async (ms) => {
    const start = performance.now();
    let count = 0;
    while (performance.now() < start + ms) {
      await until(BATCHES_OPEN - 1);
      const messages = Array.from({ length: BATCH_MESSAGES }, () => create(MessageSchema, { payload }));
      outgoing.put({ id: ++id, batch: { destination: { case: "queue", value: queue }, messages } });
      open++;
      count += BATCH_MESSAGES;
    }
    await until(0);
    return (count / (performance.now() - start)) * 1_000;
  };
  const end = async () => {
    outgoing.end();
    await taking;
  };
  return { phase, end };
}

/** Takes and acks for so long, each response by one settlement. */
export function stubsConsume(client, queue, { prefetch, prefetchBytes }) {
  const outgoing = new Outgoing();
  const open = { source: { case: "queue", value: queue }, prefetch, prefetchBytes: BigInt(prefetchBytes) };
  outgoing.put({ open });
  const stop = new AbortController();
  const responses = client.consume(outgoing, { signal: stop.signal })[Symbol.asyncIterator]();
  let id = 0n;
  const phase = async (ms) => {
    const start = performance.now();
    let count = 0;
    while (performance.now() < start + ms) {
      const { deliveries } = (await responses.next()).value;
      if (deliveries.length > 0) {
        const ackIds = deliveries.map((delivery) => delivery.ackId);
        outgoing.put({ settlements: [{ id: ++id, action: { case: "ack", value: { ackIds } } }] });
        count += deliveries.length;
      }
    }
    return (count / (performance.now() - start)) * 1_000;
  };
  const end = async () => {
    stop.abort();
    outgoing.end();
  };
  return { phase, end };
}
