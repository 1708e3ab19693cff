/** How a subscriber is closed as browsers do it, against a server that notes what it is asked. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { deferred } from "../src/async.js";
import type { SubscribeOptions } from "../src/consume/source.js";
import type { ConsumeRequest, SubscribeRequest } from "../src/gen/ferrymq/v1/messaging_service_pb.js";
import { MessagingService, SettleStatus } from "../src/gen/ferrymq/v1/messaging_service_pb.js";
import type { Subscriber } from "../src/subscriber.js";
import { connect } from "../src/web.js";

const TOKEN = new Uint8Array([7, 7]);

/** A broker with two messages, in the test's hand. */
class FakeBroker {
  /** What was asked, in this order. */
  readonly asked: string[] = [];
  /** What it was asked to end a consumer with. */
  ending: ConsumeRequest | undefined;
  readonly opening = deferred<SubscribeRequest>();
  /** Streams are opened from then on. */
  readonly mayOpen = deferred<void>();
  /** Refuses so many acks. */
  refuses = 0;
  #isRead = false;

  readonly #adapter = connectNodeAdapter({
    routes: (router) => {
      const methods = MessagingService.method;
      const subscribe = (request: SubscribeRequest, context: { signal: AbortSignal }) =>
        this.#subscribe(request, context.signal);
      router.rpc(methods.subscribe, subscribe);
      router.rpc(methods.getServerInfo, () => ({ time: { seconds: 1n } }));
      router.rpc(methods.ack, ({ ackIds }) => this.#ack(ackIds));
      const once = { ...methods.consume, methodKind: "server_streaming" as const };
      router.rpc(once, (request: ConsumeRequest) => this.#consume(request));
    },
  });

  async *#subscribe(request: SubscribeRequest, signal: AbortSignal) {
    this.asked.push("subscribe");
    this.#isRead = true;
    signal.addEventListener("abort", () => {
      this.#isRead = false;
    });
    this.opening.resolve(request);
    await this.mayOpen.promise;
    yield { opened: { resumeToken: TOKEN } };
    const deliveries = [1, 2].map((id) => ({ ackId: new Uint8Array([id]), message: {}, attempt: 1 }));
    yield { deliveries };
    await once(signal, "abort");
  }

  #ack(ackIds: Uint8Array[]) {
    this.asked.push(`ack ${ackIds.map((id) => id[0]).join()}`);
    if (this.refuses > 0) {
      this.refuses--;
      throw new ConnectError("not now", Code.Unavailable);
    }
    return { statuses: ackIds.map(() => SettleStatus.OK) };
  }

  async *#consume(request: ConsumeRequest) {
    this.asked.push(`consume, ${this.#isRead ? "and the stream is read" : "the stream is cut off"}`);
    this.ending = request;
    yield { opened: { resumeToken: TOKEN } };
  }

  /** A subscriber of it. */
  async subscriber(context: TestContext, options: SubscribeOptions): Promise<Subscriber> {
    const server = createServer(this.#adapter);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    context.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const settings = { log: () => {}, reconnectBackoff: { minMs: 0, maxMs: 0 } };
    return connect(`http://127.0.0.1:${port}`, settings).subscribe(options);
  }
}

async function ackOne(subscriber: Subscriber): Promise<() => Promise<string>> {
  const { value } = await subscriber.next();
  assert.ok(value);
  const settled = value.ack();
  return async () => settled;
}

test("what was acked is answered, then all else goes back with a call, and until then the stream is read", async (context) => {
  const broker = new FakeBroker();
  broker.mayOpen.resolve();
  const options = { topic: "orders", group: "billing", create: true, resumeWithinMs: 0 };
  const subscriber = await broker.subscriber(context, options);
  const status = await ackOne(subscriber);
  await subscriber.close();
  assert.equal(await status(), "OK");
  assert.deepEqual(broker.asked, ["subscribe", "ack 1", "consume, and the stream is read"]);
  assert.equal(broker.ending?.drain, true);
  const { source, group, resumeToken, heldAckIds, prefetch, createIfMissing } = broker.ending?.open ?? {};
  assert.deepEqual([source?.value, group, prefetch, createIfMissing], ["orders", "billing", 1, false]);
  assert.deepEqual([resumeToken, heldAckIds], [TOKEN, []]);
  // A stream that is not kept has no token.
  assert.equal((await broker.opening.promise).resumeWithin?.nanos, 1_000_000);
});

test("a stream that is being opened is waited for, and what it brings goes back", async (context) => {
  const broker = new FakeBroker();
  const subscriber = await broker.subscriber(context, { queue: "work" });
  await broker.opening.promise;
  const closing = subscriber.close();
  broker.mayOpen.resolve();
  await closing;
  assert.deepEqual(broker.asked, ["subscribe", "consume, and the stream is read"]);
  assert.deepEqual(broker.ending?.open?.resumeToken, TOKEN);
});

test("where an ack has to be sent again the stream is not opened again for that", async (context) => {
  const broker = new FakeBroker();
  broker.mayOpen.resolve();
  broker.refuses = 1;
  const subscriber = await broker.subscriber(context, { queue: "work" });
  const status = await ackOne(subscriber);
  await subscriber.close();
  assert.equal(await status(), "OK");
  assert.deepEqual(broker.asked, ["subscribe", "ack 1", "ack 1", "consume, the stream is cut off"]);
});

for (const options of [{ topic: "orders" }, { queue: "work", atMostOnce: true }]) {
  test(`nothing of ${JSON.stringify(options)} is given back`, async (context) => {
    const broker = new FakeBroker();
    broker.mayOpen.resolve();
    const subscriber = await broker.subscriber(context, options);
    await subscriber.opened;
    await subscriber.close();
    assert.deepEqual(broker.asked, ["subscribe"]);
  });
}
