import type { Message, Position } from "./message.js";
import type { Settled, SettleOptions } from "./settle.js";
import type { DeadLetter, WireDelivery } from "./wire/message.js";

export type { DeadLetter };

/** What takes settlements: the stream that a delivery came on, or calls. */
export interface Settler {
  /** Ends a delivery, or prolongs it. */
  settle(delivery: Delivery, action: SettleOptions): Settled;
}

/** Shared: it is done with each of very many. */
const ACK: SettleOptions = { action: "ack" };

/**
 * One handing-over of a message. `ack`, `retry`, `release` and `reject` end it; the first of them counts, and what a later one gets is
 * the first one's status. Each can be awaited for its status and need not be. Where nothing is to be settled (a broadcast) they do
 * nothing.
 */
export class Delivery {
  /** The message. */
  readonly message: Message;
  /** 1 for the first delivery; above 1 it may have been delivered before. */
  readonly attempt: number;
  /** Where it stands in the log: the message's identity. */
  readonly position: Position;
  /** The topic it was published to. Empty if it was sent straight to the queue. */
  readonly topic: string;
  /** Set only on messages in a dead-letter queue: where it came from and why. */
  readonly deadLetter: DeadLetter | undefined;
  /** Identifies the delivery to the broker. Empty where there is nothing to settle. */
  readonly ackId: Uint8Array;
  readonly #publishTimeMs: number;
  readonly #settler: Settler;
  #settled: Settled | undefined;

  /** Made by a subscriber or a pull. */
  constructor(from: WireDelivery, settler: Settler) {
    this.message = from.message;
    this.attempt = from.attempt;
    this.position = from.position;
    this.topic = from.topic;
    this.#publishTimeMs = from.publishTimeMs;
    this.deadLetter = from.deadLetter;
    this.ackId = from.ackId;
    this.#settler = settler;
  }

  /** When the broker took it. */
  get publishTime(): Date {
    return new Date(this.#publishTimeMs);
  }

  /** The message's payload read as JSON. Throws a SyntaxError if it is none. */
  json<T = unknown>(): T {
    return this.message.json<T>();
  }

  /** True once it was acked, given back or given up. */
  get isSettled(): boolean {
    return this.#settled !== undefined;
  }

  /** Done. */
  ack(): Settled {
    return this.#end(ACK);
  }

  /** Failed: it comes again after `delayMs`, or else the queue's backoff, until it has failed too often. */
  retry(options: { delayMs?: number; reason?: string } = {}): Settled {
    return this.#end({ action: "retry", ...options });
  }

  /** Not tried: it comes again, after `delayMs` or at once, and no failure is counted. */
  release(options: { delayMs?: number } = {}): Settled {
    return this.#end({ action: "release", ...options });
  }

  /** Will never work: it goes to the dead letters. */
  reject(reason = ""): Settled {
    return this.#end({ action: "reject", reason });
  }

  /** Keeps it for `leaseMs` from now, or else the queue's lease. Only needed after a pull of long work: streams hold their leases. */
  extend(leaseMs?: number): Settled {
    return this.#settler.settle(this, { action: "extend", leaseMs });
  }

  #end(action: SettleOptions): Settled {
    this.#settled ??= this.#settler.settle(this, action);
    return this.#settled;
  }
}
