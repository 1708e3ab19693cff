import assert from "node:assert/strict";
import { test } from "node:test";
import * as api from "@opentelemetry/api";
import type { TraceApi } from "../src/trace.js";
import { inTrace, traceAttributes } from "../src/trace.js";

const KEY = api.createContextKey("parent");
/** As an SDK's, but that it keeps the parent as it is. */
const propagator: api.TextMapPropagator<Record<string, string>> = {
  inject(context, carrier) {
    const parent = context.getValue(KEY);
    if (parent !== undefined) {
      carrier.traceparent = String(parent);
      carrier.baggage = "not ours to carry";
    }
  },
  extract: (context, carrier) => context.setValue(KEY, carrier.traceparent),
  fields: () => ["traceparent"],
};

/** One level of context: enough for what runs at once. */
class Manager implements api.ContextManager {
  #active = api.ROOT_CONTEXT;
  active = () => this.#active;
  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    context: api.Context,
    work: F,
    self?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    const before = this.#active;
    this.#active = context;
    try {
      return work.call(self as ThisParameterType<F>, ...args);
    } finally {
      this.#active = before;
    }
  }
  bind = <T>(_: api.Context, target: T) => target;
  enable = () => this;
  disable = () => this;
}

const real: TraceApi = api;

test("without OpenTelemetry, and without a context, nothing is added", () => {
  assert.equal(traceAttributes(undefined), undefined);
  assert.equal(traceAttributes(real), undefined);
  assert.equal(
    inTrace(undefined, { traceparent: "p" }, () => 1),
    1,
  );
});

test("the context of a publish is there for the handler", () => {
  api.propagation.setGlobalPropagator(propagator);
  api.context.setGlobalContextManager(new Manager());
  const attributes = api.context.with(api.ROOT_CONTEXT.setValue(KEY, "parent-1"), () => traceAttributes(real));
  assert.deepEqual(attributes, { traceparent: "parent-1" });
  const seen = inTrace(real, attributes ?? {}, () => api.context.active().getValue(KEY));
  assert.equal(seen, "parent-1");
});
