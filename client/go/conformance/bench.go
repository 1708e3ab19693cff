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

const (
	payloadBytes = 1024
	// As the client's batches are: 256 KiB.
	batchMessages = 250
	// Batches that are on their way at once: 16 MiB.
	batchesOpen = 64
)

var payload = bytes.Repeat([]byte("x"), payloadBytes)

// measure counts what it does for so long.
type measure func(ctx context.Context, url string, length time.Duration) (int, error)

// bench prints the speed of the client, and of the bare stubs against a server that does nothing: the same batches, deliveries and acks.
func bench(ctx context.Context, url, noopURL, seconds string) error {
	count, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return err
	}
	measures := []struct {
		name    string
		url     string
		measure measure
	}{
		{"publish", url, publishBench},
		{"through", url, throughBench},
		{"noop publish", noopURL, barePublish},
		{"noop through", noopURL, bareThrough},
	}
	lines := json.NewEncoder(os.Stdout)
	for _, m := range measures {
		begin := time.Now()
		messages, err := m.measure(ctx, m.url, time.Duration(count*float64(time.Second)))
		if err != nil {
			return err
		}
		rate := math.Round(float64(messages) / time.Since(begin).Seconds())
		if err := lines.Encode(map[string]any{"name": m.name, "messages_per_second": rate}); err != nil {
			return err
		}
	}
	return nil
}

func benchClient(ctx context.Context, url, queue string) (*ferrymq.Client, error) {
	client, err := ferrymq.Connect(url)
	if err != nil {
		return nil, err
	}
	request := &ferrymqv1.CreateQueueRequest{Queue: &ferrymqv1.Queue{Name: queue}}
	_, err = client.Admin().CreateQueue(ctx, request)
	return client, err
}

func publishBench(ctx context.Context, url string, length time.Duration) (int, error) {
	client, err := benchClient(ctx, url, "bench-publish")
	if err != nil {
		return 0, err
	}
	count, err := publishFor(ctx, client.Publisher(ferrymq.Queue("bench-publish")), length)
	if err != nil {
		return 0, err
	}
	return count, client.Close(ctx)
}

func publishFor(ctx context.Context, publisher *ferrymq.Publisher, length time.Duration) (int, error) {
	count := 0
	for end := time.Now().Add(length); time.Now().Before(end); count++ {
		if _, err := publisher.Publish(ctx, ferrymq.Message{Payload: payload}); err != nil {
			return 0, err
		}
	}
	return count, publisher.Close(ctx)
}

func throughBench(ctx context.Context, url string, length time.Duration) (int, error) {
	client, err := benchClient(ctx, url, "bench-through")
	if err != nil {
		return 0, err
	}
	queue := ferrymq.Queue("bench-through")
	subscriber, err := client.Subscribe(ctx, queue, ferrymq.Prefetch(10_000), ferrymq.PrefetchBytes(16<<20))
	if err != nil {
		return 0, err
	}
	type published struct {
		count int
		err   error
	}
	publishing := make(chan published, 1)
	go func() {
		count, err := publishFor(ctx, client.Publisher(queue), length)
		publishing <- published{count, err}
	}()
	total, acked := math.MaxInt, 0
	for acked < total {
		select {
		case p := <-publishing:
			if p.err != nil {
				return 0, p.err
			}
			total = p.count
			continue
		default:
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		delivery, err := subscriber.Next(short)
		cancel()
		if short.Err() != nil && err != nil {
			continue
		}
		if err != nil {
			return 0, err
		}
		delivery.Ack()
		acked++
	}
	return acked, client.Close(ctx)
}
