/** How batches reach the broker: as a stream where both sides can stream, else call by call. */

import type { Transport } from "@connectrpc/connect";
import { toFerryError } from "../errors.js";
import { MessagingService } from "../gen/ferrymq/v1/messaging_service_pb.js";
import type { ConfirmedBatch } from "../wire/publish.js";
import { batchFields, readConfirm } from "../wire/publish.js";
import { fieldsOf, rawMessage, rawMethod, readerOf } from "../wire/raw.js";
import type { Batch } from "./batch.js";
import { callPublish } from "./once.js";

/** What a link takes batches from and tells of confirms. */
export interface Outbox {
  /** The next batch to send; waits for one. Undefined: there are no more. */
  next(): Promise<Batch | undefined>;
  /** The broker has answered. */
  confirmed(confirm: ConfirmedBatch): void;
}

/** Sends what an outbox gives until there is no more and all is answered. Throws when the connection breaks. */
export type PublishLink = (outbox: Outbox, signal: AbortSignal, answered: () => void) => Promise<void>;

const STREAM = rawMethod(MessagingService.method.publishStream);

/** `PublishStream`: batch after batch without waiting. */
export function streamLink(transport: Transport): PublishLink {
  return async (outbox, signal, answered) => {
    const answer = await transport.stream(STREAM, signal, 0, undefined, requests(outbox));
    answered();
    for await (const response of answer.message) {
      for (const field of fieldsOf(response)) {
        if (field.no === 1) {
          outbox.confirmed(readConfirm(readerOf(field)));
        }
      }
    }
  };
}

async function* requests(outbox: Outbox) {
  for (let batch = await outbox.next(); batch !== undefined; batch = await outbox.next()) {
    yield rawMessage(batchFields(batch.id, batch.bodyWithLength));
  }
}

/** `Publish`, one call after the other: for browsers, which cannot stream requests. */
export function callLink(transport: Transport, timeoutMs: number): PublishLink {
  return async (outbox, signal, answered) => {
    for (let batch = await outbox.next(); batch !== undefined; batch = await outbox.next()) {
      const confirm: ConfirmedBatch = { id: batch.id, results: undefined, failure: undefined };
      try {
        const results = await callPublish(transport, batch.body, signal, timeoutMs);
        confirm.results = () => results;
      } catch (thrown) {
        confirm.failure = toFerryError(thrown);
        if (confirm.failure.code === "UNAVAILABLE" || confirm.failure.code === "CANCELLED") {
          throw confirm.failure;
        }
      }
      answered();
      outbox.confirmed(confirm);
    }
  };
}
