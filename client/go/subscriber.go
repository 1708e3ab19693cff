package ferrymq

import (
	"context"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// Subscriber is a stream of deliveries. It goes on by itself when its connection breaks, with what the program holds; it ends only where trying again
// cannot help. Close it.
type Subscriber struct {
	client  *Client
	name    string
	request *ferrymqv1.SubscribeRequest
	inbox   *inbox
	pending *pending

	// Ends the connection, or the attempts to make one.
	life context.Context
	stop context.CancelFunc
	// Closed once the broker has opened it for the first time.
	opened     chan struct{}
	openedOnce sync.Once
	// Closed once it has ended; err is set before: nil after Close and at the stop of a broadcast.
	ended   chan struct{}
	err     error
	closing atomic.Bool

	// Only the goroutine that receives uses it.
	lastTopic string
	// The broker's time just before a broadcast was opened first, if a point of it is what was latest then: this is that point after a break.
	since *timestamppb.Timestamp
}

// Subscribe opens a stream of deliveries of a source, and returns once the broker has opened it: what is published from then on comes. While there is
// no broker it goes on trying until ctx ends; the subscriber itself lives until it is closed.
func (c *Client) Subscribe(ctx context.Context, source Source, options ...SubscriberOption) (*Subscriber, error) {
	if group, ok := source.(Group); ok && group.Name == "" {
		return nil, invalidField("group", "is not named")
	}
	request, name := c.subscribeRequest(source, options)
	s := &Subscriber{
		client: c, name: name, request: request, inbox: newInbox(), pending: &pending{news: newSignal()},
		opened: make(chan struct{}), ended: make(chan struct{}),
	}
	s.life, s.stop = context.WithCancel(context.Background())
	if err := c.keep(s, streams); err != nil {
		return nil, err
	}
	go s.run()
	select {
	case <-s.opened:
		return s, nil
	case <-s.ended:
		return s.endedEarly()
	case <-ctx.Done():
		s.stop()
		<-s.ended
		return nil, toError(ctx.Err())
	}
}

// endedEarly is what Subscribe returns for one that has ended: if it had been opened, it brings what came before it ended.
func (s *Subscriber) endedEarly() (*Subscriber, error) {
	select {
	case <-s.opened:
		return s, nil
	default:
	}
	if s.err != nil {
		return nil, s.err
	}
	return nil, errSubscriberClosed()
}

// Next waits for the next delivery. It is io.EOF after Close and at the stop of a broadcast, else the error that ended the subscriber, or ctx's.
func (s *Subscriber) Next(ctx context.Context) (*Delivery, error) {
	for {
		if ctx.Err() != nil {
			return nil, toError(ctx.Err())
		}
		if d := s.inbox.take(true); d != nil {
			return d, nil
		}
		select {
		case <-s.inbox.arrived:
		case <-ctx.Done():
		case <-s.ended:
			s.inbox.awake()
			return s.last()
		}
		s.inbox.awake()
	}
}

// last is what Next brings after the end.
func (s *Subscriber) last() (*Delivery, error) {
	if d := s.inbox.take(false); d != nil {
		return d, nil
	}
	if s.err != nil {
		return nil, s.err
	}
	return nil, io.EOF
}

// All is the deliveries as they come: for delivery, err := range subscriber.All(ctx). It ends after Close and at the stop of a broadcast. An error,
// also that ctx has ended, is the last that comes. Leaving the loop leaves the subscriber as it is.
func (s *Subscriber) All(ctx context.Context) iter.Seq2[*Delivery, error] {
	return func(yield func(*Delivery, error) bool) {
		for {
			d, err := s.Next(ctx)
			if err == io.EOF || !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// Close ends it: nothing more comes, settlements are answered, and what is not settled goes back without a failure; settling it later fails. Where ctx
// ends first, or the broker does not answer within the call timeout, the stream is cut off.
func (s *Subscriber) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.client.settings.callTimeout)
	defer cancel()
	s.closing.Store(true)
	s.pending.close(errSubscriberClosed())
	s.inbox.clear()
	if isBroadcast(s.request) {
		s.stop()
	}
	select {
	case <-s.ended:
	case <-ctx.Done():
		s.stop()
		<-s.ended
		return toError(ctx.Err())
	}
	return nil
}

func errSubscriberClosed() error { return unavailable("the subscriber is closed") }

// settle implements settler.
func (s *Subscriber) settle(d *Delivery, a action) Settlement { return s.pending.add(d, a) }

// context implements settler.
func (s *Subscriber) context(ctx context.Context, d *Delivery) context.Context {
	return s.client.settings.trace.context(ctx, d.Attributes)
}

// Read reads a topic from one point to another as a bounded broadcast: for delivery, err := range client.Read(ctx, "orders", ferrymq.Earliest,
// ferrymq.Latest). It goes on after its last position when the connection breaks. Without a stop it does not end by itself. There is nothing to
// settle; leaving the loop ends it.
func (c *Client) Read(ctx context.Context, topic string, start, stop Point) iter.Seq2[*Delivery, error] {
	return func(yield func(*Delivery, error) bool) {
		s, err := c.Subscribe(ctx, Broadcast{Topic: topic, Start: start, Stop: stop})
		if err != nil {
			yield(nil, err)
			return
		}
		// What a broadcast ends with is of no interest to anyone.
		defer func() { _ = s.Close(context.WithoutCancel(ctx)) }()
		s.All(ctx)(yield)
	}
}
