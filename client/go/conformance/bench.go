package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"strconv"
	"time"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// What every language measures: see Speed in tests/conformance/README.md.
const (
	payloadBytes  = 1024
	prefetch      = 10_000
	prefetchBytes = 64 << 20
	// The queue of the server that does nothing.
	noopQueue = "noop-1024"
)

var payload = bytes.Repeat([]byte("x"), payloadBytes)

// measured is one way to work, made once and run twice: first uncounted.
type measured interface {
	// run works for so long, and returns how many messages in how much time.
	run(ctx context.Context, length time.Duration) (int, time.Duration, error)
	close(ctx context.Context) error
}

// bench prints the speed of the client on a broker, and beside bare stubs on a server that does nothing.
func bench(ctx context.Context, url, noopURL, seconds string) error {
	length, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return err
	}
	rows := []struct {
		name string
		open func(context.Context) (measured, error)
	}{
		{"broker publish", onBroker(url, "bench-publish", newClientPublish)},
		{"broker through", onBroker(url, "bench-through", newClientThrough)},
		{"client publish", func(ctx context.Context) (measured, error) { return newClientPublish(ctx, noopURL, noopQueue) }},
		{"client consume", func(ctx context.Context) (measured, error) { return newClientConsume(ctx, noopURL, noopQueue) }},
		{"stubs publish", func(ctx context.Context) (measured, error) { return newBarePublish(ctx, noopURL) }},
		{"stubs consume", func(ctx context.Context) (measured, error) { return newBareConsume(ctx, noopURL) }},
	}
	lines := json.NewEncoder(os.Stdout)
	for _, row := range rows {
		rate, err := measure(ctx, row.open, time.Duration(length*float64(time.Second)))
		if err != nil {
			return err
		}
		if err := lines.Encode(map[string]any{"name": row.name, "messages_per_second": rate}); err != nil {
			return err
		}
	}
	return nil
}

func measure(ctx context.Context, open func(context.Context) (measured, error), length time.Duration) (float64, error) {
	m, err := open(ctx)
	if err != nil {
		return 0, err
	}
	if _, _, err := m.run(ctx, length/2); err != nil {
		return 0, err
	}
	messages, took, err := m.run(ctx, length)
	if err != nil {
		return 0, err
	}
	return math.Round(float64(messages) / took.Seconds()), m.close(ctx)
}

// onBroker is a measure on a queue that is made for it and deleted after.
func onBroker[M measured](url, queue string, open func(context.Context, string, string) (M, error)) func(context.Context) (measured, error) {
	return func(ctx context.Context) (measured, error) {
		client, err := ferrymq.Connect(url)
		if err != nil {
			return nil, err
		}
		request := &ferrymqv1.CreateQueueRequest{Queue: &ferrymqv1.Queue{Name: queue}}
		if _, err := client.Admin().CreateQueue(ctx, request); err != nil {
			return nil, err
		}
		m, err := open(ctx, url, queue)
		return ownQueue{m, client, queue}, err
	}
}

type ownQueue struct {
	measured
	client *ferrymq.Client
	queue  string
}

func (o ownQueue) close(ctx context.Context) error {
	if err := o.measured.close(ctx); err != nil {
		return err
	}
	if _, err := o.client.Admin().DeleteQueue(ctx, &ferrymqv1.DeleteQueueRequest{Name: o.queue, Force: true}); err != nil {
		return err
	}
	return o.client.Close(ctx)
}
