/** Trace context in the attributes of messages, where OpenTelemetry is in the program. */

/** What is used of `@opentelemetry/api`. */
export interface TraceApi {
  /** Its `context`. */
  context: { active(): unknown; with(context: never, work: () => unknown): unknown };
  /** Its `propagation`. */
  propagation: {
    inject(context: never, carrier: Record<string, string>): void;
    extract(context: never, carrier: Readonly<Record<string, string>>): unknown;
  };
  /** Its `ROOT_CONTEXT`. */
  ROOT_CONTEXT: unknown;
}

const FIELDS = ["traceparent", "tracestate"] as const;

/** The attributes that a message published now gets, unless it has them itself. */
export function traceAttributes(api: TraceApi | undefined): Record<string, string> | undefined {
  if (api === undefined) {
    return undefined;
  }
  const carrier: Record<string, string> = {};
  api.propagation.inject(api.context.active() as never, carrier);
  let attributes: Record<string, string> | undefined;
  for (const field of FIELDS) {
    const value = carrier[field];
    if (value) {
      attributes ??= {};
      attributes[field] = value;
    }
  }
  return attributes;
}

/** Does `work` in the context that a message came with. */
export function inTrace<T>(api: TraceApi | undefined, attributes: Readonly<Record<string, string>>, work: () => T): T {
  if (api === undefined || attributes.traceparent === undefined) {
    return work();
  }
  const context = api.propagation.extract(api.ROOT_CONTEXT as never, attributes);
  return api.context.with(context as never, work) as T;
}
