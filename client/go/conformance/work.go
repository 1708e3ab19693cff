package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
)

// set is payloads that were seen by several goroutines.
type set struct {
	mu  sync.Mutex
	all map[string]bool
}

func newSet() *set { return &set{all: make(map[string]bool)} }

// add adds one and returns how many there are.
func (s *set) add(payload string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[payload] = true
	return len(s.all)
}

func (s *set) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

func (s *scene) worker(ctx context.Context, arguments given) error {
	failOnce, reject := arguments.texts("fail_once"), arguments.texts("reject")
	done, rejected := newSet(), newSet()
	allDone, allRejected := len(arguments.texts("done")), len(reject)
	working, stop := context.WithCancel(ctx)
	defer stop()
	handler := func(_ context.Context, delivery *ferrymq.Delivery) error {
		payload := delivery.Text()
		defer func() {
			if done.len() == allDone && rejected.len() == allRejected {
				stop()
			}
		}()
		switch {
		case slices.Contains(reject, payload):
			rejected.add(payload)
			return ferrymq.Reject("hopeless")
		case slices.Contains(failOnce, payload) && delivery.Attempt == 1:
			return errors.New("the first time")
		default:
			done.add(payload)
			return nil
		}
	}
	source := ferrymq.Queue(arguments.text("queue"))
	if err := s.client.Work(working, source, handler, ferrymq.Concurrency(arguments.number("concurrency"))); err != nil {
		return err
	}
	return ctx.Err()
}

func (s *scene) workerStop(ctx context.Context, arguments given) error {
	handled := newSet()
	working, stop := context.WithCancel(ctx)
	defer stop()
	handler := func(_ context.Context, delivery *ferrymq.Delivery) error {
		if handled.add(delivery.Text()) >= arguments.number("stop_after") {
			stop()
		}
		return nil
	}
	source := ferrymq.Queue(arguments.text("queue"))
	err := s.client.Work(working, source, handler, ferrymq.Concurrency(arguments.number("concurrency")))
	s.handled = handled.all
	if err != nil {
		return err
	}
	return ctx.Err()
}

func (s *scene) publishOverRestart(ctx context.Context, arguments given) error {
	subscriber, err := s.subscriber(arguments.text("as"))
	if err != nil {
		return err
	}
	all, err := messages(arguments)
	if err != nil {
		return err
	}
	received := make(chan error, 1)
	go func() { received <- receiveAll(ctx, subscriber, len(all)) }()
	confirms, err := publishAll(ctx, s.publisher(arguments), all)
	if err != nil {
		return err
	}
	for i, confirm := range confirms {
		if i == arguments.number("kill_after") {
			if _, err := s.stage.tell("kill"); err != nil {
				return err
			}
		}
		if _, err := confirm.Result(ctx); err != nil {
			return fmt.Errorf("confirm %d: %w", i, err)
		}
	}
	if err := <-received; err != nil {
		return err
	}
	return s.ackRest(ctx, subscriber)
}

// receiveAll acks all that comes until so many payloads were seen.
func receiveAll(ctx context.Context, subscriber *ferrymq.Subscriber, total int) error {
	seen := make(map[string]bool)
	for delivery, err := range subscriber.All(ctx) {
		if err != nil {
			return fmt.Errorf("after %d payloads: %w", len(seen), err)
		}
		seen[delivery.Text()] = true
		delivery.Ack()
		if len(seen) == total {
			return nil
		}
	}
	return errors.New("the stream has ended")
}

// ackRest acks what comes a second time, for as long as the scenario lasts.
func (s *scene) ackRest(ctx context.Context, subscriber *ferrymq.Subscriber) error {
	go func() {
		for delivery, err := range subscriber.All(context.WithoutCancel(ctx)) {
			if err != nil {
				return
			}
			delivery.Ack()
		}
	}()
	return nil
}
