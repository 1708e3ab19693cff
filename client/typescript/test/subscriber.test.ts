import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConsumeLink } from "../src/consume/links.js";
import type { SubscribeOptions } from "../src/consume/source.js";
import type { Delivery } from "../src/delivery.js";
import { makeError, unavailable } from "../src/errors.js";
import { LogEdge } from "../src/gen/ferrymq/v1/message_pb.js";
import type { SettleGroup } from "../src/settle.js";
import { Subscriber } from "../src/subscriber.js";
import { broadcast, deliver, FakeLink } from "./fake_link.js";
import { quickSettings } from "./helpers.js";

const TOKEN = new Uint8Array([1, 2, 3]);

function subscriberOf(
  link: ConsumeLink,
  options: SubscribeOptions = { queue: "work" },
  lines: string[] = [],
): Subscriber {
  return new Subscriber(options, link, quickSettings(lines), () => {});
}

async function next(subscriber: Subscriber): Promise<Delivery> {
  const { value } = await subscriber.next();
  assert.ok(value);
  return value;
}

function ids(groups: SettleGroup[] | undefined): number[] {
  return (groups ?? []).flatMap((group) => group.deliveries.map((delivery) => delivery.ackId[0] as number));
}

test("acks that come together go together, and each gets its own status", async () => {
  const link = new FakeLink();
  const subscriber = subscriberOf(link);
  const { inbox, settlements } = await link.connection();
  inbox.opened(TOKEN);
  deliver(inbox, 1, 2, 3);
  const [one, two, three] = [await next(subscriber), await next(subscriber), await next(subscriber)];
  const statuses = Promise.all([one.ack(), two.ack(), three.retry({ reason: "why" })]);
  const groups = await settlements.next();
  assert.deepEqual(
    groups?.map((group) => group.deliveries.length),
    [2, 1],
  );
  inbox.settled(groups?.[0]?.id ?? 0, ["OK", "ALREADY_SETTLED"]);
  inbox.settled(groups?.[1]?.id ?? 0, ["OK"]);
  assert.deepEqual(await statuses, ["OK", "ALREADY_SETTLED", "OK"]);
});

test("only the first settlement counts", async () => {
  const link = new FakeLink();
  const subscriber = subscriberOf(link);
  const { inbox, settlements } = await link.connection();
  inbox.opened(TOKEN);
  deliver(inbox, 1);
  const delivery = await next(subscriber);
  assert.equal(delivery.ack(), delivery.reject("too late"));
  const groups = await settlements.next();
  assert.deepEqual(
    groups?.map((group) => group.options.action),
    ["ack"],
  );
});

test("a broken connection is taken up with what is held, and unanswered settlements go again", async () => {
  const link = new FakeLink();
  const lines: string[] = [];
  const subscriber = subscriberOf(link, { queue: "work" }, lines);
  const first = await link.connection();
  first.inbox.opened(TOKEN);
  deliver(first.inbox, 1, 2, 3);
  const one = await next(subscriber);
  const two = await next(subscriber);
  const acked = one.ack();
  assert.deepEqual(ids(await first.settlements.next()), [1]);
  first.end(unavailable("gone"));
  const second = await link.connection();
  assert.deepEqual(second.open.resumeToken, TOKEN);
  assert.deepEqual(
    second.open.heldAckIds.map((id) => id[0]),
    [1, 2, 3],
  );
  second.inbox.opened(TOKEN);
  const again = await second.settlements.next();
  assert.deepEqual(ids(again), [1]);
  second.inbox.settled(again?.[0]?.id ?? 0, ["ALREADY_SETTLED"]);
  assert.equal(await acked, "ALREADY_SETTLED");
  two.ack();
  assert.deepEqual(ids(await second.settlements.next()), [2]);
  assert.equal((await next(subscriber)).message.text(), "m3");
  assert.equal(lines.length, 1);
});

test("a broker that does not know it any more: what was not taken comes again, not twice", async () => {
  const link = new FakeLink();
  const subscriber = subscriberOf(link);
  const first = await link.connection();
  first.inbox.opened(TOKEN);
  deliver(first.inbox, 1, 2);
  await next(subscriber);
  first.end(unavailable("gone"));
  const second = await link.connection();
  second.inbox.opened(new Uint8Array([9]));
  deliver(second.inbox, 2);
  assert.equal((await next(subscriber)).message.text(), "m2");
  second.end(unavailable("gone"));
  const third = await link.connection();
  assert.deepEqual(
    third.open.heldAckIds.map((id) => id[0]),
    [2],
  );
});

test("a broadcast goes on behind its last message, and is not read ahead without bound", async () => {
  const link = new FakeLink();
  const subscriber = subscriberOf(link, { topic: "orders" });
  const first = await link.connection();
  first.inbox.opened(new Uint8Array(0));
  broadcast(first.inbox, 100);
  const room = first.inbox.room();
  assert.ok(room !== undefined, "it reads on");
  for (let i = 0; i < 100; i++) {
    const delivery = await next(subscriber);
    assert.equal(await delivery.ack(), "OK");
  }
  await room;
  first.end(unavailable("gone"));
  const second = await link.connection();
  assert.deepEqual(second.open.start?.at.value, { $typeName: "ferrymq.v1.Position", log: 1n, offset: 100n });
});

test("where the topic's end is, is fixed when a broadcast is opened for the first time", async () => {
  const link = new FakeLink();
  const subscriber = subscriberOf(link, { topic: "orders", start: "latest", stop: "latest" });
  const refused = await link.connection();
  refused.end(unavailable("not yet"));
  const first = await link.connection();
  assert.deepEqual([first.open.start?.at.value, first.open.stop?.at.value], [LogEdge.LATEST, LogEdge.LATEST]);
  first.inbox.opened(new Uint8Array(0));
  first.end(unavailable("gone"));
  const second = await link.connection();
  const then = { $typeName: "google.protobuf.Timestamp", seconds: 2n, nanos: 0 };
  assert.deepEqual([second.open.start?.at.value, second.open.stop?.at.value], [then, then]);
  broadcast(second.inbox, 1);
  second.end(unavailable("gone"));
  const third = await link.connection();
  assert.deepEqual(third.open.start?.at.value, { $typeName: "ferrymq.v1.Position", log: 1n, offset: 1n });
  assert.deepEqual(third.open.stop?.at.value, then);
  third.end();
  await next(subscriber);
  assert.equal((await subscriber.next()).done, true);
  assert.equal(link.asked, 2);
});

test("an error that cannot be helped ends it, behind what had come", async () => {
  const link = new FakeLink();
  const subscriber = subscriberOf(link);
  const { inbox, end } = await link.connection();
  inbox.opened(TOKEN);
  deliver(inbox, 1);
  end(makeError(5, "the queue was deleted", { reason: "QUEUE_NOT_FOUND" }));
  const delivery = await next(subscriber);
  await assert.rejects(subscriber.next(), { code: "NOT_FOUND", reason: "QUEUE_NOT_FOUND" });
  await assert.rejects(async () => await delivery.ack(), { code: "NOT_FOUND" });
});

test("close waits for answers, and what was not taken is not handed out any more", async () => {
  const link = new FakeLink();
  const subscriber = subscriberOf(link);
  const { inbox, settlements, end } = await link.connection();
  inbox.opened(TOKEN);
  deliver(inbox, 1, 2);
  const one = await next(subscriber);
  const acked = one.ack();
  const closing = subscriber.close();
  const groups = await settlements.next();
  assert.equal(await settlements.next(), undefined);
  inbox.settled(groups?.[0]?.id ?? 0, ["OK"]);
  end();
  await closing;
  assert.equal(await acked, "OK");
  assert.equal((await subscriber.next()).done, true);
});

test("close waits for a stream that is being opened, and does not try again where that fails", async () => {
  const opening = new FakeLink();
  const subscriber = subscriberOf(opening);
  const first = await opening.connection();
  const closing = subscriber.close();
  assert.equal(await first.settlements.next(), undefined);
  first.inbox.opened(TOKEN);
  assert.equal(first.signal.aborted, false, "it is not cut off");
  first.end();
  await closing;
  const refusing = new FakeLink();
  const refused = subscriberOf(refusing);
  const { end } = await refusing.connection();
  const ending = refused.close();
  end(unavailable("nobody is there"));
  await ending;
  await assert.rejects(refused.opened, { code: "UNAVAILABLE" });
});

test("leaving the loop closes it", async () => {
  const link = new FakeLink();
  const subscriber = subscriberOf(link);
  const { inbox, settlements, end } = await link.connection();
  inbox.opened(TOKEN);
  deliver(inbox, 1);
  const ending = settlements.next().then((groups) => {
    assert.equal(groups, undefined);
    end();
  });
  for await (const _ of subscriber) {
    break;
  }
  await ending;
});
