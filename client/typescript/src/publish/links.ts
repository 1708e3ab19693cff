/** How batches reach the broker: as a stream where both sides can stream, else call by call. */

import type { Transport } from "@connectrpc/connect";
import type { FerryError } from "../errors.js";
import { isTransient, toFerryError, unavailable } from "../errors.js";
import { MessagingService } from "../gen/ferrymq/v1/messaging_service_pb.js";
import type { ConfirmedBatch } from "../wire/publish.js";
import { batchFields, readConfirm } from "../wire/publish.js";
import { fieldsOf, rawMessage, rawMethod, readerOf } from "../wire/raw.js";
import type { Batch } from "./batch.js";
import { callPublish } from "./once.js";

/** What a link takes batches from and tells of confirms. */
export interface Outbox {
  /** How long the broker is to wait for room, if the program says so; else without end. */
  readonly waitForRoomMs: number | undefined;
  /** The next batch to send; waits for one. Undefined: there are no more. */
  next(): Promise<Batch | undefined>;
  /** The broker has answered. */
  confirmed(confirm: ConfirmedBatch): void;
}

/** A way to publish. */
export interface PublishLink {
  /** Sends what an outbox gives until there is no more and all is answered. Throws when the connection breaks. */
  run(outbox: Outbox, signal: AbortSignal, answered: () => void): Promise<void>;
  /** What a request says where the program does not say how long to wait for room. Undefined: nothing, as a stream waits without end. */
  readonly waitForRoomMs: number | undefined;
}

const STREAM = rawMethod(MessagingService.method.publishStream);

/** `PublishStream`: batch after batch without waiting. */
export function streamLink(transport: Transport): PublishLink {
  const run: PublishLink["run"] = async (outbox, signal, answered) => {
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
  return { run, waitForRoomMs: undefined };
}

async function* requests(outbox: Outbox) {
  for (let batch = await outbox.next(); batch !== undefined; batch = await outbox.next()) {
    yield rawMessage(batchFields(batch.id, batch.bodyWithLength));
  }
}

/** So long one call waits for room, and then is made again. */
const ROOM_MS = 10_000;

/** `Publish`, one call after the other: for browsers, which cannot stream requests. */
export function callLink(transport: Transport, timeoutMs: number): PublishLink {
  const run: PublishLink["run"] = async (outbox, signal, answered) => {
    const limitMs = timeoutMs + (outbox.waitForRoomMs ?? ROOM_MS);
    for (let batch = await outbox.next(); batch !== undefined; batch = await outbox.next()) {
      let confirm: ConfirmedBatch | undefined;
      // Nobody waits any more for one that was given up.
      while (confirm === undefined && !batch.isSettled) {
        const sinceMs = Date.now();
        confirm = await publishBatch(transport, batch, signal, limitMs);
        answered();
        if (isFull(confirm.failure) && outbox.waitForRoomMs === undefined && Date.now() - sinceMs >= ROOM_MS) {
          confirm = undefined;
        }
      }
      if (confirm !== undefined) {
        outbox.confirmed(confirm);
      }
    }
  };
  return { run, waitForRoomMs: ROOM_MS };
}

/** Throws where there is no answer of the broker. */
async function publishBatch(
  transport: Transport,
  batch: Batch,
  signal: AbortSignal,
  limitMs: number,
): Promise<ConfirmedBatch> {
  try {
    const results = await callPublish(transport, batch.body, signal, limitMs);
    return { id: batch.id, results: () => results, failure: undefined };
  } catch (thrown) {
    const failure = toFerryError(thrown);
    if (failure.code === "DEADLINE_EXCEEDED" || failure.code === "CANCELLED") {
      throw unavailable(failure.message, failure);
    }
    // Without a reason it is somebody between who answers, and the broker may have stored it.
    if (isTransient(failure) || failure.reason === "") {
      throw failure;
    }
    return { id: batch.id, results: undefined, failure };
  }
}

const FULL = ["QUEUE_FULL", "TOPIC_FULL", "DISK_FULL"];

function isFull(failure: FerryError | undefined): boolean {
  return failure !== undefined && FULL.includes(failure.reason);
}
