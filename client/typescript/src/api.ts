/** What Node.js and browsers have in common. */

export type { Admin } from "./admin.js";
export { Client } from "./client.js";
export type { Point, Source, SubscribeOptions, SubscriberOptions } from "./consume/source.js";
export type { DeadLetter } from "./delivery.js";
export { Delivery } from "./delivery.js";
export type { ErrorCode, Violation } from "./errors.js";
export {
  AlreadyExistsError,
  ExhaustedError,
  FailedPreconditionError,
  FerryError,
  InvalidArgumentError,
  NotFoundError,
  TimeoutError,
  UnavailableError,
} from "./errors.js";
export type { MessageFields, MessageInit, Position, PublishResult } from "./message.js";
export { Message } from "./message.js";
export type { PublishOnceOptions } from "./publish/once.js";
export type { Destination, DestinationLike } from "./publish/request.js";
export { Confirm, Publisher } from "./publisher.js";
export type { PullOptions } from "./pull.js";
export type { BackoffSettings, ClientOptions, PublisherOptions, TlsSettings } from "./settings.js";
export type { SettleStatusName } from "./settle.js";
export { Settled } from "./settle.js";
export { Subscriber } from "./subscriber.js";
export type { TraceApi } from "./trace.js";
export type { Handler, WorkerOptions } from "./worker.js";
export { Reject, Worker } from "./worker.js";
