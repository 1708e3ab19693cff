import type { Deferred } from "../async.js";
import { deferred } from "../async.js";
import type { FerryError } from "../errors.js";
import { makeError } from "../errors.js";
import type { MessageInit, PublishResult } from "../message.js";
import { writeMessage } from "../wire/message.js";
import { LENGTH_BYTES_MAX, Writer } from "../wire/writer.js";

const NO_BYTES = new Writer(0);

/** Messages of one `PublishRequest`, encoded as they come. */
export class Batch {
  /** Its number on the stream. */
  readonly id: number;
  /** When its first message came, by `Date.now()`. */
  readonly startMs: number;
  /** Messages in it. */
  messages = 0;
  /** Sent, on this connection or one before: the broker may have it. */
  isSent = false;
  #writer: Writer;
  #outcome: PublishResult[] | FerryError | undefined;
  #results: (() => PublishResult[]) | undefined;
  #waiting: Deferred<void> | undefined;
  #settled = false;

  /** @param writer Holds the encoded request but for its messages, behind room for its length. */
  constructor(id: number, startMs: number, writer: Writer) {
    this.id = id;
    this.startMs = startMs;
    this.#writer = writer;
  }

  /** Bytes of the request so far. */
  get bytes(): number {
    return this.#writer.length - LENGTH_BYTES_MAX;
  }

  /** The encoded request. */
  get body(): Uint8Array {
    return this.#writer.finish().subarray(LENGTH_BYTES_MAX);
  }

  /** The encoded request, with its length in front. */
  get bodyWithLength(): Uint8Array {
    return this.#writer.withLength(LENGTH_BYTES_MAX);
  }

  /** Its buffer, for another batch: this one has been confirmed. */
  takeBuffer(): Writer {
    const writer = this.#writer;
    this.#writer = NO_BYTES;
    return writer;
  }

  /** True once it was confirmed or has failed. */
  get isSettled(): boolean {
    return this.#settled;
  }

  /** True if somebody waits for how it ends. */
  get isAwaited(): boolean {
    return this.#waiting !== undefined;
  }

  /** Adds a message; what it takes, in bytes. Throws a TypeError for one that cannot be encoded, and stays as it was. */
  add(message: MessageInit, trace: Record<string, string> | undefined): number {
    const before = this.#writer.length;
    try {
      writeMessage(this.#writer, 4, message, trace);
    } catch (error) {
      this.#writer.truncate(before);
      throw error;
    }
    this.messages++;
    return this.#writer.length - before;
  }

  /** It is on disk. The results are read when somebody asks for them. */
  confirm(results: () => PublishResult[]): void {
    this.#results = results;
    this.#settle();
  }

  /** It was refused, or given up. */
  fail(error: FerryError): void {
    this.#outcome = error;
    // Confirms may be kept for long.
    this.#writer = NO_BYTES;
    this.#settle();
  }

  /** Waits until it is settled. Never throws. */
  settled(): Promise<void> {
    if (this.#settled) {
      return Promise.resolve();
    }
    this.#waiting ??= deferred();
    return this.#waiting.promise;
  }

  /** The result of its `index`th message, once it is settled. Throws if the batch failed. */
  result(index: number): PublishResult {
    if (this.#results !== undefined) {
      this.#outcome = this.#results();
      this.#results = undefined;
    }
    if (!Array.isArray(this.#outcome)) {
      throw this.#outcome;
    }
    const result = this.#outcome[index];
    if (result === undefined) {
      throw makeError(13, "the broker confirmed fewer messages than were sent", {});
    }
    return result;
  }

  /** The error that it failed with, if it did. */
  get error(): FerryError | undefined {
    return this.#outcome === undefined || Array.isArray(this.#outcome) ? undefined : this.#outcome;
  }

  #settle(): void {
    this.#settled = true;
    this.#waiting?.resolve();
  }
}

/** The broker's answer to one message, to come. */
export class Confirm {
  readonly #batch: Batch;
  readonly #index: number;

  /** Made by `Publisher.publish`. */
  constructor(batch: Batch, index: number) {
    this.#batch = batch;
    this.#index = index;
  }

  /** Waits until the message is on disk. Throws the broker's error for the batch that it was in. */
  async result(): Promise<PublishResult> {
    if (!this.#batch.isSettled) {
      await this.#batch.settled();
    }
    return this.#batch.result(this.#index);
  }
}
