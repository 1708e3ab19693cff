/** `ferrymq.v1.Message`, `Delivery` and what they hold, to and from the wire. */

import { DeadLetterReason } from "../gen/ferrymq/v1/message_pb.js";
import type { MessageInit, Position } from "../message.js";
import { Message } from "../message.js";
import type { Reader } from "./reader.js";
import { readEntry } from "./status.js";
import type { Writer } from "./writer.js";

/** Writes a message's fields, as field `no` of what is being written. `extra` attributes give way to the message's own. */
export function writeMessage(writer: Writer, no: number, message: MessageInit, extra?: Record<string, string>): void {
  writer.nested(no, () => {
    writePayload(writer, message.payload);
    writeAttributes(writer, message.attributes, extra);
    writeText(writer, 3, message.routingKey);
    writeText(writer, 4, message.orderingKey);
    writeText(writer, 5, message.messageId);
    writeText(writer, 6, message.contentType);
    writeNumber(writer, 7, message.priority || undefined);
    writeNumber(writer, 8, message.ttlMs || undefined);
    writeNumber(writer, 9, message.delayMs);
    writeNumber(writer, 10, message.deliverAtMs);
    writeText(writer, 11, message.replyTo);
    writeText(writer, 12, message.correlationId);
  });
}

function writePayload(writer: Writer, payload: Uint8Array | string): void {
  if (payload.length === 0) {
    return;
  }
  if (typeof payload === "string") {
    writer.string(1, payload);
  } else {
    writer.bytes(1, payload);
  }
}

function writeAttributes(writer: Writer, own?: Readonly<Record<string, string>>, extra?: Record<string, string>): void {
  for (const key in own) {
    writeEntry(writer, key, own[key] as string);
  }
  for (const key in extra) {
    if (own?.[key] === undefined) {
      writeEntry(writer, key, extra[key] as string);
    }
  }
}

function writeEntry(writer: Writer, key: string, value: string): void {
  writer.nested(2, () => writer.string(1, key).string(2, value));
}

function writeText(writer: Writer, no: number, value: string | undefined): void {
  if (value) {
    writer.string(no, value);
  }
}

function writeNumber(writer: Writer, no: number, value: number | undefined): void {
  if (value !== undefined) {
    if (!Number.isSafeInteger(value)) {
      throw new TypeError(`a whole number is needed, not ${value}`);
    }
    writer.tag(no, 0).signed(value);
  }
}

/** Reads a message. */
export function readMessage(reader: Reader): Message {
  const message = new Message();
  while (reader.next()) {
    readMessageField(message, reader);
  }
  return message;
}

function readMessageField(message: Message, reader: Reader): void {
  switch (reader.field) {
    case 1:
      message.payload = reader.bytes();
      break;
    case 2:
      // The one they all begin with is shared.
      if (Object.isFrozen(message.attributes)) {
        message.attributes = Object.create(null);
      }
      readEntry(reader.nested(), message.attributes);
      break;
    case 3:
      message.routingKey = reader.string();
      break;
    case 4:
      message.orderingKey = reader.string();
      break;
    case 5:
      message.messageId = reader.string();
      break;
    case 6:
      message.contentType = reader.string();
      break;
    case 7:
      message.priority = reader.signed();
      break;
    case 8:
      message.ttlMs = reader.signed();
      break;
    case 9:
      message.delayMs = reader.signed();
      break;
    case 10:
      message.deliverAtMs = reader.signed();
      break;
    case 11:
      message.replyTo = reader.string();
      break;
    case 12:
      message.correlationId = reader.string();
      break;
    default:
      reader.skip();
  }
}

/** Why a queue gave a message up. */
export type DeadLetterReasonName = "REJECTED" | "MAX_ATTEMPTS" | "EXPIRED" | "OVERFLOW" | "UNSPECIFIED";

/** Where a dead letter came from, and why. */
export interface DeadLetter {
  /** The queue that gave it up. */
  queue: string;
  /** Why. */
  reason: DeadLetterReasonName;
  /** How often that queue had delivered it. */
  attempts: number;
  /** What the last retry or reject gave as its reason. */
  description: string;
  /** When it was given up: milliseconds since 1970. */
  timeMs: number;
  /** The topic it was first published to. Empty if it was sent straight to the queue. */
  topic: string;
  /** Its position in the log that it left. */
  position: Position;
}

const NOWHERE: Position = Object.freeze({ log: 0, offset: 0 });
const EMPTY = new Uint8Array(0);
const EMPTY_MESSAGE = new Message();

/** `ferrymq.v1.Delivery` as it came. */
export class WireDelivery {
  message: Message = EMPTY_MESSAGE;
  ackId: Uint8Array = EMPTY;
  topic = "";
  position: Position = NOWHERE;
  publishTimeMs = 0;
  attempt = 0;
  deadLetter: DeadLetter | undefined = undefined;
}

/** Reads a delivery into `delivery`. */
export function readDelivery(reader: Reader, delivery: WireDelivery): void {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        delivery.message = readMessage(reader.nested());
        break;
      case 2:
        delivery.ackId = reader.bytes();
        break;
      case 3:
        delivery.topic = reader.string();
        break;
      case 4:
        delivery.position = readPosition(reader.nested());
        break;
      case 5:
        delivery.publishTimeMs = reader.signed();
        break;
      case 6:
        delivery.attempt = reader.varint();
        break;
      case 7:
        delivery.deadLetter = readDeadLetter(reader.nested());
        break;
      default:
        reader.skip();
    }
  }
}

/** Reads a position. */
export function readPosition(reader: Reader): Position {
  let log = 0;
  let offset = 0;
  while (reader.next()) {
    if (reader.field === 1) {
      log = reader.varint();
    } else if (reader.field === 2) {
      offset = reader.varint();
    } else {
      reader.skip();
    }
  }
  return { log, offset };
}

function readDeadLetter(reader: Reader): DeadLetter {
  const letter: DeadLetter = {
    queue: "",
    reason: "UNSPECIFIED",
    attempts: 0,
    description: "",
    timeMs: 0,
    topic: "",
    position: NOWHERE,
  };
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        letter.queue = reader.string();
        break;
      case 2:
        letter.reason = (DeadLetterReason[reader.varint()] ?? "UNSPECIFIED") as DeadLetterReasonName;
        break;
      case 3:
        letter.attempts = reader.varint();
        break;
      case 4:
        letter.description = reader.string();
        break;
      case 5:
        letter.timeMs = reader.signed();
        break;
      case 6:
        letter.topic = reader.string();
        break;
      case 7:
        letter.position = readPosition(reader.nested());
        break;
      default:
        reader.skip();
    }
  }
  return letter;
}
