/** Publishing as browsers do, call by call, against a server that answers as a test says. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { PublishRequest, PublishResponseSchema } from "../src/gen/ferrymq/v1/messaging_service_pb.js";
import { MessagingService } from "../src/gen/ferrymq/v1/messaging_service_pb.js";
import type { Client } from "../src/web.js";
import { connect } from "../src/web.js";

type Answer = (request: PublishRequest) => MessageInitShape<typeof PublishResponseSchema>;

/** A client of a server that answers publishes one after the other with these. */
async function clientOf(context: TestContext, ...answers: Answer[]): Promise<Client> {
  const publish: Answer = (request) => (answers.shift() as Answer)(request);
  const server = createServer(
    connectNodeAdapter({ routes: (router) => router.service(MessagingService, { publish }) }),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return connect(`http://127.0.0.1:${port}`, { log: () => {} });
}

function refused(code: Code, message: string, reason?: string): never {
  const error = new ConnectError(message, code);
  if (reason !== undefined) {
    const value = new Uint8Array([0x0a, reason.length, ...new TextEncoder().encode(reason)]);
    error.details = [{ type: "google.rpc.ErrorInfo", value }];
  }
  throw error;
}

const full = () => refused(Code.ResourceExhausted, "the queue is full", "QUEUE_FULL");
const stored = () => ({ results: [{ queuesMatched: 1 }] });

test("where there is no room a batch waits, call after call, as on a stream", async (context) => {
  context.mock.timers.enable({ apis: ["Date"] });
  const waits: (bigint | undefined)[] = [];
  const waited: Answer = (request) => {
    waits.push(request.waitForRoom?.seconds);
    context.mock.timers.tick(10_000);
    return full();
  };
  const client = await clientOf(context, waited, waited, stored);
  const confirm = await client.publisher("orders").publish({ payload: "one" });
  assert.equal((await confirm.result()).queuesMatched, 1);
  assert.deepEqual(waits, [10n, 10n]);
  await client.close();
});

test("what never fits, and what has waited as long as it was told, is refused", async (context) => {
  context.mock.timers.enable({ apis: ["Date"] });
  const late: Answer = (request) => {
    assert.equal(request.waitForRoom?.seconds, 60n);
    context.mock.timers.tick(60_000);
    return full();
  };
  const client = await clientOf(context, full, late);
  const tooLarge = await client.publisher("orders").publish({ payload: "one" });
  await assert.rejects(tooLarge.result(), { code: "RESOURCE_EXHAUSTED", reason: "QUEUE_FULL" });
  const patient = client.publisher("orders", { waitForRoomMs: 60_000, publishTimeoutMs: 600_000 });
  const confirm = await patient.publish({ payload: "two" });
  await assert.rejects(confirm.result(), { code: "RESOURCE_EXHAUSTED", reason: "QUEUE_FULL" });
  await client.close();
});

test("what somebody between says of a batch does not say whether it is stored", async (context) => {
  const client = await clientOf(context, () => refused(Code.Internal, "a proxy is broken"));
  const publisher = client.publisher("orders");
  const confirm = await publisher.publish({ payload: "one" });
  await assert.rejects(confirm.result(), { code: "UNAVAILABLE", message: /not known .* INTERNAL: a proxy is broken/ });
  await assert.rejects(publisher.publish({ payload: "two" }), { code: "INTERNAL" });
  await assert.rejects(client.close(), { code: "INTERNAL" });
});
