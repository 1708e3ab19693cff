import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Confirm } from "../src/api.js";
import { PublishRequestSchema } from "../src/gen/ferrymq/v1/messaging_service_pb.js";
import type { PublishResult } from "../src/message.js";
import type { Batch } from "../src/publish/batch.js";
import type { Outbox, PublishLink } from "../src/publish/links.js";
import { settingsOf } from "../src/settings.js";

export { create, fromBinary, toBinary };

/** Settings whose log lines go to `lines`, and whose reconnects do not wait. */
export function quickSettings(lines: string[] = []) {
  return settingsOf({ log: (line) => lines.push(line), reconnectBackoff: { minMs: 0, maxMs: 0 } });
}

/** A broker in the test's hand: batches come when they are asked for, and are confirmed when it says so. */
export class FakeBroker {
  /** Connections made so far. */
  connections = 0;
  #outbox: Outbox | undefined;
  #break: ((error: Error) => void) | undefined;
  #connected: () => void = () => {};
  #whenConnected: Promise<void>;

  constructor() {
    this.#whenConnected = this.#nextConnection();
  }

  readonly #run: PublishLink["run"] = async (outbox, signal, answered) => {
    this.connections++;
    this.#outbox = outbox;
    answered();
    const broken = new Promise<void>((_, reject) => {
      this.#break = reject;
    });
    const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    this.#connected();
    await Promise.race([broken, aborted, this.#ended]);
  };

  readonly link: PublishLink = { run: this.#run, waitForRoomMs: undefined };

  #end: () => void = () => {};
  #ended = new Promise<void>((resolve) => {
    this.#end = resolve;
  });

  /** The next batch's texts, and its confirm. */
  async take(): Promise<{ batch: Batch; texts: string[] } | undefined> {
    await this.#whenConnected;
    const batch = await this.#outbox?.next();
    if (batch === undefined) {
      this.#end();
      return undefined;
    }
    const { messages } = fromBinary(PublishRequestSchema, batch.body.slice());
    return { batch, texts: messages.map((message) => new TextDecoder().decode(message.payload)) };
  }

  confirm(batch: Batch, results: PublishResult[] = []): void {
    this.#outbox?.confirmed({ id: batch.id, results: () => results, failure: undefined });
  }

  refuse(batch: Batch, failure: import("../src/errors.js").FerryError): void {
    this.#outbox?.confirmed({ id: batch.id, results: undefined, failure });
  }

  /** Ends the connection; what is taken next comes over a new one. */
  breakOff(error: Error): void {
    this.#whenConnected = this.#nextConnection();
    this.#break?.(error);
  }

  #nextConnection(): Promise<void> {
    return new Promise((resolve) => {
      this.#connected = resolve;
    });
  }
}

/** A result for each of so many messages. */
export function results(count: number): PublishResult[] {
  const result = (offset: number) => ({
    position: { log: 1, offset },
    duplicate: false,
    queuesMatched: 1,
    scheduleId: "",
  });
  return Array.from({ length: count }, (_, offset) => result(offset));
}

/** Whether a confirm is there, without waiting. */
export async function isConfirmed(confirm: Confirm): Promise<boolean> {
  const pending = Symbol("pending");
  const first = await Promise.race([confirm.result().catch(() => "failed"), Promise.resolve(pending)]);
  return first !== pending;
}
