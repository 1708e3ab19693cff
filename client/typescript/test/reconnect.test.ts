import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  InvalidArgumentError,
  makeError,
  TimeoutError,
  toFerryError,
  UnavailableError,
  unavailable,
} from "../src/errors.js";
import { Backoff, persist } from "../src/reconnect.js";

test("waits double up to the longest, a fifth more or less", () => {
  const settings = { minMs: 100, maxMs: 1_000 };
  const least = new Backoff(settings, () => 0);
  assert.deepEqual(
    Array.from({ length: 5 }, () => Math.round(least.next())),
    [80, 160, 320, 640, 800],
  );
  const most = new Backoff(settings, () => 1);
  assert.equal(Math.round(most.next()), 120);
  most.reset();
  assert.equal(Math.round(most.next()), 120);
});

test("what is unavailable is tried again, anything else is thrown", async () => {
  let tries = 0;
  const attempts = {
    backoff: { minMs: 0, maxMs: 0 },
    signal: new AbortController().signal,
    attempt: () => Promise.reject(++tries < 3 ? unavailable("gone") : makeError(5, "no such queue", {})),
    again: () => true,
  };
  await assert.rejects(persist(attempts), { code: "NOT_FOUND" });
  assert.equal(tries, 3);
});

test("a stop during a wait ends it", async () => {
  const stop = new AbortController();
  const attempts = {
    backoff: { minMs: 60_000, maxMs: 60_000 },
    signal: stop.signal,
    attempt: () => Promise.reject(unavailable("gone")),
    again: () => {
      setImmediate(() => stop.abort());
      return true;
    },
  };
  await assert.rejects(persist(attempts), UnavailableError);
});

test("a status of the broker keeps its code and details, and anything else means that the connection broke", () => {
  const info = new Uint8Array([10, 13, ...new TextEncoder().encode("FIELD_INVALID"), 26, 6, 10, 1, 97, 18, 1, 98]);
  const violation = new Uint8Array([10, 8, 10, 1, 102, 18, 3, ...new TextEncoder().encode("low")]);
  const status = new ConnectError("bad", Code.InvalidArgument, { "grpc-status": "3" });
  status.details = [
    { type: "google.rpc.ErrorInfo", value: info },
    { type: "google.rpc.BadRequest", value: violation },
    { type: "google.rpc.RetryInfo", value: new Uint8Array([10, 2, 8, 2]) },
    { type: "google.rpc.Unknown", value: new Uint8Array([1]) },
  ];
  const error = toFerryError(status);
  assert.ok(error instanceof InvalidArgumentError);
  assert.equal(error.reason, "FIELD_INVALID");
  assert.deepEqual(error.metadata, { a: "b" });
  assert.deepEqual(error.violations, [{ field: "f", rule: "low" }]);
  assert.equal(error.retryAfterMs, 2_000);
  assert.ok(toFerryError(new ConnectError("reset", Code.Internal)) instanceof UnavailableError);
  assert.ok(toFerryError(new ConnectError("late", Code.DeadlineExceeded)) instanceof TimeoutError);
});
