import { Signal, within } from "./async.js";
import type { FerryError } from "./errors.js";
import { isTransient, toFerryError, unavailable } from "./errors.js";
import type { MessageInit } from "./message.js";
import type { Batch } from "./publish/batch.js";
import { Confirm } from "./publish/batch.js";
import { Batches } from "./publish/batches.js";
import type { Outbox, PublishLink } from "./publish/links.js";
import type { DestinationLike } from "./publish/request.js";
import { destinationName, requestHead } from "./publish/request.js";
import { Room } from "./publish/room.js";
import { persist } from "./reconnect.js";
import type { PublisherOptions, PublisherSettings, Settings } from "./settings.js";
import { publisherSettingsOf } from "./settings.js";
import { traceAttributes } from "./trace.js";
import type { ConfirmedBatch } from "./wire/publish.js";

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
  readonly #batches: Batches;
  readonly #room: Room;
  readonly #onClose: () => void;
  readonly #news = new Signal();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #isConnected = false;
  /** Counts connections, so that what an ended one still asks for is not answered. */
  #connection = 0;
  #expiry: ReturnType<typeof setTimeout> | undefined;
  #closing: Promise<void> | undefined;
  /** What has ended the stream for good. */
  #ended: FerryError | undefined;

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
    const waitForRoomMs = this.#settings.waitForRoomMs ?? link.waitForRoomMs;
    this.#batches = new Batches(this.#settings, requestHead(to, { ...this.#settings, waitForRoomMs }));
    this.#room = new Room(this.#settings.unconfirmedBytes);
    this.#onClose = onClose;
  }

  /**
   * Takes a message to publish, and waits only while too much is unconfirmed. The confirm is there at once; `result()` of it waits
   * until the message is on disk. Throws a TypeError for a message that cannot be encoded, UNAVAILABLE once it is closed, and once its
   * stream has ended for good what ended it.
   */
  publish(message: MessageInit): Promise<Confirm> {
    const estimate = message.payload.length + MESSAGE_EXTRA_BYTES;
    const add = () => this.#add(message, estimate);
    return this.#room.take(estimate) ? atOnce(add) : this.#room.wait(estimate, add);
  }

  /**
   * Waits until all that was published before is confirmed, or has failed; then throws what has ended the stream for good, or the first
   * failure, if there was one.
   */
  async flush(): Promise<void> {
    const batches = this.#batches.all();
    await Promise.all(batches.map((batch) => batch.settled()));
    const error = this.#ended ?? batches.find((batch) => batch.error !== undefined)?.error;
    if (error !== undefined) {
      throw error;
    }
  }

  /** Flushes and ends the stream; nothing can be published any more. Throws as `flush` does. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#room.close(closed());
    this.#news.wake();
    try {
      await this.flush();
    } finally {
      // A connection ends its stream in order; an attempt to make one is of no use any more.
      if (!this.#isConnected || !(await within(this.#running ?? Promise.resolve(), this.#client.callTimeoutMs))) {
        this.#stop.abort();
      }
      await this.#running;
      this.#onClose();
    }
  }

  #add(message: MessageInit, estimate: number): Confirm {
    if (this.#closing !== undefined || this.#ended !== undefined) {
      this.#room.give(estimate);
      throw this.#ended ?? closed();
    }
    let taken = 0;
    try {
      const { batch, bytes } = this.#batches.add(message, estimate, traceAttributes(this.#client.opentelemetry));
      taken = bytes;
      if (batch.messages === 1 || batch !== this.#batches.filling) {
        this.#news.wake();
      }
      return new Confirm(batch, batch.messages - 1);
    } finally {
      this.#room.correct(estimate, taken);
      this.#expireLater();
      this.#running ??= this.#run();
    }
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
    if (this.#stop.signal.aborted) {
      this.#failAll(
        unavailable("the publisher was closed before it was confirmed: it may or may not be stored", error),
      );
    } else if (error !== undefined && !isTransient(error)) {
      this.#ended = error;
      this.#failAll(error);
    } else if (this.#batches.hasWork) {
      // It came while the stream ended for want of any.
      this.#running = this.#run();
    }
  }

  async #stream(answered: () => void): Promise<void> {
    const connection = ++this.#connection;
    this.#batches.sendAgain();
    const outbox: Outbox = {
      waitForRoomMs: this.#settings.waitForRoomMs,
      next: () => this.#next(connection),
      confirmed: (confirm) => this.#confirmed(confirm),
    };
    const connected = () => {
      this.#isConnected = true;
      answered();
    };
    try {
      await this.#link.run(outbox, this.#stop.signal, connected);
    } finally {
      this.#isConnected = false;
      this.#connection++;
      this.#news.wake();
    }
    if (this.#batches.hasWork) {
      throw unavailable("the broker ended the publish stream");
    }
  }

  #reconnect(error: FerryError, waitMs: number): boolean {
    // Without anything to send the next message connects anew.
    const goesOn = this.#batches.hasWork;
    if (goesOn) {
      this.#client.log(`publisher of ${this.#name}: ${error.message}; again in ${Math.round(waitMs)} ms`);
    }
    return goesOn;
  }

  /** The next batch to send; undefined when there are no more, or the connection that asks has ended. */
  async #next(connection: number): Promise<Batch | undefined> {
    while (connection === this.#connection) {
      if (this.#closing !== undefined || this.#lingersMs() <= 0) {
        this.#batches.seal();
      }
      const batch = this.#batches.take();
      if (batch !== undefined || this.#closing !== undefined) {
        return batch;
      }
      await this.#something();
    }
    return undefined;
  }

  /** How long the batch that is being filled is held back yet. */
  #lingersMs(): number {
    const { filling } = this.#batches;
    const { lingerMs } = this.#settings;
    return lingerMs === 0 || filling === undefined ? 0 : filling.startMs + lingerMs - Date.now();
  }

  /** Waits for something to send, or until the batch that is being filled has waited long enough. */
  async #something(): Promise<void> {
    const timer = this.#batches.filling && setTimeout(() => this.#news.wake(), this.#lingersMs());
    await this.#news.wait();
    clearTimeout(timer);
  }

  #confirmed(confirm: ConfirmedBatch): void {
    const batch = this.#batches.get(confirm.id);
    // One that was given up meanwhile is told so already.
    if (batch === undefined) {
      return;
    }
    const { results, failure } = confirm;
    if (results !== undefined) {
      this.#settled(this.#batches.removeConfirmed(batch));
      batch.confirm(results);
    } else if (failure === undefined) {
      throw unavailable("the broker sent a confirm without an outcome");
    } else {
      this.#fail(batch, failure);
    }
  }

  #fail(batch: Batch, error: FerryError): void {
    if (!batch.isAwaited) {
      this.#client.log(`publisher of ${this.#name}: ${batch.messages} messages were not published: ${error.message}`);
    }
    this.#settled(this.#batches.remove(batch));
    batch.fail(error);
  }

  #settled(bytes: number): void {
    if (!this.#batches.hasWork) {
      clearTimeout(this.#expiry);
      this.#expiry = undefined;
    }
    this.#room.give(bytes);
  }

  /** Of what was sent only the broker knows whether it is stored. */
  #failAll(error: FerryError): void {
    this.#batches.seal();
    const unknown = isTransient(error)
      ? error
      : unavailable(
          `not known whether it is stored: the publish stream ended with ${error.code}: ${error.message}`,
          error,
        );
    for (const batch of this.#batches.all()) {
      this.#fail(batch, batch.isSent ? unknown : error);
    }
  }

  /** Sees to it that the oldest batch is given up when its time is over. */
  #expireLater(): void {
    const oldest = this.#expiry === undefined ? this.#batches.oldest : undefined;
    if (oldest === undefined) {
      return;
    }
    const restMs = oldest.startMs + this.#settings.publishTimeoutMs - Date.now();
    this.#expiry = setTimeout(() => this.#expire(), Math.max(restMs, 0));
    // The stream keeps a program alive; this alone need not.
    (this.#expiry as { unref?: () => void }).unref?.();
  }

  #expire(): void {
    this.#expiry = undefined;
    this.#batches.seal();
    const before = Date.now() - this.#settings.publishTimeoutMs;
    for (const batch of this.#batches.all()) {
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

async function atOnce<T>(work: () => T): Promise<T> {
  return work();
}
