import type { DescService } from "@bufbuild/protobuf";
import type { CallOptions, Client as Stub, Transport } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import { toFerryError } from "./errors.js";
import { AdminService } from "./gen/ferrymq/v1/admin_service_pb.js";
import { OperationsService } from "./gen/ferrymq/v1/operations_service_pb.js";

/** Topics, queues, bindings, snapshots, stats and repair: a method for each call of `AdminService` and `OperationsService`, with its messages. */
export type Admin = Stub<typeof AdminService> & Stub<typeof OperationsService>;

/** The calls of both services, with a deadline, throwing our errors. */
export function adminOf(transport: Transport, timeoutMs: number): Admin {
  return { ...calls(AdminService, transport, timeoutMs), ...calls(OperationsService, transport, timeoutMs) };
}

type Call = (request: object, options?: CallOptions) => Promise<unknown> | AsyncIterable<unknown>;

function calls<S extends DescService>(service: S, transport: Transport, timeoutMs: number): Stub<S> {
  const stub = createClient(service, transport) as Record<string, Call>;
  const made: Record<string, Call> = {};
  for (const { localName, methodKind } of service.methods) {
    const call = stub[localName] as Call;
    made[localName] =
      methodKind === "unary"
        ? async (request, options) => {
            try {
              return await call(request, { timeoutMs, ...options });
            } catch (thrown) {
              throw toFerryError(thrown);
            }
          }
        : (request, options) => translated(call(request, options) as AsyncIterable<unknown>);
  }
  return made as Stub<S>;
}

async function* translated(stream: AsyncIterable<unknown>) {
  try {
    yield* stream;
  } catch (thrown) {
    throw toFerryError(thrown);
  }
}
