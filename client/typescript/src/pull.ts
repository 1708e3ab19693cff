import { create } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import { within } from "./async.js";
import { settleByCalls } from "./consume/calls.js";
import { Pending } from "./consume/pending.js";
import { Delivery } from "./delivery.js";
import { toFerryError, unavailable } from "./errors.js";
import type { PullRequest } from "./gen/ferrymq/v1/messaging_service_pb.js";
import { MessagingService, PullRequestSchema } from "./gen/ferrymq/v1/messaging_service_pb.js";
import { persist } from "./reconnect.js";
import type { Settings } from "./settings.js";
import type { Settled, SettleOptions } from "./settle.js";
import { wireDuration } from "./wire/duration.js";
import { readDelivery, WireDelivery } from "./wire/message.js";
import type { Field } from "./wire/raw.js";
import { fieldsOf, readerOf } from "./wire/raw.js";
import { readDurationMs } from "./wire/status.js";

/** What to take. */
export type PullOptions = (
  | {
      /** A queue. */
      queue: string;
    }
  | {
      /** A topic. */
      topic: string;
      /** Its group. */
      group: string;
      /** Make the group if it is not there. Default false. */
      create?: boolean;
    }
) & {
  /** Most messages. 1 to 10,000, default 1. */
  max?: number;
  /** Together at most so many bytes, but always one message. Default 1 MiB. */
  maxBytes?: number;
  /** How long to wait for the first one. 0 to 300,000, default 10,000. */
  waitMs?: number;
  /** How long a lease is. Default: the queue's. It is prolonged until the delivery is settled. */
  leaseMs?: number;
  /** Settled before it is sent. Default false. */
  atMostOnce?: boolean;
};

/** How long the broker waits if it is not told. */
const WAIT_MS = 10_000;
const PULL = { ...MessagingService.method.pull, output: EmptySchema };

/** Takes deliveries by calls, and holds their leases until they are settled. */
export class Puller {
  readonly #transport: Transport;
  readonly #settings: Settings;
  readonly #pending = new Pending();
  readonly #held = new Set<Delivery>();
  readonly #timers = new Set<ReturnType<typeof setInterval>>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(transport: Transport, settings: Settings) {
    this.#transport = transport;
    this.#settings = settings;
  }

  /** One pull. */
  async pull(options: PullOptions): Promise<Delivery[]> {
    if (this.#stop.signal.aborted) {
      throw unavailable("the client is closed");
    }
    const timeoutMs = (options.waitMs ?? WAIT_MS) + this.#settings.callTimeoutMs;
    let fields: Field[];
    try {
      const answer = await this.#transport.unary(PULL, undefined, timeoutMs, undefined, requestOf(options));
      fields = fieldsOf(answer.message);
    } catch (thrown) {
      throw toFerryError(thrown);
    }
    return this.#take(fields);
  }

  /** Settles a delivery of a pull. Called by `Delivery`. */
  settle(delivery: Delivery, options: SettleOptions): Settled {
    this.#running ??= this.#run();
    if (options.action !== "extend") {
      this.#held.delete(delivery);
    }
    return this.#pending.add(delivery, options);
  }

  /** Gives back what is not settled, without a failure, and waits for the broker's answers. */
  async close(): Promise<void> {
    for (const timer of this.#timers) {
      clearInterval(timer);
    }
    this.#timers.clear();
    this.#pending.release([...this.#held]);
    if (!this.#pending.isEmpty) {
      this.#running ??= this.#run();
    }
    this.#pending.close();
    await within(this.#running ?? Promise.resolve(), this.#settings.callTimeoutMs);
    this.#stop.abort();
    this.#pending.end(unavailable("the client is closed"));
  }

  #take(fields: Field[]): Delivery[] {
    const deliveries: Delivery[] = [];
    let leaseMs = 0;
    for (const field of fields) {
      if (field.no === 1) {
        const wire = new WireDelivery();
        readDelivery(readerOf(field), wire);
        deliveries.push(new Delivery(wire, this));
      } else if (field.no === 3) {
        leaseMs = readDurationMs(readerOf(field));
      }
    }
    const toSettle = deliveries.filter((delivery) => delivery.ackId.length > 0);
    if (toSettle.length > 0 && leaseMs > 0) {
      this.#hold(toSettle, leaseMs);
    }
    return deliveries;
  }

  /** Prolongs these at half of their lease, until all of them are settled. */
  #hold(deliveries: Delivery[], leaseMs: number): void {
    for (const delivery of deliveries) {
      this.#held.add(delivery);
    }
    const timer = setInterval(() => {
      const held = deliveries.filter((delivery) => this.#held.has(delivery));
      if (held.length === 0) {
        clearInterval(timer);
        this.#timers.delete(timer);
      }
      for (const delivery of held) {
        delivery.extend(leaseMs);
      }
    }, leaseMs / 2);
    (timer as { unref?: () => void }).unref?.();
    this.#timers.add(timer);
  }

  async #run(): Promise<void> {
    await persist({
      backoff: this.#settings.reconnectBackoff,
      signal: this.#stop.signal,
      attempt: (answered) => this.#settleAll(answered),
      again: (error) => {
        this.#settings.log(`settlements of a pull: ${error.message}`);
        return true;
      },
    }).catch(() => {});
  }

  async #settleAll(answered: () => void): Promise<void> {
    const settled: Parameters<typeof settleByCalls>[3]["settled"] = (id, outcome) => {
      answered();
      this.#pending.settled(id, outcome);
    };
    try {
      await settleByCalls(this.#transport, this.#settings.callTimeoutMs, this.#pending.connect(), { settled });
    } finally {
      this.#pending.disconnect();
    }
  }
}

function requestOf(options: PullOptions): PullRequest {
  const request = create(PullRequestSchema, {
    maxMessages: options.max ?? 1,
    maxBytes: options.maxBytes ?? 0,
    wait: wireDuration(options.waitMs ?? WAIT_MS),
    atMostOnce: options.atMostOnce ?? false,
  });
  if ("queue" in options) {
    request.source = { case: "queue", value: options.queue };
  } else {
    request.source = { case: "topic", value: options.topic };
    request.group = options.group;
    request.createIfMissing = options.create ?? false;
  }
  if (options.leaseMs !== undefined) {
    request.lease = wireDuration(options.leaseMs);
  }
  return request;
}
