import { Signal, within } from "./async.js";
import type { FerryError } from "./errors.js";
import { isTransient, toFerryError, unavailable } from "./errors.js";
import type { MessageInit } from "./message.js";
import { Batch, Confirm } from "./publish/batch.js";
import type { Outbox, PublishLink } from "./publish/links.js";
import type { DestinationLike } from "./publish/request.js";
import { destinationName, requestHead } from "./publish/request.js";
import { Room } from "./publish/room.js";
import { persist } from "./reconnect.js";
import type { PublisherOptions, PublisherSettings, Settings } from "./settings.js";
import { publisherSettingsOf } from "./settings.js";
import { traceAttributes } from "./trace.js";
import type { ConfirmedBatch } from "./wire/publish.js";
import { Writer } from "./wire/writer.js";

export { Confirm };

/** What a message takes beyond its payload, at a guess: for the room it needs before it is encoded. */
const MESSAGE_EXTRA_BYTES = 64;

/**
 * A stream of messages to one destination: they are gathered into batches, confirmed as they reach the disk, and sent again, in
 * order, when the connection breaks. Made by `Client.publisher`; one for each destination is enough.
 */
export class Publisher {
  readonly #settings: PublisherSettings;
  readonly #client: Settings;
  readonly #link: PublishLink;
  readonly #name: string;
  readonly #head: Uint8Array;
  readonly #room: Room;
  readonly #onClose: () => void;
  readonly #news = new Signal();
  readonly #stop = new AbortController();
  /** Being filled. */
  #open: Batch | undefined;
  /** Closed and neither confirmed nor failed, in order; of these, `#toSend` were not sent on this connection. */
  #unconfirmed = new Map<number, Batch>();
  #toSend: Batch[] = [];
  #lastId = 0;
  #batchBytes = 1 << 10;
  #running: Promise<void> | undefined;
  #connected = false;
  /** Counts connections, so that what an ended one still asks for is not answered. */
  #generation = 0;
  #expiry: ReturnType<typeof setTimeout> | undefined;
  #closing: Promise<void> | undefined;

  /** Made by `Client.publisher`. */
  constructor(
    to: DestinationLike,
    options: PublisherOptions,
    link: PublishLink,
    client: Settings,
    onClose: () => void,
  ) {
    this.#settings = publisherSettingsOf(options);
    this.#client = client;
    this.#link = link;
    this.#name = destinationName(to);
    this.#head = requestHead(to, this.#settings);
    this.#room = new Room(this.#settings.unconfirmedBytes);
    this.#onClose = onClose;
  }

  /**
   * Takes a message to publish, and waits only while too much is unconfirmed. The confirm is there at once; `result()` of it waits
   * until the message is on disk. Throws a TypeError for a message that cannot be encoded, and UNAVAILABLE once it is closed.
   */
  publish(message: MessageInit): Promise<Confirm> {
    const estimate = message.payload.length + MESSAGE_EXTRA_BYTES;
    const add = () => this.#add(message, estimate);
    return this.#room.take(estimate) ? attempt(add) : this.#room.wait(estimate, add);
  }

  /** Waits until all that was published before is confirmed, or has failed; then throws the first failure, if there was one. */
  async flush(): Promise<void> {
    const batches = [...this.#unconfirmed.values()];
    if (this.#open !== undefined) {
      batches.push(this.#open);
    }
    await Promise.all(batches.map((batch) => batch.settled()));
    const error = batches.find((batch) => batch.error !== undefined)?.error;
    if (error !== undefined) {
      throw error;
    }
  }

  /** Flushes and ends the stream; nothing can be published any more. Throws as `flush` does. */
  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    this.#room.close(closed());
    this.#news.wake();
    try {
      await this.flush();
    } finally {
      // A connection ends its stream in order; an attempt to make one is of no use any more.
      if (!this.#connected || !(await within(this.#running ?? Promise.resolve(), this.#client.callTimeoutMs))) {
        this.#stop.abort();
      }
      await this.#running;
      this.#onClose();
    }
  }

  #add(message: MessageInit, estimate: number): Confirm {
    if (this.#closing !== undefined) {
      this.#room.give(estimate);
      throw closed();
    }
    const batch = this.#batchFor(estimate);
    let bytes = 0;
    try {
      bytes = batch.add(message, traceAttributes(this.#client.opentelemetry));
    } finally {
      this.#room.correct(estimate, bytes);
    }
    const confirm = new Confirm(batch, batch.messages - 1);
    if (this.#isFull(batch)) {
      this.#seal(batch);
      this.#news.wake();
    } else if (batch.messages === 1) {
      this.#news.wake();
    }
    this.#expireLater();
    this.#running ??= this.#run();
    return confirm;
  }

  /** The batch that is being filled, or a new one if so many bytes more would be too many. */
  #batchFor(bytes: number): Batch {
    const open = this.#open;
    if (open !== undefined) {
      if (open.messages === 0 || open.bytes + bytes <= this.#settings.batchBytes) {
        return open;
      }
      this.#seal(open);
    }
    this.#open = this.#newBatch();
    return this.#open;
  }

  #newBatch(): Batch {
    // As large as the one before, so that a steady stream of messages does not copy each batch while it grows.
    const writer = new Writer(this.#batchBytes).raw(this.#head);
    return new Batch(++this.#lastId, Date.now(), writer);
  }

  #isFull(batch: Batch): boolean {
    return batch.messages >= this.#settings.batchMessages || batch.bytes >= this.#settings.batchBytes;
  }

  #seal(batch: Batch): void {
    this.#open = undefined;
    this.#batchBytes = Math.min(batch.bytes + 256, this.#settings.batchBytes + 4_096);
    this.#unconfirmed.set(batch.id, batch);
    this.#toSend.push(batch);
  }

  /** Keeps a stream as long as there is something to send; fails what is open when that cannot be. */
  async #run(): Promise<void> {
    let error: FerryError | undefined;
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
    this.#running = undefined;
    if (error !== undefined && (!isTransient(error) || this.#stop.signal.aborted)) {
      this.#failAll(error);
    } else if (this.#hasWork()) {
      // It came while the stream ended for want of any.
      this.#running = this.#run();
    }
  }

  async #stream(answered: () => void): Promise<void> {
    const generation = ++this.#generation;
    this.#toSend = [...this.#unconfirmed.values()];
    const outbox: Outbox = {
      next: () => this.#next(generation),
      confirmed: (confirm) => this.#confirmed(confirm),
    };
    const connected = () => {
      this.#connected = true;
      answered();
    };
    try {
      await this.#link(outbox, this.#stop.signal, connected);
    } finally {
      this.#connected = false;
      this.#generation++;
      this.#news.wake();
    }
    if (this.#hasWork()) {
      throw unavailable("the broker ended the publish stream");
    }
  }

  #hasWork(): boolean {
    return this.#unconfirmed.size > 0 || (this.#open?.messages ?? 0) > 0;
  }

  #reconnect(error: FerryError, waitMs: number): boolean {
    // Without anything to send the next message connects anew.
    const goesOn = this.#hasWork();
    if (goesOn) {
      this.#client.log(`publisher of ${this.#name}: ${error.message}; again in ${Math.round(waitMs)} ms`);
    }
    return goesOn;
  }

  /** The next batch to send; undefined when there are no more, or the connection that asks has ended. */
  async #next(generation: number): Promise<Batch | undefined> {
    while (generation === this.#generation) {
      this.#sealIfDue();
      const batch = this.#toSend.shift();
      if (batch === undefined) {
        if (this.#closing !== undefined) {
          return undefined;
        }
        await this.#something();
      } else if (!batch.isSettled) {
        return batch;
      }
    }
    return undefined;
  }

  #sealIfDue(): void {
    const open = this.#open;
    if (open !== undefined && open.messages > 0 && (this.#closing !== undefined || this.#lingersMs(open) <= 0)) {
      this.#seal(open);
    }
  }

  #lingersMs(batch: Batch): number {
    return this.#settings.lingerMs === 0 ? 0 : batch.startMs + this.#settings.lingerMs - Date.now();
  }

  /** Waits for something to send, or until the batch that is being filled has waited long enough. */
  async #something(): Promise<void> {
    const open = this.#open;
    const timer = open && setTimeout(() => this.#news.wake(), this.#lingersMs(open));
    await this.#news.wait();
    clearTimeout(timer);
  }

  #confirmed(confirm: ConfirmedBatch): void {
    const batch = this.#unconfirmed.get(confirm.id);
    // One that was given up meanwhile is told so already.
    if (batch !== undefined) {
      if (confirm.results !== undefined) {
        const { results } = confirm;
        this.#settle(batch, () => batch.confirm(results));
      } else {
        this.#refused(batch, confirm.failure ?? unavailable("the broker sent a confirm without an outcome"));
      }
    }
  }

  #refused(batch: Batch, error: FerryError): void {
    if (isTransient(error)) {
      // Nothing of it is stored: it goes again with what is behind it, so that the order stays.
      throw error;
    }
    this.#fail(batch, error);
  }

  #fail(batch: Batch, error: FerryError): void {
    if (!batch.isAwaited) {
      this.#client.log(`publisher of ${this.#name}: ${batch.messages} messages were not published: ${error.message}`);
    }
    this.#settle(batch, () => batch.fail(error));
  }

  #settle(batch: Batch, how: () => void): void {
    const bytes = batch.bytes - this.#head.length;
    this.#unconfirmed.delete(batch.id);
    how();
    if (!this.#hasWork()) {
      clearTimeout(this.#expiry);
      this.#expiry = undefined;
    }
    this.#room.give(bytes);
  }

  #failAll(error: FerryError): void {
    if (this.#open !== undefined) {
      this.#seal(this.#open);
    }
    this.#toSend = [];
    for (const batch of [...this.#unconfirmed.values()]) {
      this.#fail(batch, error);
    }
  }

  /** Sees to it that the oldest batch is given up when its time is over. */
  #expireLater(): void {
    if (this.#expiry !== undefined || !this.#hasWork()) {
      return;
    }
    const oldest = this.#unconfirmed.values().next().value ?? (this.#open as Batch);
    const restMs = oldest.startMs + this.#settings.publishTimeoutMs - Date.now();
    this.#expiry = setTimeout(() => this.#expire(), Math.max(restMs, 0));
    // The stream keeps a program alive; this alone need not.
    (this.#expiry as { unref?: () => void }).unref?.();
  }

  #expire(): void {
    this.#expiry = undefined;
    if (this.#open !== undefined && this.#open.messages > 0) {
      this.#seal(this.#open);
    }
    const before = Date.now() - this.#settings.publishTimeoutMs;
    for (const batch of [...this.#unconfirmed.values()]) {
      if (batch.startMs <= before) {
        const seconds = this.#settings.publishTimeoutMs / 1_000;
        this.#fail(batch, unavailable(`not confirmed within ${seconds} s: it may or may not be stored`));
      }
    }
    this.#expireLater();
  }
}

function closed(): FerryError {
  return unavailable("the publisher is closed");
}

async function attempt<T>(work: () => T): Promise<T> {
  return work();
}
