import assert from "node:assert/strict";
import { test } from "node:test";
import { unlessAborted } from "../src/async.js";

const reason = () => new Error("cut off");

test("a wait ends with its signal, whatever becomes of the work", async () => {
  const stop = new AbortController();
  const waiting = unlessAborted(new Promise(() => {}), stop.signal, reason);
  stop.abort();
  await assert.rejects(waiting, /cut off/);
  await assert.rejects(unlessAborted(Promise.reject(new Error("late")), stop.signal, reason), /cut off/);
});

test("without it the wait ends as the work does", async () => {
  const { signal } = new AbortController();
  assert.equal(await unlessAborted(Promise.resolve("done"), signal, reason), "done");
  await assert.rejects(unlessAborted(Promise.reject(new Error("broken")), signal, reason), /broken/);
});
