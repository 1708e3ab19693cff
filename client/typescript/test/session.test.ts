import assert from "node:assert/strict";
import { once } from "node:events";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { test } from "node:test";
import { connect } from "../src/index.js";

const quiet = { log: () => {}, callTimeoutMs: 20_000 };

test("no broker is UNAVAILABLE", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  const client = connect(`http://127.0.0.1:${port}`, quiet);
  await assert.rejects(client.publish("orders", { payload: "x" }), { code: "UNAVAILABLE", name: "UnavailableError" });
  await client.close();
});

test("a broker that does not answer in time is UNAVAILABLE", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect(`http://127.0.0.1:${port}`, { ...quiet, connectTimeoutMs: 50 });
  await assert.rejects(client.publish("orders", { payload: "x" }), { code: "UNAVAILABLE" });
  await client.close();
  server.close();
});

test("a connection that answers no ping is given up, and what is under way on it with it", async () => {
  const server = createServer((socket) => {
    socket.once("data", () => socket.write(new Uint8Array([0, 0, 0, 4, 0, 0, 0, 0, 0])));
    socket.on("error", () => {});
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect(`http://127.0.0.1:${port}`, { ...quiet, keepaliveMs: 20, keepaliveTimeoutMs: 20 });
  await assert.rejects(client.publish("orders", { payload: "x" }), { code: "UNAVAILABLE" });
  await client.close();
  server.close();
});

test("a call that is not answered ends at its deadline", async () => {
  const server = http2.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect(`http://127.0.0.1:${port}`, quiet);
  const call = client.publish("orders", { payload: "x" }, { timeoutMs: 20 });
  await assert.rejects(call, { code: "DEADLINE_EXCEEDED", name: "TimeoutError" });
  await client.close();
  server.close();
});

test("a URL that is none is a TypeError", () => {
  assert.throws(() => connect("not a url"), TypeError);
});
