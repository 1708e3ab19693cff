/** How deliveries come and settlements go: on one stream where both sides can stream, else on a stream and by calls. */

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import type { Empty, Timestamp } from "@bufbuild/protobuf/wkt";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import { unlessAborted } from "../async.js";
import type { FerryError } from "../errors.js";
import { isTransient, makeError, toFerryError } from "../errors.js";
import type { SubscribeRequest } from "../gen/ferrymq/v1/messaging_service_pb.js";
import { MessagingService, SubscribeRequestSchema } from "../gen/ferrymq/v1/messaging_service_pb.js";
import type { SettleGroup, SettleStatusName } from "../settle.js";
import { readStatuses, statusesOf } from "../settle.js";
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
  /** Carries deliveries and settlements until the stream ends: in order if it returns, else it throws. */
  run(open: SubscribeRequest, settlements: Settlements, inbox: Inbox, signal: AbortSignal): Promise<void>;
  /** True if what is held when it ends in order goes back without a failure; else it has to be released before. */
  givesBack: boolean;
  /** What the broker's clock says. */
  time(signal: AbortSignal): Promise<Timestamp>;
}

const { subscribe, consume, ack, nack, extendLease, getServerInfo } = MessagingService.method;
const CONSUME = rawMethod(consume);
const SUBSCRIBE = { ...subscribe, output: EmptySchema };

/** `Consume`: one stream for both. */
export function streamLink(transport: Transport, timeoutMs: number): ConsumeLink {
  const run: ConsumeLink["run"] = async (open, settlements, inbox, signal) => {
    const answer = await transport.stream(CONSUME, signal, 0, undefined, requests(open, settlements));
    await takeAll(answer.message, inbox);
  };
  return { run, givesBack: true, time: (signal) => timeOf(transport, timeoutMs, signal) };
}

async function timeOf(transport: Transport, timeoutMs: number, signal: AbortSignal): Promise<Timestamp> {
  const answer = await transport.unary(getServerInfo, signal, timeoutMs, undefined, {});
  const { time } = answer.message;
  if (time === undefined) {
    throw makeError(13, "the broker does not say what its clock says", {});
  }
  return time;
}

async function takeAll(responses: AsyncIterable<Empty>, inbox: Inbox): Promise<void> {
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

/** `Subscribe`, with `Ack`, `Nack` and `ExtendLease` beside it: for browsers, which cannot stream requests. */
export function callLink(transport: Transport, timeoutMs: number): ConsumeLink {
  const run: ConsumeLink["run"] = async (open, settlements, inbox, signal) => {
    const stop = new AbortController();
    const abort = () => stop.abort();
    for (const ending of [signal, settlements.closing]) {
      ending.addEventListener("abort", abort);
      if (ending.aborted) {
        abort();
      }
    }
    const settling = settleByCalls(transport, timeoutMs, settlements, inbox);
    // A fetch that is aborted does not always say so to who reads it.
    const cutOff = () => makeError(1, "the stream was cut off", {});
    const reading = unlessAborted(deliver(transport, open, inbox, stop.signal), stop.signal, cutOff);
    const delivering = reading.catch((error) => {
      // The stream ends first, so that what is given back does not come on it again; then the rest is settled.
      if (!settlements.closing.aborted) {
        throw error;
      }
      return settling;
    });
    try {
      await Promise.race([delivering, settling]);
    } finally {
      signal.removeEventListener("abort", abort);
      settlements.closing.removeEventListener("abort", abort);
      abort();
      settling.catch(() => {});
      await delivering.catch(() => {});
    }
  };
  return { run, givesBack: false, time: (signal) => timeOf(transport, timeoutMs, signal) };
}

async function deliver(transport: Transport, open: SubscribeRequest, inbox: Inbox, signal: AbortSignal): Promise<void> {
  const answer = await transport.stream(SUBSCRIBE, signal, 0, undefined, only(open));
  await takeAll(answer.message, inbox);
}

async function* only(open: SubscribeRequest) {
  yield open;
}

/** Settles what there is until there is no more. Throws where what was not answered is to be tried again. */
export async function settleByCalls(
  transport: Transport,
  timeoutMs: number,
  settlements: Settlements,
  inbox: Pick<Inbox, "settled">,
): Promise<void> {
  for (let groups = await settlements.next(); groups !== undefined; groups = await settlements.next()) {
    await Promise.all(
      groups.map(async (group) => inbox.settled(group.id, await settleByCall(transport, timeoutMs, group))),
    );
  }
}

async function settleByCall(
  transport: Transport,
  timeoutMs: number,
  group: SettleGroup,
): Promise<SettleStatusName[] | FerryError> {
  try {
    const request = fromBinary(EmptySchema, group.encodeRequest());
    const answer = await transport.unary(methodOf(group), undefined, timeoutMs, undefined, request);
    return statusesOf(fieldsOf(answer.message));
  } catch (thrown) {
    const error = toFerryError(thrown);
    if (isTransient(error)) {
      throw error;
    }
    return error;
  }
}

function methodOf(group: SettleGroup) {
  const { action } = group.options;
  const method = action === "ack" ? ack : action === "extend" ? extendLease : nack;
  return { ...method, input: EmptySchema, output: EmptySchema };
}
