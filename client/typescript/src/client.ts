import type { Transport } from "@connectrpc/connect";
import type { Admin } from "./admin.js";
import { adminOf } from "./admin.js";
import type { ConsumeLink } from "./consume/links.js";
import type { Point, SubscribeOptions } from "./consume/source.js";
import type { Delivery } from "./delivery.js";
import { unavailable } from "./errors.js";
import type { MessageInit, PublishResult } from "./message.js";
import type { PublishLink } from "./publish/links.js";
import type { PublishOnceOptions } from "./publish/once.js";
import { publishOnce } from "./publish/once.js";
import type { DestinationLike } from "./publish/request.js";
import { Publisher } from "./publisher.js";
import type { PullOptions } from "./pull.js";
import { Puller } from "./pull.js";
import type { PublisherOptions, Settings } from "./settings.js";
import { Subscriber } from "./subscriber.js";
import type { Handler, WorkerOptions } from "./worker.js";
import { concurrencyOf, Worker } from "./worker.js";

/** What differs between Node.js and browsers. */
export interface Platform {
  /** Carries calls. */
  transport: Transport;
  /** Carries batches. */
  publishLink: PublishLink;
  /** Carries deliveries and settlements. */
  consumeLink: ConsumeLink;
  /** Ends the connection. */
  close(): Promise<void>;
}

/** A broker. Made by `connect`; the first call connects. One for a program is enough. */
export class Client {
  /** Topics, queues, bindings, snapshots, stats and repair: one call each. */
  readonly admin: Admin;
  readonly #platform: Platform;
  readonly #settings: Settings;
  readonly #puller: Puller;
  readonly #open = new Set<{ close(): Promise<void> }>();
  #closing: Promise<void> | undefined;

  /** Made by `connect`. */
  constructor(platform: Platform, settings: Settings) {
    this.#platform = platform;
    this.#settings = settings;
    this.#puller = new Puller(platform.transport, settings);
    this.admin = adminOf(platform.transport, settings.callTimeoutMs);
  }

  /** A publish stream to a topic (its name) or a queue. Throws a TypeError for settings that make no sense. */
  publisher(to: DestinationLike, options: PublisherOptions = {}): Publisher {
    this.#mustBeOpen();
    const publisher: Publisher = new Publisher(to, options, this.#platform.publishLink, this.#settings, () =>
      this.#open.delete(publisher),
    );
    this.#open.add(publisher);
    return publisher;
  }

  /**
   * Publishes one message, or several as one batch that is stored whole or not at all, and waits until it is on disk. For programs that
   * publish now and then; else a publisher is much faster.
   */
  publish(to: DestinationLike, message: MessageInit, options?: PublishOnceOptions): Promise<PublishResult>;
  publish(to: DestinationLike, messages: MessageInit[], options?: PublishOnceOptions): Promise<PublishResult[]>;
  async publish(
    to: DestinationLike,
    messages: MessageInit | MessageInit[],
    options: PublishOnceOptions = {},
  ): Promise<PublishResult | PublishResult[]> {
    const batch = Array.isArray(messages) ? messages : [messages];
    const results = await publishOnce(this.#platform.transport, this.#settings, to, batch, options);
    return Array.isArray(messages) ? results : (results[0] as PublishResult);
  }

  /** A stream of deliveries: of a queue, of a group of a topic, or of a topic alone. */
  subscribe(options: SubscribeOptions): Subscriber {
    this.#mustBeOpen();
    const subscriber: Subscriber = new Subscriber(options, this.#platform.consumeLink, this.#settings, () =>
      this.#open.delete(subscriber),
    );
    this.#open.add(subscriber);
    return subscriber;
  }

  /** Runs `handler` for each delivery, so many at a time, until it is stopped or the client closed. */
  worker(options: WorkerOptions, handler: Handler): Worker {
    const prefetch = 2 * concurrencyOf(options);
    const subscriber = this.subscribe({ prefetch, ...options });
    const worker = new Worker(subscriber, options, handler, this.#settings);
    const entry = { close: () => worker.stop() };
    // Its subscriber is closed by it, behind its handlers.
    this.#open.delete(subscriber);
    this.#open.add(entry);
    const forget = () => this.#open.delete(entry);
    worker.done.then(forget, forget);
    return worker;
  }

  /** A topic from `start` (default "earliest"), to `stop` if that is given. Nothing is settled. */
  read(topic: string, options: { start?: Point; stop?: Point; pattern?: string; filter?: string } = {}): Subscriber {
    return this.subscribe({ topic, start: "earliest", ...options });
  }

  /** Takes some deliveries once; none is no error. Their leases are prolonged until they are settled or the client is closed. */
  pull(options: PullOptions): Promise<Delivery[]> {
    return this.#puller.pull(options);
  }

  /** Ends everything made by it, in order: publishers are flushed, workers drained, subscribers closed. Throws what one of these throws. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const ends = await Promise.allSettled([...this.#open].map((open) => open.close()));
    await this.#puller.close();
    await this.#platform.close();
    for (const end of ends) {
      if (end.status === "rejected") {
        throw end.reason;
      }
    }
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) {
      throw unavailable("the client is closed");
    }
  }
}
