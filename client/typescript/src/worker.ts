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
  readonly #concurrency: number;
  readonly #drainTimeoutMs: number;
  readonly #stopping = deferred<"stop">();
  #handling = new Set<Promise<void>>();
  #isStopping = false;

  /** Made by `Client.worker`. */
  constructor(subscriber: Subscriber, options: WorkerOptions, handler: Handler, client: Settings) {
    this.#subscriber = subscriber;
    this.#handler = handler;
    this.#client = client;
    this.#concurrency = concurrencyOf(options);
    this.#drainTimeoutMs = options.drainTimeoutMs ?? 30_000;
    this.done = this.#run();
    // Who does not ask how it ended is not brought down by it.
    this.done.catch(() => {});
  }

  /** Begins nothing new, gives handlers their time to end, and releases the rest. Waits for that. Throws as `done` does. */
  stop(): Promise<void> {
    this.#isStopping = true;
    this.#stopping.resolve("stop");
    return this.done;
  }

  async #run(): Promise<void> {
    try {
      await this.#work();
    } finally {
      await within(Promise.all(this.#handling), this.#drainTimeoutMs);
      await this.#subscriber.close();
    }
  }

  async #work(): Promise<void> {
    while (!this.#isStopping) {
      if (this.#handling.size >= this.#concurrency) {
        await Promise.race([this.#stopping.promise, ...this.#handling]);
        continue;
      }
      const next = await Promise.race([this.#stopping.promise, this.#subscriber.next()]);
      if (next === "stop" || next.done === true) {
        return;
      }
      this.#begin(next.value);
    }
  }

  #begin(delivery: Delivery): void {
    const handling = this.#handle(delivery).finally(() => this.#handling.delete(handling));
    this.#handling.add(handling);
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
