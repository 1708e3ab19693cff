/** The part of a `PublishRequest` that every batch of a publisher begins with. */

import { create, toBinary } from "@bufbuild/protobuf";
import { PublishRequestSchema } from "../gen/ferrymq/v1/messaging_service_pb.js";
import { wireDuration } from "../wire/duration.js";

/** Where messages go: exactly one of these. */
export type Destination =
  | {
      /** To every queue bound to this topic whose binding matches. */
      topic: string;
    }
  | {
      /** Straight into this queue. */
      queue: string;
    }
  | {
      /** To whom a received message's `replyTo` names. */
      replyTo: string;
    };

/** What a batch can ask for. */
export interface RequestOptions {
  requireRoute: boolean;
  waitForRoomMs: number | undefined;
}

/** A topic's name, or where messages go. */
export type DestinationLike = string | Destination;

/** A request without messages, encoded. */
export function requestHead(to: DestinationLike, options: RequestOptions): Uint8Array {
  const request = create(PublishRequestSchema, {
    destination: destinationOf(typeof to === "string" ? { topic: to } : to),
    requireRoute: options.requireRoute,
  });
  if (options.waitForRoomMs !== undefined) {
    request.waitForRoom = wireDuration(options.waitForRoomMs);
  }
  return toBinary(PublishRequestSchema, request);
}

/** The destination for a log line. */
export function destinationName(to: DestinationLike): string {
  if (typeof to === "string") {
    return `topic ${to}`;
  }
  const { case: kind, value } = destinationOf(to);
  return `${kind} ${value}`;
}

function destinationOf(to: Destination) {
  if ("topic" in to) {
    return { case: "topic" as const, value: to.topic };
  }
  return "queue" in to ? { case: "queue" as const, value: to.queue } : { case: "replyTo" as const, value: to.replyTo };
}
