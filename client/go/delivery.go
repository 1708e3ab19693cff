package ferrymq

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// Delivery is one handing-over of a message. Settle it with Ack, Retry, Release or Reject: the first of them counts, and those after it bring its
// status. What came from a broadcast has nothing to settle.
type Delivery struct {
	// Message is what was published.
	Message
	// Attempt is 1 for the first delivery. Above 1, it may have been delivered before.
	Attempt int
	// Position is the message's place, the same in every queue and on every delivery.
	Position Position
	// Topic it was published to. Empty if it was sent straight to the queue.
	Topic string
	// PublishTime is when the broker took it.
	PublishTime time.Time
	// DeadLetter says where a message in a dead-letter queue comes from, and why. Else nil.
	DeadLetter *DeadLetter

	ackID   []byte
	settler settler
	// Guarded by the settler's lock: where it is among those that are held, and what it was settled with.
	at         int
	settlement Settlement
}

// settler is what a delivery came from.
type settler interface {
	settle(*Delivery, action) Settlement
	context(context.Context, *Delivery) context.Context
}

// JSON decodes the payload into value.
func (d *Delivery) JSON(value any) error { return json.Unmarshal(d.Payload, value) }

// Text is the payload as a string.
func (d *Delivery) Text() string { return string(d.Payload) }

// Context is ctx with the trace context that the message came with, where the client has a propagator. Handlers of a worker have it already.
func (d *Delivery) Context(ctx context.Context) context.Context { return d.settler.context(ctx, d) }

// Ack says that it is done. The settlement goes out at once, with others; its status can be waited for and need not be.
func (d *Delivery) Ack() Settlement { return d.settler.settle(d, action{kind: doAck}) }

// Retry says that it was tried and failed: it comes again after the queue's backoff, and is dead-lettered after too many failures. The reason is
// for the person who then looks into it; of a long one 1,024 bytes are kept.
func (d *Delivery) Retry(reason string) Settlement {
	return d.settler.settle(d, action{kind: doRetry, reason: reason})
}

// RetryIn is Retry with a delay in place of the queue's backoff: 0 to 366 days.
func (d *Delivery) RetryIn(delay time.Duration, reason string) Settlement {
	return d.settler.settle(d, action{kind: doRetry, reason: reason, delay: &delay})
}

// Release gives it back as not tried, which is no failure: it comes again at once.
func (d *Delivery) Release() Settlement { return d.settler.settle(d, action{kind: doRelease}) }

// ReleaseIn is Release after a delay: 0 to 366 days.
func (d *Delivery) ReleaseIn(delay time.Duration) Settlement {
	return d.settler.settle(d, action{kind: doRelease, delay: &delay})
}

// Reject gives it up: it is dead-lettered now. Of a long reason 1,024 bytes are kept.
func (d *Delivery) Reject(reason string) Settlement {
	return d.settler.settle(d, action{kind: doReject, reason: reason})
}

// Extend prolongs its lease, from now: 1 s to the queue's max_lease. 0 is the queue's lease again. The broker does so by itself for subscribers and
// this client for pulls.
func (d *Delivery) Extend(lease time.Duration) Settlement {
	return d.settler.settle(d, action{kind: doExtend, lease: lease})
}

// DeadLetter is why a message is in a dead-letter queue.
type DeadLetter struct {
	// Queue that gave it up.
	Queue string
	// Reason is REJECTED, MAX_ATTEMPTS, EXPIRED or OVERFLOW.
	Reason string
	// Attempts is how often that queue had delivered it.
	Attempts int
	// Description is the reason that the last consumer gave.
	Description string
	// Time at which it was given up.
	Time time.Time
	// Topic it was first published to. Empty if it was sent straight to the queue.
	Topic string
	// Position in the log that it left.
	Position Position
}

const deadLetterPrefix = len("DEAD_LETTER_REASON_")

func deadLetterOf(dead *ferrymqv1.DeadLetter) *DeadLetter {
	made := &DeadLetter{
		Queue: dead.Queue, Attempts: int(dead.Attempts), Description: dead.Description, Time: time.UnixMilli(dead.TimeMs), Topic: dead.Topic,
		Position: Position{Log: dead.Position.GetLog(), Offset: dead.Position.GetOffset()},
	}
	if reason := dead.Reason.String(); len(reason) > deadLetterPrefix {
		made.Reason = reason[deadLetterPrefix:]
	}
	return made
}
