package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// poll is how often something is asked for until it is so.
const poll = 10 * time.Millisecond

func (s *scene) step(ctx context.Context, verb string, arguments given) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	steps := map[string]func(context.Context, given) error{
		"topic": s.topic, "queue": s.queue, "publish": s.publish, "publish_once": s.publishOnce, "subscribe": s.subscribe, "receive": s.receive,
		"settle": s.settleHeld, "together": s.together, "stats": s.stats, "pull": s.pull, "read": s.read, "worker": s.worker,
		"worker_stop": s.workerStop, "drain": s.drain, "publish_over_restart": s.publishOverRestart, "close": s.closeOne,
		"break_connections": s.breakConnections,
	}
	if step := steps[verb]; step != nil {
		return step(ctx, arguments)
	}
	return fmt.Errorf("`%s` is no step", verb)
}

// expect is nil if it ended as the arguments say: without an error, or with theirs.
func expect(err error, arguments given) error {
	expected := arguments.sub("error")
	if expected == nil {
		return err
	}
	if err == nil {
		return fmt.Errorf("succeeded, instead of %v", expected)
	}
	var failure *ferrymq.Error
	var code codes.Code
	if e := code.UnmarshalJSON([]byte(`"` + expected.text("code") + `"`)); e != nil {
		return e
	}
	same := errors.As(err, &failure) && failure.Code == code &&
		(!expected.has("reason") || failure.Reason == expected.text("reason")) &&
		(!expected.has("field") || violates(failure, expected.text("field")))
	if !same {
		return fmt.Errorf("failed with %w (%+v), not %v", err, failure, expected)
	}
	return nil
}

func violates(failure *ferrymq.Error, field string) bool {
	return slices.ContainsFunc(failure.Violations, func(v ferrymq.Violation) bool { return v.Field == field })
}

func (s *scene) topic(ctx context.Context, arguments given) error {
	topic := &ferrymqv1.Topic{}
	if err := settings(arguments, topic); err != nil {
		return err
	}
	topic.Name = arguments.text("name")
	_, err := s.client.Admin().CreateTopic(ctx, &ferrymqv1.CreateTopicRequest{Topic: topic})
	return expect(err, arguments)
}

func (s *scene) queue(ctx context.Context, arguments given) error {
	queue := &ferrymqv1.Queue{}
	if err := settings(arguments, queue); err != nil {
		return err
	}
	queue.Name = arguments.text("name")
	request := &ferrymqv1.CreateQueueRequest{Queue: queue}
	for _, binding := range arguments.list("bindings") {
		request.Bindings = append(request.Bindings, &ferrymqv1.Binding{
			Topic: binding.text("topic"), Pattern: binding.text("pattern"), Filter: binding.text("filter"),
		})
	}
	_, err := s.client.Admin().CreateQueue(ctx, request)
	return expect(err, arguments)
}

func publishAll(ctx context.Context, publisher *ferrymq.Publisher, all []ferrymq.Message) ([]ferrymq.Confirm, error) {
	confirms := make([]ferrymq.Confirm, len(all))
	for i, message := range all {
		var err error
		if confirms[i], err = publisher.Publish(ctx, message); err != nil {
			return nil, err
		}
	}
	return confirms, nil
}

func (s *scene) publish(ctx context.Context, arguments given) error {
	all, err := messages(arguments)
	if err != nil {
		return err
	}
	confirms, err := publishAll(ctx, s.publisher(arguments), all)
	if err != nil {
		return expect(err, arguments)
	}
	for _, confirm := range confirms {
		result, err := confirm.Result(ctx)
		if err := expect(err, arguments); err != nil {
			return err
		}
		if arguments.has("queues_matched") && result.QueuesMatched != arguments.number("queues_matched") {
			return fmt.Errorf("went to %d queues", result.QueuesMatched)
		}
	}
	return nil
}

func (s *scene) publishOnce(ctx context.Context, arguments given) error {
	all, err := messages(arguments)
	if err != nil {
		return err
	}
	var options []ferrymq.PublisherOption
	if arguments.has("wait_for_room_ms") {
		wait := time.Duration(arguments.number("wait_for_room_ms")) * time.Millisecond
		options = append(options, ferrymq.WaitForRoom(wait))
	}
	if arguments.has("timeout_ms") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(arguments.number("timeout_ms"))*time.Millisecond)
		defer cancel()
	}
	_, err = s.client.PublishBatch(ctx, destination(arguments), all, options...)
	return expect(err, arguments)
}

// until asks again and again until done is true, or the step's time is over.
func until(ctx context.Context, what string, done func() bool) error {
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("not in time: %s", what)
		case <-time.After(poll):
		}
	}
	return nil
}

func (s *scene) stats(ctx context.Context, arguments given) error {
	name := arguments.text("queue")
	var last *ferrymqv1.QueueStats
	is := func(field string, value int64) bool {
		return !arguments.has(field) || int64(arguments.number(field)) == value
	}
	err := until(ctx, "the numbers", func() bool {
		stats, err := s.client.Admin().GetStats(ctx, &ferrymqv1.GetStatsRequest{Queues: []string{name}})
		if err != nil {
			return false
		}
		last = stats.Queues[name]
		return is("ready", last.GetReady()) && is("unsettled", last.GetUnsettled())
	})
	if err != nil {
		return fmt.Errorf("%w: %v, not %v", err, last, arguments)
	}
	return nil
}

func (s *scene) pull(ctx context.Context, arguments given) error {
	wait := time.Duration(arguments.number("wait_ms")) * time.Millisecond
	pulled, err := s.client.Pull(ctx, ferrymq.Queue(arguments.text("queue")), arguments.number("max"), wait)
	if err != nil {
		return err
	}
	if came, expected := texts(pulled), arguments.texts("payloads"); !slices.Equal(came, expected) {
		return fmt.Errorf("pulled %q", came)
	}
	return settle(ctx, pulled, arguments.text("settle"), "")
}

func (s *scene) read(ctx context.Context, arguments given) error {
	expected, err := messages(arguments)
	if err != nil {
		return err
	}
	points := map[string]ferrymq.Point{"earliest": ferrymq.Earliest, "latest": ferrymq.Latest}
	count := 0
	for delivery, err := range s.client.Read(ctx, arguments.text("topic"), points[arguments.text("start")], points[arguments.text("stop")]) {
		if err != nil {
			return err
		}
		if count == len(expected) || delivery.Text() != string(expected[count].Payload) {
			return fmt.Errorf("read %q as number %d", delivery.Text(), count)
		}
		count++
	}
	if count < len(expected) {
		return fmt.Errorf("read only %d", count)
	}
	return nil
}

func (s *scene) breakConnections(context.Context, given) error {
	_, err := s.stage.tell("break")
	return err
}
