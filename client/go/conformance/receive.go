package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
)

func (s *scene) subscribe(ctx context.Context, arguments given) error {
	var source ferrymq.Source = ferrymq.Queue(arguments.text("queue"))
	var start ferrymq.Point
	if arguments.text("start") == "earliest" {
		start = ferrymq.Earliest
	}
	switch topic := arguments.text("topic"); {
	case arguments.has("group"):
		source = ferrymq.Group{Topic: topic, Name: arguments.text("group"), Create: arguments.flag("create"), Start: start}
	case arguments.has("topic"):
		source = ferrymq.Broadcast{Topic: topic, Start: start}
	}
	var options []ferrymq.SubscriberOption
	if arguments.has("prefetch") {
		options = append(options, ferrymq.Prefetch(arguments.number("prefetch")))
	}
	var subscriber *ferrymq.Subscriber
	var err error
	waiting := until(ctx, "the queue", func() bool {
		subscriber, err = s.client.Subscribe(ctx, source, options...)
		return !arguments.flag("wait_for_queue") || !errors.Is(err, ferrymq.ErrNotFound)
	})
	if waiting != nil {
		return waiting
	}
	if subscriber != nil {
		s.subscribers[arguments.text("as")] = subscriber
	}
	return expect(err, arguments)
}

// expectedOf is what a `receive` expects, one for each delivery.
func expectedOf(arguments given) []given {
	if arguments.has("messages") {
		return arguments.list("messages")
	}
	var all []given
	for _, payload := range arguments.texts("payloads") {
		all = append(all, given{"payload": payload})
	}
	return append(all, make([]given, arguments.number("count"))...)
}

func (s *scene) receive(ctx context.Context, arguments given) error {
	name := arguments.text("from")
	subscriber, err := s.subscriber(name)
	if err != nil {
		return err
	}
	attempts, _ := arguments["attempts"].([]any)
	var taken []*ferrymq.Delivery
	for i, expected := range expectedOf(arguments) {
		delivery, err := subscriber.Next(ctx)
		if err != nil {
			return err
		}
		if err := compare(expected, delivery); err != nil {
			return err
		}
		if i < len(attempts) && attempts[i] != delivery.Attempt {
			return fmt.Errorf("attempt %d of %v", delivery.Attempt, expected)
		}
		taken = append(taken, delivery)
	}
	if arguments.text("settle") == "hold" {
		s.held[name] = append(s.held[name], taken...)
		return nil
	}
	return settle(ctx, taken, arguments.text("settle"), arguments.text("reason"))
}

func settle(ctx context.Context, deliveries []*ferrymq.Delivery, how, reason string) error {
	var settlements []ferrymq.Settlement
	for _, delivery := range deliveries {
		switch how {
		case "":
			return nil
		case "ack":
			settlements = append(settlements, delivery.Ack())
		case "retry":
			settlements = append(settlements, delivery.Retry(reason))
		case "reject":
			settlements = append(settlements, delivery.Reject(reason))
		case "release":
			settlements = append(settlements, delivery.Release())
		default:
			return fmt.Errorf("`%s` settles nothing", how)
		}
	}
	for _, settlement := range settlements {
		if status, err := settlement.Status(ctx); err != nil || status != ferrymq.SettleOK {
			return fmt.Errorf("settled with %v, %w", status, err)
		}
	}
	return nil
}

func (s *scene) settleHeld(ctx context.Context, arguments given) error {
	name, wanted := arguments.text("from"), arguments.texts("payloads")
	var settled, rest []*ferrymq.Delivery
	for _, delivery := range s.held[name] {
		if slices.Contains(wanted, delivery.Text()) {
			settled = append(settled, delivery)
		} else {
			rest = append(rest, delivery)
		}
	}
	if len(settled) != len(wanted) {
		return fmt.Errorf("%d of %q are held", len(settled), wanted)
	}
	s.held[name] = rest
	return settle(ctx, settled, arguments.text("action"), "")
}

func (s *scene) together(ctx context.Context, arguments given) error {
	var all []*ferrymq.Delivery
	for _, name := range arguments.texts("from") {
		all = append(all, s.held[name]...)
		delete(s.held, name)
	}
	came, expected := texts(all), arguments.texts("payloads")
	slices.Sort(came)
	slices.Sort(expected)
	if !slices.Equal(came, expected) {
		return fmt.Errorf("together they hold %q", came)
	}
	return settle(ctx, all, "ack", "")
}

func (s *scene) closeOne(ctx context.Context, arguments given) error {
	name := arguments.text("")
	subscriber, err := s.subscriber(name)
	if err != nil {
		return err
	}
	delete(s.subscribers, name)
	delete(s.held, name)
	return subscriber.Close(ctx)
}

func (s *scene) drain(ctx context.Context, arguments given) error {
	subscriber, err := s.client.Subscribe(ctx, ferrymq.Queue(arguments.text("queue")))
	if err != nil {
		return err
	}
	for len(s.handled) < arguments.number("total") {
		delivery, err := subscriber.Next(ctx)
		if err != nil {
			return err
		}
		if s.handled[delivery.Text()] {
			return fmt.Errorf("%q came twice", delivery.Text())
		}
		s.handled[delivery.Text()] = true
		if err := settle(ctx, []*ferrymq.Delivery{delivery}, "ack", ""); err != nil {
			return err
		}
	}
	return subscriber.Close(ctx)
}

func texts(deliveries []*ferrymq.Delivery) []string {
	all := make([]string, len(deliveries))
	for i, delivery := range deliveries {
		all[i] = delivery.Text()
	}
	return all
}
