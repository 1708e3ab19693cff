package main

import (
	"context"
	"errors"
	"math"
	"time"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
)

// clientPublish publishes with the client.
type clientPublish struct {
	client    *ferrymq.Client
	publisher *ferrymq.Publisher
}

func newClientPublish(_ context.Context, url, queue string) (*clientPublish, error) {
	client, err := ferrymq.Connect(url)
	if err != nil {
		return nil, err
	}
	return &clientPublish{client, client.Publisher(ferrymq.Queue(queue))}, nil
}

func (p *clientPublish) run(ctx context.Context, length time.Duration) (int, time.Duration, error) {
	begin, count := time.Now(), 0
	var last ferrymq.Confirm
	for ; time.Since(begin) < length; count++ {
		var err error
		if last, err = p.publisher.Publish(ctx, ferrymq.Message{Payload: payload}); err != nil {
			return 0, 0, err
		}
	}
	_, err := last.Result(ctx)
	return count, time.Since(begin), err
}

func (p *clientPublish) close(ctx context.Context) error { return p.client.Close(ctx) }

// clientConsume takes and acks with the client.
type clientConsume struct {
	client     *ferrymq.Client
	subscriber *ferrymq.Subscriber
}

func newClientConsume(ctx context.Context, url, queue string) (*clientConsume, error) {
	client, err := ferrymq.Connect(url)
	if err != nil {
		return nil, err
	}
	s, err := client.Subscribe(ctx, ferrymq.Queue(queue), ferrymq.Prefetch(prefetch), ferrymq.PrefetchBytes(prefetchBytes))
	return &clientConsume{client, s}, err
}

func (c *clientConsume) run(ctx context.Context, length time.Duration) (int, time.Duration, error) {
	limited, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	begin, acked := time.Now(), 0
	for {
		delivery, err := c.subscriber.Next(limited)
		if errors.Is(err, context.DeadlineExceeded) {
			return acked, time.Since(begin), nil
		}
		if err != nil {
			return 0, 0, err
		}
		delivery.Ack()
		acked++
	}
}

func (c *clientConsume) close(ctx context.Context) error { return c.client.Close(ctx) }

// clientThrough publishes to a queue and takes and acks from it, at the same time, until all has been.
type clientThrough struct {
	publish *clientPublish
	consume *clientConsume
}

func newClientThrough(ctx context.Context, url, queue string) (*clientThrough, error) {
	publish, err := newClientPublish(ctx, url, queue)
	if err != nil {
		return nil, err
	}
	consume, err := newClientConsume(ctx, url, queue)
	return &clientThrough{publish, consume}, err
}

func (b *clientThrough) run(ctx context.Context, length time.Duration) (int, time.Duration, error) {
	begin, count := time.Now(), 0
	var failure error
	publishing, published := context.WithCancel(ctx)
	go func() {
		defer published()
		count, _, failure = b.publish.run(ctx, length)
	}()
	acked, err := b.take(publishing, math.MaxInt)
	// All is published when this has ended, or nothing more comes.
	<-publishing.Done()
	if failure != nil || err != nil && !errors.Is(err, context.Canceled) {
		return 0, 0, errors.Join(failure, err)
	}
	_, err = b.take(ctx, count-acked)
	return count, time.Since(begin), err
}

// take takes and acks so many; how many it did. It waits for the last to be acked.
func (b *clientThrough) take(ctx context.Context, count int) (acked int, err error) {
	var last ferrymq.Settlement
	for ; acked < count; acked++ {
		delivery, err := b.consume.subscriber.Next(ctx)
		if err != nil {
			return acked, err
		}
		last = delivery.Ack()
	}
	if acked == 0 {
		return 0, nil
	}
	return acked, last.Wait(ctx)
}

func (b *clientThrough) close(ctx context.Context) error {
	return errors.Join(b.publish.close(ctx), b.consume.close(ctx))
}
