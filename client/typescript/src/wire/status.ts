/** What an error says beyond its code: the google.rpc details of a status, and `Failure` inside an answer. */

import { ErrorReason } from "../gen/ferrymq/v1/errors_pb.js";
import { Reader } from "./reader.js";

/** A field that broke a rule. */
export interface Violation {
  /** Its path, e.g. `messages[3].ttl_ms`. */
  readonly field: string;
  /** The rule, in words. */
  readonly rule: string;
}

/** Facts of an error. */
export interface StatusDetails {
  reason: string;
  metadata: Record<string, string>;
  violations: Violation[];
  retryAfterMs: number | undefined;
}

/** Reads those details that are known; others are passed over. */
export function readDetails(details: readonly unknown[]): Partial<StatusDetails> {
  const facts: Partial<StatusDetails> = {};
  for (const detail of details as { type?: string; value?: Uint8Array }[]) {
    if (!(detail.value instanceof Uint8Array)) {
      continue;
    }
    const reader = new Reader(detail.value);
    switch (detail.type) {
      case "google.rpc.ErrorInfo":
        readErrorInfo(reader, facts);
        break;
      case "google.rpc.BadRequest":
        readBadRequest(reader, facts);
        break;
      case "google.rpc.RetryInfo":
        readRetryInfo(reader, facts);
        break;
    }
  }
  return facts;
}

function readErrorInfo(reader: Reader, facts: Partial<StatusDetails>): void {
  const metadata: Record<string, string> = {};
  while (reader.next()) {
    if (reader.field === 1) {
      facts.reason = reader.string();
    } else if (reader.field === 3) {
      readEntry(reader.nested(), metadata);
    } else {
      reader.skip();
    }
  }
  facts.metadata = metadata;
}

function readBadRequest(reader: Reader, facts: Partial<StatusDetails>): void {
  const violations: Violation[] = [];
  while (reader.next()) {
    if (reader.field === 1) {
      const [field, rule] = readPair(reader.nested());
      violations.push({ field, rule });
    } else {
      reader.skip();
    }
  }
  facts.violations = violations;
}

function readRetryInfo(reader: Reader, facts: Partial<StatusDetails>): void {
  while (reader.next()) {
    if (reader.field === 1) {
      facts.retryAfterMs = readDurationMs(reader.nested());
    } else {
      reader.skip();
    }
  }
}

/** A google.protobuf.Duration in milliseconds. */
export function readDurationMs(reader: Reader): number {
  let ms = 0;
  while (reader.next()) {
    if (reader.field === 1) {
      ms += reader.signed() * 1_000;
    } else if (reader.field === 2) {
      ms += reader.signed() / 1_000_000;
    } else {
      reader.skip();
    }
  }
  return ms;
}

/** Two strings, fields 1 and 2. */
function readPair(reader: Reader): [string, string] {
  const pair: [string, string] = ["", ""];
  while (reader.next()) {
    if (reader.field === 1) {
      pair[0] = reader.string();
    } else if (reader.field === 2) {
      pair[1] = reader.string();
    } else {
      reader.skip();
    }
  }
  return pair;
}

/** An entry of a map of strings. */
export function readEntry(reader: Reader, into: Record<string, string>): void {
  const [key, value] = readPair(reader);
  into[key] = value;
}

/** A `ferrymq.v1.Failure`: its code, its message and its facts. */
export function readFailure(reader: Reader): { code: number; message: string; details: Partial<StatusDetails> } {
  let code = 2;
  let message = "";
  let field = "";
  const details: Partial<StatusDetails> = {};
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        code = reader.varint();
        break;
      case 2:
        details.reason = reasonName(reader.varint());
        break;
      case 3:
        message = reader.string();
        break;
      case 4:
        details.retryAfterMs = readDurationMs(reader.nested());
        break;
      case 5:
        field = reader.string();
        break;
      default:
        reader.skip();
    }
  }
  if (field !== "") {
    details.violations = [{ field, rule: message }];
  }
  return { code, message, details };
}

function reasonName(number: number): string {
  return number === 0 ? "" : (ErrorReason[number] ?? `ERROR_REASON_${number}`);
}
