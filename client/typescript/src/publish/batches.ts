import type { MessageInit } from "../message.js";
import type { PublisherSettings } from "../settings.js";
import { LENGTH_BYTES_MAX, Writer } from "../wire/writer.js";
import { Batch } from "./batch.js";

/** What a batch may grow by behind the size of the one before, before its buffer has to grow. */
const SLACK_BYTES = 256;

/** Buffers that wait for another batch, at most. */
const SPARE_BUFFERS_MAX = 16;

/** A publisher's batches from the first message to the confirm, in order. */
export class Batches {
  readonly #settings: PublisherSettings;
  readonly #head: Uint8Array;
  /** Being filled. */
  #open: Batch | undefined;
  /** Full, or under way, and neither confirmed nor failed. */
  readonly #unconfirmed = new Map<number, Batch>();
  /** Of these, what was not sent on this connection. */
  #toSend: Batch[] = [];
  #spareBuffers: Writer[] = [];
  #lastId = 0;
  #bufferBytes = 1 << 10;

  /** @param head The encoded request but for its messages. */
  constructor(settings: PublisherSettings, head: Uint8Array) {
    this.#settings = settings;
    this.#head = head;
  }

  /** True if there is something that is not confirmed. */
  get hasWork(): boolean {
    return this.#unconfirmed.size > 0 || this.filling !== undefined;
  }

  /** The batch that is being filled, if there is something in it. */
  get filling(): Batch | undefined {
    return this.#open !== undefined && this.#open.messages > 0 ? this.#open : undefined;
  }

  /** All that is not confirmed, the oldest first. */
  all(): Batch[] {
    const batches = [...this.#unconfirmed.values()];
    return this.filling === undefined ? batches : [...batches, this.filling];
  }

  /** The one that has waited longest. */
  get oldest(): Batch | undefined {
    return this.#unconfirmed.values().next().value ?? this.filling;
  }

  /** Adds a message, of about so many bytes, to a batch with room for it; the batch, and what it takes. */
  add(
    message: MessageInit,
    estimate: number,
    trace: Record<string, string> | undefined,
  ): { batch: Batch; bytes: number } {
    if (this.filling !== undefined && this.filling.bytes + estimate > this.#settings.batchBytes) {
      this.seal();
    }
    this.#open ??= this.#newBatch();
    const batch = this.#open;
    const bytes = batch.add(message, trace);
    if (batch.messages >= this.#settings.batchMessages || batch.bytes >= this.#settings.batchBytes) {
      this.seal();
    }
    return { batch, bytes };
  }

  /** Ends the filling of the batch that is being filled. */
  seal(): void {
    const batch = this.filling;
    if (batch !== undefined) {
      this.#open = undefined;
      this.#bufferBytes = Math.min(batch.bytes + SLACK_BYTES, this.#settings.batchBytes + (4 << 10));
      this.#unconfirmed.set(batch.id, batch);
      this.#toSend.push(batch);
    }
  }

  /** Takes the next one to send. */
  take(): Batch | undefined {
    let batch = this.#toSend.shift();
    // Some may have been given up meanwhile.
    while (batch?.isSettled) {
      batch = this.#toSend.shift();
    }
    if (batch !== undefined) {
      batch.isSent = true;
    }
    return batch;
  }

  /** On a new connection all that is not confirmed is to be sent, in order. */
  sendAgain(): void {
    this.#toSend = [...this.#unconfirmed.values()];
  }

  /** The one of this number, if it is not confirmed. */
  get(id: number): Batch | undefined {
    return this.#unconfirmed.get(id);
  }

  /** Forgets one that has failed; the bytes of its messages. */
  remove(batch: Batch): number {
    this.#unconfirmed.delete(batch.id);
    return batch.bytes - this.#head.length;
  }

  /** Forgets one that is confirmed; the bytes of its messages. */
  removeConfirmed(batch: Batch): number {
    const bytes = this.remove(batch);
    const buffer = batch.takeBuffer();
    // One that a large message made larger than others are is not kept.
    if (this.#spareBuffers.length < SPARE_BUFFERS_MAX && buffer.capacity <= 2 * this.#bufferBytes) {
      this.#spareBuffers.push(buffer);
    }
    return bytes;
  }

  #newBatch(): Batch {
    // As large as the one before, so that a steady stream of messages does not copy each batch while it grows.
    const writer = this.#spareBuffers.pop() ?? new Writer(this.#bufferBytes);
    writer.truncate(LENGTH_BYTES_MAX);
    return new Batch(++this.#lastId, Date.now(), writer.raw(this.#head));
  }
}
