package ferrymq

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// tracer carries trace context in the attributes of messages.
type tracer struct {
	inject  func(context.Context, carrier)
	extract func(context.Context, carrier) context.Context
}

// Propagator is what this package uses of OpenTelemetry's propagation.TextMapPropagator, where C is its TextMapCarrier.
type Propagator[C any] interface {
	// Inject sets the trace context of ctx in carrier.
	Inject(ctx context.Context, carrier C)
	// Extract is ctx with the trace context that is in carrier.
	Extract(ctx context.Context, carrier C) context.Context
}

// WithPropagator carries trace context in the attributes traceparent and tracestate: set on publish from the context, and in the context of the
// handlers of workers. With OpenTelemetry: ferrymq.WithPropagator(otel.GetTextMapPropagator()). So a program that does not trace depends on nothing.
func WithPropagator[C any](propagator Propagator[C]) Option {
	if _, ok := any(carrier{}).(C); !ok {
		panic(fmt.Sprintf("ferrymq: a propagator with a carrier of %T", *new(C)))
	}
	asTheirs := func(c carrier) C { return any(c).(C) }
	return func(s *settings) {
		s.trace.inject = func(ctx context.Context, c carrier) { propagator.Inject(ctx, asTheirs(c)) }
		s.trace.extract = func(ctx context.Context, c carrier) context.Context {
			return propagator.Extract(ctx, asTheirs(c))
		}
	}
}

// attributes of a message that is published now and has these already.
func (t tracer) attributes(ctx context.Context, given map[string]string) traceAttributes {
	if t.inject == nil {
		return traceAttributes{}
	}
	c := carrier{}
	t.inject(ctx, c)
	return traceAttributes{parent: c[traceParent], state: c[traceState]}.without(given)
}

// context is ctx with what a message came with.
func (t tracer) context(ctx context.Context, attributes map[string]string) context.Context {
	if t.extract == nil || attributes[traceParent] == "" {
		return ctx
	}
	return t.extract(ctx, carrier(attributes))
}

// carrier is a TextMapCarrier of OpenTelemetry's.
type carrier map[string]string

// Get is the value of a key.
func (c carrier) Get(key string) string { return c[key] }

// Set sets the value of a key.
func (c carrier) Set(key, value string) { c[key] = value }

// Keys are all of them.
func (c carrier) Keys() []string { return slices.Collect(maps.Keys(c)) }
