/** Settlements: what is asked of the broker for deliveries, and what it answers. */

import { create, toBinary } from "@bufbuild/protobuf";
import type { Deferred } from "./async.js";
import { deferred } from "./async.js";
import type { Delivery } from "./delivery.js";
import type { FerryError } from "./errors.js";
import type { NackRequest } from "./gen/ferrymq/v1/messaging_service_pb.js";
import {
  ExtendLeaseRequestSchema,
  NackMode,
  NackRequestSchema,
  SettleStatus,
} from "./gen/ferrymq/v1/messaging_service_pb.js";
import { wireDuration } from "./wire/duration.js";
import type { Field } from "./wire/raw.js";
import { Reader } from "./wire/reader.js";
import { Writer } from "./wire/writer.js";

/**
 * What became of a settlement. OK: done, and on disk. ALREADY_SETTLED: it was before; as good. LEASE_LOST: too late, nothing was done. GONE:
 * the queue or the message is gone. INVALID: not of this broker.
 */
export type SettleStatusName = "OK" | "ALREADY_SETTLED" | "LEASE_LOST" | "GONE" | "INVALID" | "UNSPECIFIED";

/** What to do with a delivery. */
export type SettleOptions =
  | { action: "ack" }
  | { action: "retry" | "release" | "reject"; delayMs?: number; reason?: string }
  | { action: "extend"; leaseMs: number | undefined };

/** Most ack ids in one settlement. The broker takes 10,000 unless set otherwise. */
export const GROUP_MAX = 1_000;

/** The answer to one settlement, to come: await it for its status. It throws if the broker could not be asked. */
export class Settled implements PromiseLike<SettleStatusName> {
  readonly #group: SettleGroup;
  readonly #index: number;

  /** Made by `Delivery`. */
  constructor(group: SettleGroup, index: number) {
    this.#group = group;
    this.#index = index;
  }

  /** Makes it one that can be awaited. */
  // biome-ignore lint/suspicious/noThenProperty: a promise for each of so many deliveries, most of which nobody awaits, would cost.
  then<A = SettleStatusName, B = never>(
    onStatus?: ((status: SettleStatusName) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#group.statuses.then((statuses) => statuses[this.#index] ?? "UNSPECIFIED").then(onStatus, onError);
  }
}

/** Deliveries that are settled alike, in one request. */
export class SettleGroup {
  /** Its number on the stream. */
  readonly id: number;
  /** What is done with all of them. */
  readonly options: SettleOptions;
  /** In the order of the ids. */
  readonly deliveries: Delivery[] = [];
  #answer: Deferred<SettleStatusName[]> | undefined;
  #outcome: SettleStatusName[] | FerryError | undefined;

  constructor(id: number, options: SettleOptions) {
    this.id = id;
    this.options = options;
  }

  /** Adds one; the answer to it. */
  add(delivery: Delivery): Settled {
    this.deliveries.push(delivery);
    return new Settled(this, this.deliveries.length - 1);
  }

  /** True if another delivery may join. */
  takes(options: SettleOptions): boolean {
    if (this.deliveries.length >= GROUP_MAX || options.action !== this.options.action) {
      return false;
    }
    return options.action === "ack" || (options.action === "extend" && this.#leaseMs === options.leaseMs);
  }

  get #leaseMs(): number | undefined {
    return this.options.action === "extend" ? this.options.leaseMs : undefined;
  }

  /** What became of each. */
  get statuses(): Promise<SettleStatusName[]> {
    if (this.#answer === undefined) {
      this.#answer = deferred();
      this.#tell();
    }
    return this.#answer.promise;
  }

  /** The broker has answered, or cannot. */
  end(outcome: SettleStatusName[] | FerryError): void {
    this.#outcome = outcome;
    this.#tell();
  }

  /** The encoded `Settlement`, as field 2 of a `ConsumeRequest`, length in front. */
  encode(): Uint8Array {
    const body = new Writer(this.deliveries.length * 32 + 32);
    body.tag(1, 0).varint(this.id);
    const field = this.options.action === "ack" ? 2 : this.options.action === "extend" ? 4 : 3;
    body.nested(field, () => this.#writeRequest(body));
    return new Writer(body.length + 5).varint(body.length).raw(body.finish()).finish();
  }

  /** The encoded request: an `AckRequest`, `NackRequest` or `ExtendLeaseRequest`. */
  encodeRequest(): Uint8Array {
    const writer = new Writer(this.deliveries.length * 32 + 32);
    this.#writeRequest(writer);
    return writer.finish();
  }

  #writeRequest(writer: Writer): void {
    for (const delivery of this.deliveries) {
      writer.bytes(1, delivery.ackId);
    }
    writer.raw(encodeOptions(this.options));
  }

  #tell(): void {
    if (this.#outcome instanceof Error) {
      this.#answer?.reject(this.#outcome);
    } else if (this.#outcome !== undefined) {
      this.#answer?.resolve(this.#outcome);
    }
  }
}

const NOTHING = new Uint8Array(0);
const MODES = { retry: NackMode.RETRY, release: NackMode.RELEASE, reject: NackMode.REJECT };

/** The fields of a request beside its ack ids. */
function encodeOptions(options: SettleOptions): Uint8Array {
  if (options.action === "ack") {
    return NOTHING;
  }
  if (options.action === "extend") {
    const lease = options.leaseMs === undefined ? undefined : wireDuration(options.leaseMs);
    return toBinary(ExtendLeaseRequestSchema, create(ExtendLeaseRequestSchema, lease === undefined ? {} : { lease }));
  }
  const nack: NackRequest = create(NackRequestSchema, {
    mode: MODES[options.action],
    reason: cut(options.reason ?? ""),
  });
  if (options.delayMs !== undefined) {
    nack.delay = wireDuration(options.delayMs);
  }
  return toBinary(NackRequestSchema, nack);
}

/** Most bytes of a reason. */
const REASON_BYTES_MAX = 1_024;

/** As much of a text as the broker takes: reasons are often errors' texts, which may be long. */
function cut(reason: string): string {
  const utf8 = new TextEncoder().encode(reason);
  if (utf8.length <= REASON_BYTES_MAX) {
    return reason;
  }
  let end = REASON_BYTES_MAX;
  while (((utf8[end] as number) & 0xc0) === 0x80) {
    end--;
  }
  return new TextDecoder().decode(utf8.subarray(0, end));
}

/** Reads a `SettlementResult`. */
export function readStatuses(reader: Reader): { id: number; statuses: SettleStatusName[] } {
  const result = { id: 0, statuses: [] as SettleStatusName[] };
  while (reader.next()) {
    if (reader.field === 1) {
      result.id = reader.varint();
    } else if (reader.field === 2) {
      reader.numbers((number) => result.statuses.push(statusName(number)));
    } else {
      reader.skip();
    }
  }
  return result;
}

/** The statuses of an `AckResponse`, `NackResponse` or `ExtendLeaseResponse`, of which these are the fields. */
export function statusesOf(fields: readonly Field[]): SettleStatusName[] {
  const statuses: SettleStatusName[] = [];
  for (const { no, wireType, data } of fields) {
    if (no === 1) {
      new Reader(data, 0, data.length, wireType).numbers((number) => statuses.push(statusName(number)));
    }
  }
  return statuses;
}

function statusName(status: number): SettleStatusName {
  return (SettleStatus[status] ?? "UNSPECIFIED") as SettleStatusName;
}
