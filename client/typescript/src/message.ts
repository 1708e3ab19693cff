/** What is published and what is delivered. */

const decoder = new TextDecoder();
const EMPTY = new Uint8Array(0);
const NO_ATTRIBUTES: Record<string, string> = Object.freeze(Object.create(null));

/** All of a message but its payload. What is left out is empty, or 0. */
export interface MessageFields {
  /** Headers for filters and the application. At most 64; a key 1 to 128 bytes, a value at most 1,024. */
  attributes?: Readonly<Record<string, string>>;
  /** Words with dots between, matched by the patterns of bindings. At most 255 bytes. */
  routingKey?: string;
  /** What must stay in order. At most 255 bytes. */
  orderingKey?: string;
  /** The publisher's own id. At most 128 bytes. */
  messageId?: string;
  /** MIME type of the payload. At most 128 bytes. */
  contentType?: string;
  /** 0, the lowest, to the topic's `priority_levels` - 1. */
  priority?: number;
  /** Milliseconds from publish after which it is not delivered any more. 1 to 366 days; 0: the queue's. */
  ttlMs?: number;
  /** Milliseconds until it may first be delivered. Not with `deliverAtMs`. */
  delayMs?: number | undefined;
  /** When it may first be delivered, in milliseconds since 1970. Not with `delayMs`. */
  deliverAtMs?: number | undefined;
  /** Where an answer goes. At most 255 bytes. */
  replyTo?: string;
  /** Says which request an answer belongs to. At most 128 bytes. */
  correlationId?: string;
}

/** A message to publish. A payload that is a string is sent as UTF-8. */
export interface MessageInit extends MessageFields {
  /** The content: 0 bytes to the broker's `message_bytes_max` (1 MiB unless set otherwise) with all the rest. */
  payload: Uint8Array | string;
}

/** A message as it was delivered. It can be published again as it is. */
export class Message implements MessageInit {
  /** The content: a view into what was received. Copy it (`payload.slice()`) to keep it for long. */
  payload: Uint8Array = EMPTY;
  attributes: Record<string, string> = NO_ATTRIBUTES;
  routingKey = "";
  orderingKey = "";
  messageId = "";
  contentType = "";
  priority = 0;
  ttlMs = 0;
  delayMs: number | undefined = undefined;
  deliverAtMs: number | undefined = undefined;
  replyTo = "";
  correlationId = "";

  /** A message whose payload is `value` as JSON. */
  static json(value: unknown, fields: MessageFields = {}): MessageInit {
    return { contentType: "application/json", ...fields, payload: JSON.stringify(value) };
  }

  /** The payload as UTF-8 text. */
  text(): string {
    return decoder.decode(this.payload);
  }

  /** The payload read as JSON. Throws a SyntaxError if it is none. */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T;
  }
}

/** The place of one message: within one log a higher offset is later. */
export interface Position {
  /** One of the broker's logs. */
  readonly log: number;
  /** The record's number in it, from 0. */
  readonly offset: number;
}

/** What became of one published message; it is on disk. */
export interface PublishResult {
  /** Where it stands. Undefined while it is only scheduled, and for replies. */
  readonly position: Position | undefined;
  /** It had been published before and was not stored again. */
  readonly duplicate: boolean;
  /** How many queues it goes to. 0: nobody gets it unless somebody replays the topic. */
  readonly queuesMatched: number;
  /** The id to take it back with, if it is due later. */
  readonly scheduleId: string;
}
