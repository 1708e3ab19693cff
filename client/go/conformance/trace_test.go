package main

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
	"github.com/ferrymq/ferrymq/client/go/ferrymqtest"
	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// One line switches it on: the option below.
func TestTraceContextOfOpenTelemetryReachesTheHandler(t *testing.T) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	client := ferrymqtest.Start(t).Client(t, ferrymq.WithPropagator(otel.GetTextMapPropagator()))
	queue := &ferrymqv1.Queue{Name: "work"}
	if _, err := client.Admin().CreateQueue(t.Context(), &ferrymqv1.CreateQueueRequest{Queue: queue}); err != nil {
		t.Fatal(err)
	}
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	publishing := trace.ContextWithSpanContext(t.Context(), span)
	if _, err := client.Publisher(ferrymq.Queue("work")).Publish(publishing, ferrymq.Text("hello")); err != nil {
		t.Fatal(err)
	}
	working, stop := context.WithCancel(t.Context())
	err := client.Work(working, ferrymq.Queue("work"), func(ctx context.Context, delivery *ferrymq.Delivery) error {
		if came := trace.SpanContextFromContext(ctx); came.TraceID() != span.TraceID() || came.SpanID() != span.SpanID() {
			t.Errorf("%v came with %v", came, delivery.Attributes)
		}
		stop()
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
