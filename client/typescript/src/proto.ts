/** The messages and services of the API as they are generated from proto/ferrymq/v1. */

export * from "./gen/ferrymq/v1/admin_service_pb.js";
export * from "./gen/ferrymq/v1/errors_pb.js";
export * from "./gen/ferrymq/v1/message_pb.js";
export * from "./gen/ferrymq/v1/messaging_service_pb.js";
export * from "./gen/ferrymq/v1/operations_service_pb.js";
export * from "./gen/ferrymq/v1/resources_pb.js";
export * from "./gen/ferrymq/v1/stats_pb.js";
