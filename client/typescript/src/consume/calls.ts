/** How deliveries come and settlements go where requests cannot be streamed: on a stream, and by calls. */

import { create, fromBinary } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import { deferred, unlessAborted } from "../async.js";
import type { FerryError } from "../errors.js";
import { isTransient, makeError, toFerryError } from "../errors.js";
import type { SubscribeRequest } from "../gen/ferrymq/v1/messaging_service_pb.js";
import { ConsumeRequestSchema, MessagingService } from "../gen/ferrymq/v1/messaging_service_pb.js";
import type { SettleGroup, SettleStatusName } from "../settle.js";
import { statusesOf } from "../settle.js";
import { wireDuration } from "../wire/duration.js";
import { fieldsOf } from "../wire/raw.js";
import type { ConsumeLink, Inbox, Settlements } from "./links.js";
import { takeAll, timeOf } from "./links.js";

const { subscribe, consume, ack, nack, extendLease } = MessagingService.method;
const SUBSCRIBE = { ...subscribe, output: EmptySchema };
/** A stream of one request is none. */
const CONSUME_ONCE = { ...consume, methodKind: "server_streaming" as const, output: EmptySchema };

/**
 * `Subscribe`, with `Ack`, `Nack` and `ExtendLease` beside it: for browsers. Cutting it off would not tell what never came from what failed,
 * so it is ended by a `Consume` of one request, which takes the consumer over and gives back all that it holds.
 */
export function callLink(transport: Transport, timeoutMs: number): ConsumeLink {
  const run: ConsumeLink["run"] = async (open, settlements, inbox, signal) => {
    const settling = settleByCalls(transport, timeoutMs, settlements, inbox);
    settling.catch(() => {});
    // One that is to end anyway is not opened again.
    const stream = settlements.closing.aborted ? undefined : new Deliveries(transport, open, inbox, signal);
    try {
      await (stream === undefined ? settling : Promise.race([settling, stream.ended]));
      if (settlements.closing.aborted && isKept(open)) {
        const token = stream === undefined ? open.resumeToken : await stream.opened();
        await giveBack(transport, timeoutMs, { ...open, resumeToken: token }, signal);
      }
    } finally {
      await stream?.cutOff();
    }
  };
  return { run, time: (signal) => timeOf(transport, timeoutMs, signal) };
}

/** Whether the broker keeps what a stream holds when it breaks: not a broadcast's, nor what was settled before it was sent. */
function isKept(open: SubscribeRequest): boolean {
  return open.resumeWithin !== undefined && !open.atMostOnce;
}

/** A stream of deliveries. */
class Deliveries {
  /** Ends with it. */
  readonly ended: Promise<void>;
  readonly #token = deferred<Uint8Array>();
  readonly #stop = new AbortController();

  constructor(transport: Transport, open: SubscribeRequest, inbox: Inbox, signal: AbortSignal) {
    const abort = () => this.#stop.abort();
    signal.addEventListener("abort", abort);
    if (signal.aborted) {
      abort();
    }
    const opened = (token: Uint8Array) => {
      inbox.opened(token);
      this.#token.resolve(token);
    };
    const reading = read(transport, resumable(open), { ...inbox, opened }, this.#stop.signal);
    // A fetch that is aborted does not always say so to who reads it.
    const ended = unlessAborted(reading, this.#stop.signal, () => makeError(1, "the stream was cut off", {}));
    this.ended = ended.finally(() => signal.removeEventListener("abort", abort));
    this.ended.catch(() => {});
  }

  /** Its resume token, once it is open: the broker may have begun to send before that is known here. */
  async opened(): Promise<Uint8Array> {
    const never = this.ended.then(() => {
      throw makeError(14, "the stream ended before it was open", {});
    });
    return Promise.race([this.#token.promise, never]);
  }

  /** Cuts it off. */
  async cutOff(): Promise<void> {
    this.#stop.abort();
    await this.ended.catch(() => {});
  }
}

async function read(transport: Transport, open: SubscribeRequest, inbox: Inbox, signal: AbortSignal): Promise<void> {
  const answer = await transport.stream(SUBSCRIBE, signal, 0, undefined, only(open));
  await takeAll(answer.message, inbox);
}

/** A stream that is not kept at all has no token to be ended with. */
function resumable(open: SubscribeRequest): SubscribeRequest {
  const { resumeWithin: within } = open;
  const isTooShort = within !== undefined && within.seconds === 0n && within.nanos < 1_000_000;
  return isTooShort ? { ...open, resumeWithin: wireDuration(1) } : open;
}

/** Takes a consumer over and ends it, with nothing held: all goes back, without a failure. */
async function giveBack(
  transport: Transport,
  timeoutMs: number,
  open: SubscribeRequest,
  signal: AbortSignal,
): Promise<void> {
  if (open.resumeToken.length === 0) {
    return;
  }
  // Should the broker know the consumer no more, the one that it makes is as small as can be.
  const smallest = { prefetch: 1, prefetchBytes: 1n, heldAckIds: [], createIfMissing: false };
  const request = create(ConsumeRequestSchema, { open: { ...open, ...smallest }, drain: true });
  const answer = await transport.stream(CONSUME_ONCE, signal, timeoutMs, undefined, only(request));
  for await (const _ of answer.message) {
    // Nothing that comes matters any more, but its end.
  }
}

async function* only<T>(request: T) {
  yield request;
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
