package ferrymq

import (
	"cmp"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Messages are encoded as they are published, straight into the batch that carries them: so a batch knows its size, and the program may change
// what it gave. The numbers are those of message.proto and messaging_service.proto.

// attributes that tracing adds to a message, unless it has them.
type traceAttributes struct {
	parent, state string
}

const (
	traceParent = "traceparent"
	traceState  = "tracestate"
)

func (t traceAttributes) without(attributes map[string]string) traceAttributes {
	if _, ok := attributes[traceParent]; ok {
		return traceAttributes{}
	}
	return t
}

// check finds what would make a whole batch unreadable.
func (m *Message) check() error {
	err := cmp.Or(
		checkText("routing_key", m.RoutingKey), checkText("ordering_key", m.OrderingKey), checkText("message_id", m.MessageID),
		checkText("content_type", m.ContentType), checkText("reply_to", m.ReplyTo), checkText("correlation_id", m.CorrelationID),
	)
	if err != nil {
		return err
	}
	for key, value := range m.Attributes {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return invalidField("attributes", "are not UTF-8")
		}
	}
	if m.Delay != 0 && !m.DeliverAt.IsZero() {
		return invalidField("delay_ms", "is not set together with deliver_at_ms")
	}
	return nil
}

func checkText(field, text string) error {
	if !utf8.ValidString(text) {
		return invalidField(field, "is not UTF-8")
	}
	return nil
}

// size is the length of the encoded message.
func (m *Message) size(trace traceAttributes) int {
	size := 0
	if len(m.Payload) > 0 {
		size += 1 + protowire.SizeBytes(len(m.Payload))
	}
	for key, value := range m.Attributes {
		size += 1 + protowire.SizeBytes(entrySize(key, value))
	}
	for _, entry := range trace.entries() {
		size += 1 + protowire.SizeBytes(entrySize(entry[0], entry[1]))
	}
	size += textSize(m.RoutingKey) + textSize(m.OrderingKey) + textSize(m.MessageID) + textSize(m.ContentType)
	size += numberSize(int64(m.Priority)) + numberSize(milliseconds(m.TTL)) + numberSize(milliseconds(m.Delay)) + numberSize(m.deliverAt())
	return size + textSize(m.ReplyTo) + textSize(m.CorrelationID)
}

// appendTo appends the encoded message.
func (m *Message) appendTo(b []byte, trace traceAttributes) []byte {
	if len(m.Payload) > 0 {
		b = protowire.AppendTag(b, 1, protowire.BytesType)
		b = protowire.AppendBytes(b, m.Payload)
	}
	for key, value := range m.Attributes {
		b = appendEntry(b, key, value)
	}
	for _, entry := range trace.entries() {
		b = appendEntry(b, entry[0], entry[1])
	}
	b = appendSetText(b, 3, m.RoutingKey)
	b = appendSetText(b, 4, m.OrderingKey)
	b = appendSetText(b, 5, m.MessageID)
	b = appendSetText(b, 6, m.ContentType)
	b = appendSetNumber(b, 7, int64(m.Priority))
	b = appendSetNumber(b, 8, milliseconds(m.TTL))
	b = appendSetNumber(b, 9, milliseconds(m.Delay))
	b = appendSetNumber(b, 10, m.deliverAt())
	b = appendSetText(b, 11, m.ReplyTo)
	return appendSetText(b, 12, m.CorrelationID)
}

// deliverAt is in milliseconds since 1970; 0 if it is not set.
func (m *Message) deliverAt() int64 {
	if m.DeliverAt.IsZero() {
		return 0
	}
	return m.DeliverAt.UnixMilli()
}

// milliseconds rounds away from 0, so that a time that is set stays set.
func milliseconds(d time.Duration) int64 {
	switch {
	case d > 0:
		return int64((d-1)/time.Millisecond) + 1
	case d < 0:
		return int64((d+1)/time.Millisecond) - 1
	default:
		return 0
	}
}

func (t traceAttributes) entries() [][2]string {
	switch {
	case t.parent == "":
		return nil
	case t.state == "":
		return [][2]string{{traceParent, t.parent}}
	default:
		return [][2]string{{traceParent, t.parent}, {traceState, t.state}}
	}
}

func entrySize(key, value string) int {
	return 2 + protowire.SizeBytes(len(key)) + protowire.SizeBytes(len(value))
}

// textSize is that of a field; none if it is empty.
func textSize(text string) int {
	if text == "" {
		return 0
	}
	return 1 + protowire.SizeBytes(len(text))
}

// numberSize is that of a field; none if it is 0.
func numberSize(value int64) int {
	if value == 0 {
		return 0
	}
	return 1 + protowire.SizeVarint(uint64(value))
}

func appendSetText(b []byte, number protowire.Number, text string) []byte {
	if text == "" {
		return b
	}
	return appendText(b, number, text)
}

func appendSetNumber(b []byte, number protowire.Number, value int64) []byte {
	if value == 0 {
		return b
	}
	return appendNumber(b, number, value)
}

func appendEntry(b []byte, key, value string) []byte {
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(entrySize(key, value)))
	return appendText(appendText(b, 1, key), 2, value)
}

func appendText(b []byte, number protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), text)
}

func appendNumber(b []byte, number protowire.Number, value int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), uint64(value))
}

// Fields of PublishRequest and PublishStreamRequest.
const (
	requestMessages     = 4
	requestRequireRoute = 6
	requestWaitForRoom  = 7
	streamID            = 1
	streamBatch         = 2
)

// appendItem appends a message as one of a PublishRequest; size is the message's.
func (m *Message) appendItem(b []byte, size int, trace traceAttributes) []byte {
	b = protowire.AppendTag(b, requestMessages, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	return m.appendTo(b, trace)
}

// itemSize is the size of a message as one of a PublishRequest.
func itemSize(size int) int { return 1 + protowire.SizeBytes(size) }

// requestHead is a PublishRequest but for its messages.
func requestHead(to Destination, requireRoute bool, waitForRoom *time.Duration) []byte {
	field, name := to.destination()
	head := appendText(nil, protowire.Number(field), name)
	if requireRoute {
		head = appendNumber(head, requestRequireRoute, 1)
	}
	if waitForRoom != nil {
		duration := appendNumber(nil, 1, int64(*waitForRoom/time.Second))
		duration = appendNumber(duration, 2, int64(*waitForRoom%time.Second))
		head = protowire.AppendBytes(protowire.AppendTag(head, requestWaitForRoom, protowire.BytesType), duration)
	}
	return head
}

// streamHead is what stands before the messages of a PublishStreamRequest.
func streamHead(id int64, head []byte, bodyBytes int) []byte {
	b := appendNumber(make([]byte, 0, 2*10+len(head)+2), streamID, id)
	b = protowire.AppendTag(b, streamBatch, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(head)+bodyBytes))
	return append(b, head...)
}
