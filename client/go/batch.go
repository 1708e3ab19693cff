package ferrymq

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// batch is the messages of one PublishRequest, encoded as they come. The publisher's lock guards it until it is sealed; then its body does not
// change any more, and once it is done its outcome does not either.
type batch struct {
	id    int64
	start time.Time
	count int
	body  []byte
	// It went out at least once. Guarded by the publisher's lock.
	sentOnce bool

	done    chan struct{}
	awaited atomic.Bool
	// Set before done is closed: one of them.
	encoded []byte
	err     error

	decode    sync.Once
	results   []PublishResult
	decodeErr error
}

// settle ends it. The publisher does so once.
func (b *batch) settle(encoded []byte, err error) {
	b.encoded, b.err = encoded, err
	close(b.done)
}

// result is that of one message of a batch that is done.
func (b *batch) result(index int) (PublishResult, error) {
	if b.err != nil {
		return PublishResult{}, b.err
	}
	b.decode.Do(func() {
		b.results, b.decodeErr = decodeResults(b.encoded, b.count)
	})
	if b.decodeErr != nil {
		return PublishResult{}, unavailable("the broker's confirm cannot be read: %v", b.decodeErr)
	}
	if index >= len(b.results) {
		return PublishResult{}, unavailable("the broker confirmed fewer messages than were sent")
	}
	return b.results[index], nil
}

// wait waits until it is done.
func (b *batch) wait(ctx context.Context) error {
	b.awaited.Store(true)
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		return toError(ctx.Err())
	}
}

// Confirm is the broker's answer to one message, to come.
type Confirm struct {
	batch *batch
	index int
}

// Done is closed once the answer is there.
func (c Confirm) Done() <-chan struct{} {
	c.batch.awaited.Store(true)
	return c.batch.done
}

// Result waits until the message is on disk. It fails with the broker's error for the batch that the message was in; with [ErrUnavailable] the message may
// or may not be stored, with another kind it was not. Where ctx ends first, the message is still on its way.
func (c Confirm) Result(ctx context.Context) (PublishResult, error) {
	if err := c.batch.wait(ctx); err != nil {
		return PublishResult{}, err
	}
	return c.batch.result(c.index)
}
