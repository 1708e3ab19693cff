import { deferred, within } from "./async.js";
import type { Source, SubscriberOptions } from "./consume/source.js";
import type { Delivery } from "./delivery.js";
import type { Settings } from "./settings.js";
import type { Subscriber } from "./subscriber.js";
import { inTrace } from "./trace.js";

/** Thrown by a handler: this message will never work. It goes to the dead letters with this reason, and is not tried again. */
export class Reject extends Error {
  override name = "Reject";
}

/** What is done with one delivery. Returned: acked. Thrown: tried again, with the error's text as the reason; `Reject`: given up. */
export type Handler = (delivery: Delivery) => unknown;

/** What a worker works on. */
export type WorkerOptions = Source &
  SubscriberOptions & {
    /** Handlers at a time. Default 8. Its prefetch is twice as many unless `prefetch` says otherwise. */
    concurrency?: number;
    /** How long handlers may take to end once it stops. Default 30,000. */
    drainTimeoutMs?: number;
  };

/**
 * Runs a handler for each delivery, so many at a time. Made by `Client.worker`, and begins at once. A handler that settles its delivery
 * itself is left alone.
 */
export class Worker {
  /** Ends with the worker: after `stop`, or with the error that ended its subscriber. */
  readonly done: Promise<void>;
  readonly #subscriber: Subscriber;
  readonly #handler: Handler;
  readonly #client: Settings;
  readonly #drainTimeoutMs: number;
  readonly #stopping = deferred<void>();

  /** Made by `Client.worker`. */
  constructor(subscriber: Subscriber, options: WorkerOptions, handler: Handler, client: Settings) {
    this.#subscriber = subscriber;
    this.#handler = handler;
    this.#client = client;
    this.#drainTimeoutMs = options.drainTimeoutMs ?? 30_000;
    this.done = this.#run(concurrencyOf(options));
    // Who does not ask how it ended is not brought down by it.
    this.done.catch(() => {});
  }

  /** Begins nothing new, gives handlers their time to end, and releases the rest. Waits for that. Throws as `done` does. */
  stop(): Promise<void> {
    this.#subscriber.stopTaking();
    this.#stopping.resolve();
    return this.done;
  }

  async #run(concurrency: number): Promise<void> {
    const lanes = Array.from({ length: concurrency }, () => this.#lane());
    try {
      await Promise.race([Promise.all(lanes), this.#stopping.promise]);
    } finally {
      await within(Promise.allSettled(lanes), this.#drainTimeoutMs);
      await this.#subscriber.close();
    }
  }

  /** Takes one delivery after the other, until there are no more. */
  async #lane(): Promise<void> {
    for (let next = await this.#subscriber.next(); next.done !== true; next = await this.#subscriber.next()) {
      await this.#handle(next.value);
    }
  }

  async #handle(delivery: Delivery): Promise<void> {
    try {
      await inTrace(this.#client.opentelemetry, delivery.message.attributes, () => this.#handler(delivery));
      this.#settle(delivery, () => delivery.ack());
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      this.#settle(delivery, () => (thrown instanceof Reject ? delivery.reject(reason) : delivery.retry({ reason })));
    }
  }

  #settle(delivery: Delivery, settle: () => unknown): void {
    if (!delivery.isSettled) {
      settle();
    }
  }
}

/** Handlers at a time, and with it the prefetch. */
export function concurrencyOf(options: WorkerOptions): number {
  return Math.max(1, options.concurrency ?? 8);
}
