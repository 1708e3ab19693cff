package ferrymq

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc/codes"
)

// Handler does the work of one delivery. nil acks it; an error retries it with the error's text as the reason; one made by [Reject] dead-letters it. Its
// context has the values of the worker's and the trace context of the message; it is cancelled when a worker that stops can wait no longer. A
// handler may settle the delivery itself: the first settlement counts. One that panics ends the program, as anywhere; its deliveries come again.
type Handler func(ctx context.Context, delivery *Delivery) error

// RejectError says that a delivery will never work.
type RejectError struct {
	// Reason for the person who looks into the dead-letter queue.
	Reason string
}

// Error is the reason.
func (e *RejectError) Error() string { return e.Reason }

// Reject is the error with which a [Handler] gives a delivery up: it is dead-lettered with this reason.
func Reject(reason string) error { return &RejectError{Reason: reason} }

// WorkerOption is a setting of a [Worker]. Every [SubscriberOption] is one.
type WorkerOption interface{ configure(*Worker) }

func (o SubscriberOption) configure(w *Worker) { w.subscribe = append(w.subscribe, o) }

type workerOption func(*Worker)

func (o workerOption) configure(w *Worker) { o(w) }

// Concurrency is how many handlers run at a time; the worker asks for a prefetch of twice as many, unless one is given. Default 8.
func Concurrency(handlers int) WorkerOption {
	return workerOption(func(w *Worker) { w.concurrency = max(handlers, 1) })
}

// DrainTimeout is how long handlers may take to end when the worker stops. Default 30 s.
func DrainTimeout(limit time.Duration) WorkerOption {
	return workerOption(func(w *Worker) { w.drainTimeout = limit })
}

// Worker runs a handler for each delivery of a source, so many at a time.
type Worker struct {
	client       *Client
	source       Source
	handler      Handler
	concurrency  int
	drainTimeout time.Duration
	subscribe    []SubscriberOption
}

// Worker makes a worker; Run runs it.
func (c *Client) Worker(source Source, handler Handler, options ...WorkerOption) *Worker {
	w := &Worker{client: c, source: source, handler: handler, concurrency: 8, drainTimeout: 30 * time.Second}
	for _, option := range options {
		option.configure(w)
	}
	return w
}

// Run works until ctx ends, the client is closed, or trying again cannot help. Then nothing new is begun, handlers may take the drain timeout to
// end, and the rest is released. It returns nil when it was stopped and every handler has ended; [ErrTimeout] if some had not: their deliveries were
// given back.
func (w *Worker) Run(ctx context.Context) error {
	taking, stop := context.WithCancel(ctx)
	defer stop()
	run := &workerRun{stop: stop, ended: make(chan struct{})}
	defer close(run.ended)
	if err := w.client.keep(run, workers); err != nil {
		return err
	}
	defer w.client.forget(run)
	options := append([]SubscriberOption{Prefetch(2 * w.concurrency)}, w.subscribe...)
	s, err := w.client.Subscribe(taking, w.source, options...)
	if err != nil && taking.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	return w.handle(taking, stop, s)
}

// workerRun is a worker at work, as its client knows it.
type workerRun struct {
	stop  context.CancelFunc
	ended chan struct{}
}

// Close stops it and waits until it has ended.
func (r *workerRun) Close(ctx context.Context) error {
	r.stop()
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return toError(ctx.Err())
	}
}

func (w *Worker) handle(taking context.Context, stop context.CancelFunc, s *Subscriber) error {
	// Handlers outlive what stops the worker by the drain timeout.
	life, cancel := context.WithCancel(context.WithoutCancel(taking))
	defer cancel()
	ended := make(chan error, w.concurrency)
	for range w.concurrency {
		go func() { ended <- w.work(taking, life, s) }()
	}
	left, err := w.await(taking, stop, ended)
	cancel()
	closed := s.Close(context.WithoutCancel(taking))
	switch {
	case err != nil:
		return err
	case left > 0:
		return newError(codes.DeadlineExceeded, "%d handlers had not ended within %s", left, w.drainTimeout)
	default:
		return closed
	}
}

// await waits until all loops have ended, or the drain timeout is over: then some are left. One that fails ends all.
func (w *Worker) await(taking context.Context, stop context.CancelFunc, ended <-chan error) (left int, failure error) {
	var over <-chan time.Time
	stopped := taking.Done()
	for left = w.concurrency; left > 0; {
		select {
		case err := <-ended:
			left--
			stop()
			if failure == nil {
				failure = err
			}
		case <-over:
			return left, failure
		case <-stopped:
		}
		if over == nil {
			timer := time.NewTimer(w.drainTimeout)
			defer timer.Stop()
			over, stopped = timer.C, nil
		}
	}
	return 0, failure
}

// work handles one delivery after the other. It returns nil if it was stopped.
func (w *Worker) work(taking, life context.Context, s *Subscriber) error {
	for {
		d, err := s.Next(taking)
		if err == io.EOF || taking.Err() != nil && err != nil {
			return nil
		}
		if err != nil {
			return err
		}
		w.settle(d, w.handler(d.Context(life), d))
		if taking.Err() != nil {
			return nil
		}
	}
}

func (w *Worker) settle(d *Delivery, err error) {
	var reject *RejectError
	switch {
	case err == nil:
		d.Ack()
	case errors.As(err, &reject):
		d.Reject(err.Error())
	default:
		d.Retry(err.Error())
	}
}

// Work makes a worker and runs it: see [Client.Worker] and [Worker.Run].
func (c *Client) Work(ctx context.Context, source Source, handler Handler, options ...WorkerOption) error {
	return c.Worker(source, handler, options...).Run(ctx)
}
