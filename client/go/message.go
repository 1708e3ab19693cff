package ferrymq

import (
	"encoding/json"
	"time"
)

// Message is what is published. Only the fields that are set are sent.
type Message struct {
	// Payload is the content, up to the broker's message_bytes_max (1 MiB by default) with everything else. It is copied by Publish.
	Payload []byte
	// Attributes are headers for filters, tracing and the application: at most 64, a key 1 to 128 bytes, a value at most 1,024.
	Attributes map[string]string
	// RoutingKey is words with dots between, matched by the patterns of bindings. At most 255 bytes.
	RoutingKey string
	// OrderingKey is what must stay in order, for queues that keep it. At most 255 bytes; empty is no key.
	OrderingKey string
	// MessageID is the publisher's own id; a second message of the same id within the dedup window is not stored. At most 128 bytes.
	MessageID string
	// ContentType is the MIME type of the payload. At most 128 bytes.
	ContentType string
	// Priority is 0 (lowest) to the topic's priority_levels - 1.
	Priority int32
	// TTL is for how long it may be delivered: 1 ms to 366 days, in whole milliseconds. 0: as the queue says.
	TTL time.Duration
	// Delay is how long after its publish it may first be delivered, up to 366 days. Not with DeliverAt.
	Delay time.Duration
	// DeliverAt is when it may first be delivered, at most 366 days ahead. Zero: at once.
	DeliverAt time.Time
	// ReplyTo is where an answer goes. At most 255 bytes.
	ReplyTo string
	// CorrelationID says which request an answer belongs to. At most 128 bytes.
	CorrelationID string
}

// JSON is a message with value as its payload and application/json as its content type.
func JSON(value any) (Message, error) {
	payload, err := json.Marshal(value)
	return Message{Payload: payload, ContentType: "application/json"}, err
}

// Text is a message with this payload.
func Text(payload string) Message { return Message{Payload: []byte(payload)} }

// Position is the place of one message. Within one log, a higher offset is later.
type Position struct {
	// Log is one of the broker's logs.
	Log int64
	// Offset is the record's number in that log, from 0.
	Offset int64
}

// PublishResult is what became of one message. It is on disk.
type PublishResult struct {
	// Position is where it stands; for a duplicate, where the first one stands. Zero while it is only scheduled.
	Position Position
	// Duplicate is true if it had been published before and was not stored again.
	Duplicate bool
	// QueuesMatched is how many queues it goes to.
	QueuesMatched int
	// ScheduleID is set if it is due later.
	ScheduleID string
}

// Destination is where messages go: a [Topic] or a [Queue].
type Destination interface {
	destination() (field int, name string)
}

// Topic names a topic: messages published to it go to every queue whose binding matches, and subscribing to it brings everything that is
// published from then on, with nothing to settle (see [Broadcast]).
type Topic string

// Queue names a queue: messages published to it go straight into it, and its subscribers compete for what is in it.
type Queue string

func (t Topic) destination() (int, string) { return 1, string(t) }

func (q Queue) destination() (int, string) { return 2, string(q) }

func destinationName(to Destination) string {
	field, name := to.destination()
	if field == 1 {
		return "topic " + name
	}
	return "queue " + name
}
