/** Where deliveries come from, and the request that says so. */

import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { LogPoint } from "../gen/ferrymq/v1/message_pb.js";
import { LogEdge, LogPointSchema, PositionSchema } from "../gen/ferrymq/v1/message_pb.js";
import type { SubscribeRequest } from "../gen/ferrymq/v1/messaging_service_pb.js";
import { SubscribeRequestSchema } from "../gen/ferrymq/v1/messaging_service_pb.js";
import type { Position } from "../message.js";
import { wireDuration } from "../wire/duration.js";

/** A place in a topic: its ends, a position (inclusive), or the first message published at or after a time. */
export type Point = "earliest" | "latest" | Position | Date;

/** A queue, a group of a topic, or with a topic alone everything that is published to it from now on (a broadcast: nothing to settle). */
export type Source =
  | {
      /** A queue. */
      queue: string;
    }
  | {
      /** A topic. */
      topic: string;
      /** Consumers of one group share the topic's messages. Left out: a broadcast. */
      group?: string;
      /** Make the group if it is not there. Default false: NOT_FOUND, so that a typo leaves no queue behind. */
      create?: boolean;
      /** Where a broadcast, or a group that is made now, begins. Default "latest". */
      start?: Point;
      /** Pattern of routing keys, for a broadcast or a group that is made now. Default: all. */
      pattern?: string;
      /** Filter, for a broadcast or a group that is made now. Default: all. */
      filter?: string;
    };

/** Settings of a subscriber. All are optional. */
export interface SubscriberOptions {
  /** Most unsettled messages. 1 to 100,000, default 256. */
  prefetch?: number;
  /** Most unsettled bytes. 1 to 256 MiB, default 8 MiB; one message always comes. */
  prefetchBytes?: number;
  /** A stream that breaks is taken up again within this time, and the broker keeps its deliveries for it. At most 60,000, default 30,000. */
  resumeWithinMs?: number;
  /** How long a delivery is this consumer's. 1 s to the queue's `max_lease`. Default: the queue's lease; the broker prolongs it. */
  leaseMs?: number;
  /** Settled before it is sent: a crash loses it and it never comes twice. Default false: at least once. */
  atMostOnce?: boolean;
  /** Shown in stats and logs. At most 128 bytes. */
  consumer?: string;
}

/** What a subscriber is made of. */
export type SubscribeOptions = Source & SubscriberOptions & { stop?: Point };

/** The request for it. */
export function subscribeRequest(options: SubscribeOptions, maxResponseBytes: number): SubscribeRequest {
  const request = create(SubscribeRequestSchema, {
    prefetch: options.prefetch ?? 256,
    prefetchBytes: BigInt(options.prefetchBytes ?? 8 << 20),
    maxResponseBytes,
    atMostOnce: options.atMostOnce ?? false,
    consumer: options.consumer ?? "",
  });
  setSource(request, options);
  if (options.stop !== undefined) {
    request.stop = logPoint(options.stop);
  }
  if (options.leaseMs !== undefined) {
    request.lease = wireDuration(options.leaseMs);
  }
  if (!isBroadcast(options)) {
    request.resumeWithin = wireDuration(options.resumeWithinMs ?? 30_000);
  }
  return request;
}

function setSource(request: SubscribeRequest, source: Source): void {
  if ("queue" in source) {
    request.source = { case: "queue", value: source.queue };
    return;
  }
  request.source = { case: "topic", value: source.topic };
  request.group = source.group ?? "";
  request.createIfMissing = source.create ?? false;
  request.pattern = source.pattern ?? "";
  request.filter = source.filter ?? "";
  if (source.start !== undefined) {
    request.start = logPoint(source.start);
  }
}

/** True if nothing of it is settled. */
export function isBroadcast(source: Source): boolean {
  return !("queue" in source) && source.group === undefined;
}

/** True if a broadcast begins or ends where the topic's end is when it is opened: another opening has to mean the same place. */
export function hasLatest(request: SubscribeRequest): boolean {
  return beginsAtLatest(request) || isLatest(request.stop);
}

/** A broadcast that is opened once more: the topic's end is where it was at this time. */
export function fixLatest(request: SubscribeRequest, since: Timestamp): void {
  if (beginsAtLatest(request)) {
    request.start = atTime(since);
  }
  if (isLatest(request.stop)) {
    request.stop = atTime(since);
  }
}

function beginsAtLatest({ start }: SubscribeRequest): boolean {
  return start === undefined || isLatest(start);
}

function isLatest(point: LogPoint | undefined): boolean {
  return point?.at.case === "edge" && point.at.value === LogEdge.LATEST;
}

function atTime(value: Timestamp): LogPoint {
  return create(LogPointSchema, { at: { case: "time", value } });
}

/** The source for a log line. */
export function sourceName(source: Source): string {
  if ("queue" in source) {
    return `queue ${source.queue}`;
  }
  return source.group === undefined ? `topic ${source.topic}` : `group ${source.group} of topic ${source.topic}`;
}

/** A point as the API has it. */
export function logPoint(point: Point): LogPoint {
  if (point === "earliest" || point === "latest") {
    const value = point === "earliest" ? LogEdge.EARLIEST : LogEdge.LATEST;
    return create(LogPointSchema, { at: { case: "edge", value } });
  }
  if (point instanceof Date) {
    return atTime(timestampFromDate(point));
  }
  const value = create(PositionSchema, { log: BigInt(point.log), offset: BigInt(point.offset) });
  return create(LogPointSchema, { at: { case: "position", value } });
}
