import { fromBinary } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import { toFerryError } from "../errors.js";
import { MessagingService } from "../gen/ferrymq/v1/messaging_service_pb.js";
import type { MessageInit, PublishResult } from "../message.js";
import type { Settings } from "../settings.js";
import { traceAttributes } from "../trace.js";
import { writeMessage } from "../wire/message.js";
import { readResult } from "../wire/publish.js";
import { fieldsOf, readerOf } from "../wire/raw.js";
import { Writer } from "../wire/writer.js";
import type { DestinationLike } from "./request.js";
import { requestHead } from "./request.js";

/** Settings of one publish. All are optional. */
export interface PublishOnceOptions {
  /** Deadline. Default: the client's `callTimeoutMs`. */
  timeoutMs?: number;
  /** How long the broker waits for room in a full queue. Default 0: it refuses at once. */
  waitForRoomMs?: number;
  /** Refuse it if a message matches no queue. Default false. */
  requireRoute?: boolean;
}

const { publish } = MessagingService.method;

/** Publishes one batch by one call. */
export async function publishOnce(
  transport: Transport,
  settings: Settings,
  to: DestinationLike,
  messages: readonly MessageInit[],
  options: PublishOnceOptions,
): Promise<PublishResult[]> {
  const { requireRoute = false, waitForRoomMs, timeoutMs = settings.callTimeoutMs } = options;
  const writer = new Writer(1 << 10).raw(requestHead(to, { requireRoute, waitForRoomMs }));
  const trace = traceAttributes(settings.opentelemetry);
  for (const message of messages) {
    writeMessage(writer, 4, message, trace);
  }
  return callPublish(transport, writer.finish(), undefined, timeoutMs);
}

/** The call, with an encoded `PublishRequest`. Throws as the broker says. */
export async function callPublish(
  transport: Transport,
  body: Uint8Array,
  signal: AbortSignal | undefined,
  timeoutMs: number,
): Promise<PublishResult[]> {
  try {
    const method = { ...publish, input: EmptySchema, output: EmptySchema };
    const answer = await transport.unary(method, signal, timeoutMs, undefined, fromBinary(EmptySchema, body));
    return fieldsOf(answer.message)
      .filter((field) => field.no === 1)
      .map((field) => readResult(readerOf(field)));
  } catch (thrown) {
    throw toFerryError(thrown);
  }
}
