// Messages that go from every language to every language.

import assert from "node:assert/strict";
import { connect } from "ferrymq";
import { message, sameMessage } from "./messages.mjs";

/** Publishes each message, with the name of this language. */
export async function sendVectors(url, topic, language, vectors) {
  const client = connect(url);
  const publisher = client.publisher(topic);
  const confirms = [];
  for (const fields of vectors) {
    const one = message(fields);
    confirms.push(await publisher.publish({ ...one, attributes: { ...one.attributes, from: language } }));
  }
  for (const confirm of confirms) {
    await confirm.result();
  }
  await client.close();
}

/** Takes the messages of each language, and fails if one is missing or changed. */
export async function expectVectors(url, topic, group, vectors, languages) {
  const client = connect(url);
  const late = setTimeout(() => {
    console.error("not all of them came within 20 s");
    process.exit(1);
  }, 20_000);
  const next = new Map(languages.map((language) => [language, 0]));
  const isDone = () => [...next.values()].every((index) => index === vectors.length);
  for await (const delivery of client.subscribe({ topic, group, create: true, start: "earliest" })) {
    const { from, ...attributes } = delivery.message.attributes;
    const fields = vectors[next.get(from)];
    assert.ok(fields !== undefined, `one too many of ${from}`);
    sameMessage(delivery, { ...fields, attributes: undefined });
    assert.deepEqual(attributes, fields.attributes ?? {});
    next.set(from, next.get(from) + 1);
    await delivery.ack();
    if (isDone()) {
      break;
    }
  }
  clearTimeout(late);
  await client.close();
}
