package ferrymq

import (
	"context"
	"testing"
)

// textMapCarrier is as OpenTelemetry has it.
type textMapCarrier interface {
	Get(key string) string
	Set(key, value string)
	Keys() []string
}

type traceKey struct{}

// propagator is as OpenTelemetry's are.
type propagator struct{}

func (propagator) Inject(ctx context.Context, carrier textMapCarrier) {
	if parent, ok := ctx.Value(traceKey{}).(string); ok {
		carrier.Set("traceparent", parent)
		carrier.Set("baggage", "left out")
	}
}

func (propagator) Extract(ctx context.Context, carrier textMapCarrier) context.Context {
	return context.WithValue(ctx, traceKey{}, carrier.Get("traceparent"))
}

func (propagator) Fields() []string { return []string{"traceparent"} }

func TestTraceContextTravelsInAttributes(t *testing.T) {
	var s settings
	WithPropagator(propagator{})(&s)
	ctx := context.WithValue(context.Background(), traceKey{}, "parent")
	if came := s.trace.attributes(ctx, nil); came != (traceAttributes{parent: "parent"}) {
		t.Errorf("set %v", came)
	}
	if came := s.trace.attributes(ctx, map[string]string{"traceparent": "own"}); came != (traceAttributes{}) {
		t.Errorf("set %v over the program's own", came)
	}
	if came := s.trace.attributes(context.Background(), nil); came != (traceAttributes{}) {
		t.Errorf("set %v without a context", came)
	}
	handling := s.trace.context(context.Background(), map[string]string{"traceparent": "parent"})
	if handling.Value(traceKey{}) != "parent" {
		t.Error("the handler has no context")
	}
}

func TestWithoutAPropagatorNothingIsSet(t *testing.T) {
	var s settings
	if came := s.trace.attributes(context.Background(), nil); came != (traceAttributes{}) {
		t.Errorf("set %v", came)
	}
}
