import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Deferred } from "./async.js";
import { deferred, Signal, within } from "./async.js";
import type { ConsumeLink, Inbox } from "./consume/links.js";
import { Pending } from "./consume/pending.js";
import type { SubscribeOptions } from "./consume/source.js";
import { fixLatest, hasLatest, isBroadcast, logPoint, sourceName, subscribeRequest } from "./consume/source.js";
import { Delivery } from "./delivery.js";
import type { FerryError } from "./errors.js";
import { toFerryError, unavailable } from "./errors.js";
import type { SubscribeRequest } from "./gen/ferrymq/v1/messaging_service_pb.js";
import { persist } from "./reconnect.js";
import type { Settings } from "./settings.js";
import type { Settled, SettleOptions } from "./settle.js";
import { readDelivery, WireDelivery } from "./wire/message.js";
import type { Reader } from "./wire/reader.js";

/** Deliveries of a broadcast that wait for the program; above, nothing more is read. Elsewhere the prefetch is the limit. */
const BROADCAST_WAITING_MAX = 64;

/**
 * A stream of deliveries: `for await (const delivery of subscriber)`. It goes on by itself when its connection breaks, with what it
 * holds; it throws only what trying again cannot help. Leaving the loop closes it. Made by `Client.subscribe`.
 */
export class Subscriber implements AsyncIterableIterator<Delivery> {
  /** Resolves once the broker has opened it for the first time: what is published from then on comes. Rejects with what ends it before. */
  readonly opened: Promise<void>;
  readonly #open = deferred<void>();
  readonly #client: Settings;
  readonly #link: ConsumeLink;
  readonly #name: string;
  readonly #request: SubscribeRequest;
  readonly #isBroadcast: boolean;
  readonly #onClose: () => void;
  readonly #stop = new AbortController();
  readonly #pending = new Pending();
  /** Delivered and not settled: what is kept over a break of the connection. */
  #held = new Set<Delivery>();
  /** Of these, what the program has not taken yet. */
  #waiting: Delivery[] = [];
  #taken = 0;
  #takers: Deferred<IteratorResult<Delivery, undefined>>[] = [];
  #isDrained = new Signal();
  #ended: { error: FerryError | undefined } | undefined;
  /** While it is opened, and while it is open. */
  #isTrying = false;
  #isConnected = false;
  /** Once it has been open. */
  #isOpened = false;
  /** The broker's time just before a broadcast was opened. */
  #since: Timestamp | undefined;
  /** False once nothing more is handed out. */
  #handsOut = true;
  #closing: Promise<void> | undefined;
  readonly #running: Promise<void>;

  /** Made by `Client.subscribe`. */
  constructor(options: SubscribeOptions, link: ConsumeLink, client: Settings, onClose: () => void) {
    this.#client = client;
    this.#link = link;
    this.#name = sourceName(options);
    this.#request = subscribeRequest(options, client.maxResponseBytes);
    this.#isBroadcast = isBroadcast(options);
    this.#onClose = onClose;
    this.opened = this.#open.promise;
    this.#running = this.#run();
  }

  /** The subscriber itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next delivery; done once the subscriber has been closed, or a bounded broadcast has reached its end. */
  next(): Promise<IteratorResult<Delivery, undefined>> {
    if (!this.#handsOut) {
      return this.#end(undefined);
    }
    const delivery = this.#take();
    if (delivery !== undefined) {
      return Promise.resolve({ value: delivery, done: false });
    }
    if (this.#ended !== undefined) {
      return this.#end(this.#ended.error);
    }
    const taker = deferred<IteratorResult<Delivery, undefined>>();
    this.#takers.push(taker);
    return taker.promise;
  }

  /** Hands out nothing more: `next` is done, while what was handed out can still be settled. `close` ends it. */
  stopTaking(): void {
    this.#handsOut = false;
    this.#finishTakers(undefined);
  }

  /** Closes it: what a `for await` does when it is left. */
  async return(): Promise<IteratorResult<Delivery, undefined>> {
    await this.close();
    return { value: undefined, done: true };
  }

  /**
   * Ends it: settlements are answered, nothing more comes, and what was not settled goes back without a failure. Settling it later fails.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.stopTaking();
    this.#waiting = [];
    this.#taken = 0;
    this.#pending.close();
    this.#isDrained.wake();
    // A stream that is being opened, too: the broker may have begun to send.
    const isUp = this.#isConnected || (this.#isTrying && !this.#isBroadcast);
    const hasWork = this.#held.size > 0 || !this.#pending.isEmpty;
    if (!(isUp || hasWork) || !(await within(this.#running, this.#client.callTimeoutMs))) {
      this.#stop.abort();
    }
    await this.#running;
  }

  async #run(): Promise<void> {
    let error: FerryError | undefined;
    // The constructor's caller has it before anything happens.
    await Promise.resolve();
    try {
      await persist({
        backoff: this.#client.reconnectBackoff,
        signal: this.#stop.signal,
        attempt: (answered) => this.#stream(answered),
        again: (failure, waitMs) => this.#reconnect(failure, waitMs),
      });
    } catch (thrown) {
      error = toFerryError(thrown);
    }
    this.#ended = { error: this.#closing === undefined ? error : undefined };
    this.#pending.end(error ?? unavailable("the subscriber is closed"));
    this.#finishTakers(this.#ended.error);
    this.#open.reject(error ?? unavailable("the subscriber is closed"));
    this.#held.clear();
    this.#onClose();
  }

  async #stream(answered: () => void): Promise<void> {
    const inbox: Inbox = {
      opened: (token) => {
        this.#isConnected = true;
        answered();
        this.#opened(token);
      },
      delivered: (delivery) => this.#delivered(delivery),
      room: () => this.#room(),
      settled: (id, outcome) => this.#settled(id, outcome),
    };
    this.#isTrying = true;
    const settlements = this.#pending.connect();
    try {
      await this.#fixLatest();
      this.#request.heldAckIds = [...this.#held].map((delivery) => delivery.ackId);
      await this.#link.run(this.#request, settlements, inbox, this.#stop.signal);
    } catch (thrown) {
      throw this.#orTrimmed(toFerryError(thrown));
    } finally {
      this.#isTrying = false;
      this.#isConnected = false;
      this.#pending.disconnect();
    }
    if (!this.#isBroadcast && this.#closing === undefined) {
      throw unavailable("the broker ended the stream");
    }
  }

  /** What "latest" means is fixed when a broadcast is opened for the first time. */
  async #fixLatest(): Promise<void> {
    if (!this.#isBroadcast || !hasLatest(this.#request)) {
      return;
    }
    if (this.#isOpened && this.#since !== undefined) {
      fixLatest(this.#request, this.#since);
    } else {
      this.#since = await this.#link.time(this.#stop.signal);
    }
  }

  /** A broadcast whose next message retention has removed meanwhile goes on with the first that is kept. */
  #orTrimmed(error: FerryError): FerryError {
    if (error.reason !== "POSITION_TRIMMED" || !this.#isBroadcast || this.#request.start?.at.case !== "position") {
      return error;
    }
    this.#request.start = logPoint("earliest");
    return unavailable(error.message, error);
  }

  #reconnect(error: FerryError, waitMs: number): boolean {
    if (this.#closing === undefined) {
      this.#client.log(`subscriber of ${this.#name}: ${error.message}; again in ${Math.round(waitMs)} ms`);
      return true;
    }
    // What was never open holds nothing that could be given back.
    return this.#isOpened && !this.#isBroadcast;
  }

  #opened(token: Uint8Array): void {
    const before = this.#request.resumeToken;
    if (before.length > 0 && !isSame(before, token)) {
      // A new consumer: what the old one held comes again, to whoever is there. Late acks of it still count.
      this.#waiting = [];
      this.#taken = 0;
      this.#held.clear();
    }
    this.#request.resumeToken = token;
    this.#isOpened = true;
    this.#open.resolve();
  }

  #delivered(reader: Reader): void {
    if (this.#closing !== undefined) {
      return;
    }
    const wire = new WireDelivery();
    readDelivery(reader, wire);
    const delivery = new Delivery(wire, this);
    if (this.#isBroadcast) {
      const { log, offset } = wire.position;
      this.#request.start = logPoint({ log, offset: offset + 1 });
    } else if (wire.ackId.length > 0) {
      this.#held.add(delivery);
    }
    const taker = this.#takers.shift();
    if (taker !== undefined) {
      taker.resolve({ value: delivery, done: false });
    } else {
      this.#waiting.push(delivery);
    }
  }

  #take(): Delivery | undefined {
    const delivery = this.#waiting[this.#taken];
    if (delivery === undefined) {
      return undefined;
    }
    this.#taken++;
    if (this.#taken === this.#waiting.length) {
      this.#waiting = [];
      this.#taken = 0;
      this.#isDrained.wake();
    }
    return delivery;
  }

  #room(): Promise<void> | undefined {
    const isFull = this.#isBroadcast && this.#waiting.length > BROADCAST_WAITING_MAX && this.#closing === undefined;
    return isFull ? this.#whenDrained() : undefined;
  }

  async #whenDrained(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#isDrained.wait();
    }
  }

  /** Settles one of its deliveries. Called by `Delivery`. */
  settle(delivery: Delivery, options: SettleOptions): Settled {
    return this.#pending.add(delivery, options);
  }

  #settled(id: number, outcome: Parameters<Inbox["settled"]>[1]): void {
    const group = this.#pending.settled(id, outcome);
    if (group === undefined || group.options.action === "extend") {
      return;
    }
    for (const delivery of group.deliveries) {
      this.#held.delete(delivery);
    }
    const lost = Array.isArray(outcome) ? outcome.filter((status) => status === "LEASE_LOST").length : 0;
    if (lost > 0) {
      this.#client.log(`subscriber of ${this.#name}: ${lost} deliveries were settled after their leases had ended`);
    }
  }

  #finishTakers(error: FerryError | undefined): void {
    for (const taker of this.#takers.splice(0)) {
      this.#end(error).then(taker.resolve, taker.reject);
    }
  }

  #end(error: FerryError | undefined): Promise<IteratorResult<Delivery, undefined>> {
    return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error);
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
