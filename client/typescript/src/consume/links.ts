/** How deliveries come and settlements go: on one stream where both sides can stream, else as in `calls.ts`. */

import { toBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import type { Empty, Timestamp } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import type { FerryError } from "../errors.js";
import { makeError } from "../errors.js";
import type { SubscribeRequest } from "../gen/ferrymq/v1/messaging_service_pb.js";
import { MessagingService, SubscribeRequestSchema } from "../gen/ferrymq/v1/messaging_service_pb.js";
import type { SettleGroup, SettleStatusName } from "../settle.js";
import { readStatuses } from "../settle.js";
import type { Field } from "../wire/raw.js";
import { bytesField, fieldsOf, rawMessage, rawMethod, readerOf } from "../wire/raw.js";
import type { Reader } from "../wire/reader.js";

/** What a link tells of. */
export interface Inbox {
  /** The stream is open. */
  opened(resumeToken: Uint8Array): void;
  /** A delivery has come. */
  delivered(delivery: Reader): void;
  /** A response has been read; the next one is, once this resolves. */
  room(): Promise<void> | undefined;
  /** The broker has answered a settlement. */
  settled(id: number, outcome: SettleStatusName[] | FerryError): void;
}

/** What a link takes settlements from. */
export interface Settlements {
  /** What there is to settle, waiting for some; undefined: no more, and the stream is to end. */
  next(): Promise<SettleGroup[] | undefined>;
  /** Aborted once nothing more is to be delivered. */
  readonly closing: AbortSignal;
}

/** A way to consume. */
export interface ConsumeLink {
  /**
   * Carries deliveries and settlements until the stream ends: in order if it returns, else it throws. In order what is held goes back, also
   * what is on its way, and is no failure.
   */
  run(open: SubscribeRequest, settlements: Settlements, inbox: Inbox, signal: AbortSignal): Promise<void>;
  /** What the broker's clock says. */
  time(signal: AbortSignal): Promise<Timestamp>;
}

const { consume, getServerInfo } = MessagingService.method;
const CONSUME = rawMethod(consume);

/** `Consume`: one stream for both. */
export function streamLink(transport: Transport, timeoutMs: number): ConsumeLink {
  const run: ConsumeLink["run"] = async (open, settlements, inbox, signal) => {
    const answer = await transport.stream(CONSUME, signal, 0, undefined, requests(open, settlements));
    await takeAll(answer.message, inbox);
  };
  return { run, time: (signal) => timeOf(transport, timeoutMs, signal) };
}

/** What the broker's clock says. */
export async function timeOf(transport: Transport, timeoutMs: number, signal: AbortSignal): Promise<Timestamp> {
  const answer = await transport.unary(getServerInfo, signal, timeoutMs, undefined, {});
  const { time } = answer.message;
  if (time === undefined) {
    throw makeError(13, "the broker does not say what its clock says", {});
  }
  return time;
}

/** Reads a stream of `SubscribeResponse` or `ConsumeResponse` to its end. */
export async function takeAll(responses: AsyncIterable<Empty>, inbox: Inbox): Promise<void> {
  for await (const response of responses) {
    for (const field of fieldsOf(response)) {
      take(field, inbox);
    }
    await inbox.room();
  }
}

async function* requests(open: SubscribeRequest, settlements: Settlements) {
  yield rawMessage([bytesField(1, toBinary(SubscribeRequestSchema, open))]);
  for (let groups = await settlements.next(); groups !== undefined; groups = await settlements.next()) {
    yield rawMessage(groups.map((group) => ({ no: 2, wireType: WireType.LengthDelimited, data: group.encode() })));
  }
}

function take(field: Field, inbox: Inbox): void {
  switch (field.no) {
    case 1:
      inbox.delivered(readerOf(field));
      break;
    case 2:
      inbox.opened(resumeToken(readerOf(field)));
      break;
    case 4: {
      const { id, statuses } = readStatuses(readerOf(field));
      inbox.settled(id, statuses);
      break;
    }
  }
}

function resumeToken(opened: Reader): Uint8Array {
  let token = new Uint8Array(0);
  while (opened.next()) {
    if (opened.field === 7) {
      token = opened.bytes().slice();
    } else {
      opened.skip();
    }
  }
  return token;
}
