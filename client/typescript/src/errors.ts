import { Code, ConnectError } from "@connectrpc/connect";
import type { StatusDetails, Violation } from "./wire/status.js";
import { readDetails } from "./wire/status.js";

export type { Violation };

/** The canonical gRPC codes, by name. */
export type ErrorCode =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

const CODES: readonly ErrorCode[] = [
  "UNKNOWN",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

/** What failed, as the broker said it or as this client found it. The kinds that programs tell apart are classes of their own. */
export class FerryError extends Error {
  /** The canonical gRPC code. */
  readonly code: ErrorCode;
  /** Why, for programs: a name of `ErrorReason` without its prefix, e.g. `TOPIC_NOT_FOUND`. Empty where the broker gave none. */
  readonly reason: string;
  /** What it is about, e.g. `{topic: "orders"}`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Of INVALID_ARGUMENT: which fields broke which rules. */
  readonly violations: readonly Violation[];
  /** Milliseconds to wait before trying again. Undefined: trying again will not help. */
  readonly retryAfterMs: number | undefined;

  /** Made by the client; a program only catches it. */
  constructor(code: ErrorCode, message: string, details: Partial<StatusDetails> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.reason = details.reason ?? "";
    this.metadata = details.metadata ?? {};
    this.violations = details.violations ?? [];
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** NOT_FOUND: the topic, queue, binding or snapshot does not exist. */
export class NotFoundError extends FerryError {}
/** ALREADY_EXISTS: it exists with other settings; `metadata.fields` names them. */
export class AlreadyExistsError extends FerryError {}
/** INVALID_ARGUMENT and OUT_OF_RANGE: `violations` says what is wrong. */
export class InvalidArgumentError extends FerryError {}
/** FAILED_PRECONDITION: for example something is still in use. */
export class FailedPreconditionError extends FerryError {}
/** RESOURCE_EXHAUSTED: a queue, the disk or a limit is full. */
export class ExhaustedError extends FerryError {}
/** UNAVAILABLE: no broker, or it stops or starts. What was under way may or may not have been done. */
export class UnavailableError extends FerryError {}
/** DEADLINE_EXCEEDED: the call took longer than it may. */
export class TimeoutError extends FerryError {}

const KINDS: Partial<Record<ErrorCode, typeof FerryError>> = {
  NOT_FOUND: NotFoundError,
  ALREADY_EXISTS: AlreadyExistsError,
  INVALID_ARGUMENT: InvalidArgumentError,
  OUT_OF_RANGE: InvalidArgumentError,
  FAILED_PRECONDITION: FailedPreconditionError,
  RESOURCE_EXHAUSTED: ExhaustedError,
  UNAVAILABLE: UnavailableError,
  DEADLINE_EXCEEDED: TimeoutError,
};

/** An error of the class that fits its code. */
export function makeError(code: number, message: string, details: Partial<StatusDetails>, cause?: unknown): FerryError {
  const name = CODES[code] ?? "UNKNOWN";
  return new (KINDS[name] ?? FerryError)(name, message, details, cause);
}

/** The broker cannot be reached, or was lost. */
export function unavailable(message: string, cause?: unknown): FerryError {
  return makeError(Code.Unavailable, message, {}, cause);
}

/** Whatever was thrown by a call, as one of ours. */
export function toFerryError(thrown: unknown): FerryError {
  if (thrown instanceof FerryError) {
    return thrown;
  }
  const error = ConnectError.from(thrown);
  if (thrown instanceof RangeError || error.rawMessage.includes("readMaxBytes")) {
    return makeError(
      thrown instanceof RangeError ? Code.Internal : Code.ResourceExhausted,
      error.rawMessage,
      {},
      error,
    );
  }
  const isReset = error.rawMessage.startsWith("http/2 stream closed");
  const byUs = error.code === Code.DeadlineExceeded || (error.code === Code.Canceled && !isReset);
  // What came without a status is no answer: the connection broke, in one of the many ways in which that shows.
  if (!error.metadata.has("grpc-status") && !byUs) {
    return unavailable(`the connection to the broker failed: ${error.rawMessage}`, error);
  }
  return makeError(error.code, error.rawMessage, readDetails(error.details), error);
}

/** True if trying again can help. */
export function isTransient(error: FerryError): boolean {
  return error.code === "UNAVAILABLE";
}
