import { create, toBinary } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { ConsumeLink, Inbox, Settlements } from "../src/consume/links.js";
import { DeliverySchema, MessageSchema } from "../src/gen/ferrymq/v1/message_pb.js";
import type { SubscribeRequest } from "../src/gen/ferrymq/v1/messaging_service_pb.js";
import { Reader } from "../src/wire/reader.js";

/** One connection of a subscriber, in the test's hand. */
export interface Connection {
  open: SubscribeRequest;
  settlements: Settlements;
  inbox: Inbox;
  /** Aborted once it is to be cut off. */
  signal: AbortSignal;
  end(error?: Error): void;
}

/** A link whose connections the test takes one after the other. */
export class FakeLink implements ConsumeLink {
  /** How often for the time. */
  asked = 0;
  #made: Connection[] = [];
  #wanted: ((connection: Connection) => void)[] = [];

  run(open: SubscribeRequest, settlements: Settlements, inbox: Inbox, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: Error) => (error === undefined ? resolve() : reject(error));
      // As it was when it was sent: it changes with what comes.
      const connection = { open: { ...open }, settlements, inbox, signal, end };
      const wanted = this.#wanted.shift();
      if (wanted === undefined) {
        this.#made.push(connection);
      } else {
        wanted(connection);
      }
    });
  }

  /** The broker's clock goes a second on each time that it is asked. */
  time(): Promise<Timestamp> {
    this.asked++;
    return Promise.resolve(create(TimestampSchema, { seconds: BigInt(this.asked) }));
  }

  /** The next connection. */
  connection(): Promise<Connection> {
    const made = this.#made.shift();
    return made === undefined ? new Promise((resolve) => this.#wanted.push(resolve)) : Promise.resolve(made);
  }
}

/** Sends deliveries of these numbers: their payloads, offsets and ack ids. */
export function deliver(inbox: Inbox, ...numbers: number[]): void {
  for (const number of numbers) {
    deliverOne(inbox, number, new Uint8Array([number]));
  }
}

/** Sends the first so many messages of a broadcast: nothing of it is settled. */
export function broadcast(inbox: Inbox, count: number): void {
  for (let number = 0; number < count; number++) {
    deliverOne(inbox, number, new Uint8Array(0));
  }
}

/** Sends one. */
export function deliverOne(
  inbox: Inbox,
  number: number,
  ackId: Uint8Array,
  attributes: Record<string, string> = {},
): void {
  const payload = new TextEncoder().encode(`m${number}`);
  const message = create(MessageSchema, { payload, attributes });
  const position = { log: 1n, offset: BigInt(number) };
  const delivery = create(DeliverySchema, { message, ackId, attempt: 1, position });
  inbox.delivered(new Reader(toBinary(DeliverySchema, delivery)));
}
