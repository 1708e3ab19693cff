package ferrymq

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// field is one field of an encoded message.
type field struct {
	number protowire.Number
	bytes  []byte // Of a length-delimited one; part of what is read.
	value  uint64 // Of a varint.
}

// eachField calls take for each field that is a varint or bytes, and skips others.
func eachField(b []byte, take func(field) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		f := field{number: number}
		switch kind {
		case protowire.VarintType:
			f.value, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
			f.number = 0
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if f.number != 0 {
			if err := take(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// decodeDelivery reads a Delivery. What it keeps is its own: payload and ack id share one allocation.
func decodeDelivery(b []byte, lastTopic *string) (*Delivery, error) {
	d := &Delivery{}
	var message, ackID []byte
	err := eachField(b, func(f field) error {
		switch f.number {
		case 1:
			message = f.bytes
		case 2:
			ackID = f.bytes
		case 3:
			d.Topic = interned(f.bytes, lastTopic)
		case 4:
			return decodePosition(f.bytes, &d.Position)
		case 5:
			d.PublishTime = time.UnixMilli(int64(f.value))
		case 6:
			d.Attempt = int(int32(f.value))
		case 7:
			return d.decodeDeadLetter(f.bytes)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := d.Message.decode(message); err != nil {
		return nil, err
	}
	d.own(ackID)
	return d, nil
}

// own copies what still belongs to the response.
func (d *Delivery) own(ackID []byte) {
	n := len(d.Payload)
	kept := make([]byte, n+len(ackID))
	copy(kept, d.Payload)
	copy(kept[n:], ackID)
	d.Payload, d.ackID = kept[:n:n], kept[n:]
}

// interned is the text as a string, the last one if it is the same: most deliveries of a stream are of one topic.
func interned(text []byte, last *string) string {
	if *last != string(text) {
		*last = string(text)
	}
	return *last
}

// decode reads a Message; its payload stays a part of b.
func (m *Message) decode(b []byte) error {
	return eachField(b, func(f field) error {
		switch f.number {
		case 1:
			m.Payload = f.bytes
		case 2:
			return m.decodeAttribute(f.bytes)
		case 3:
			m.RoutingKey = string(f.bytes)
		case 4:
			m.OrderingKey = string(f.bytes)
		case 5:
			m.MessageID = string(f.bytes)
		case 6:
			m.ContentType = string(f.bytes)
		case 7:
			m.Priority = int32(f.value)
		case 8:
			m.TTL = time.Duration(int64(f.value)) * time.Millisecond
		case 9:
			m.Delay = time.Duration(int64(f.value)) * time.Millisecond
		case 10:
			m.DeliverAt = time.UnixMilli(int64(f.value))
		case 11:
			m.ReplyTo = string(f.bytes)
		case 12:
			m.CorrelationID = string(f.bytes)
		}
		return nil
	})
}

func (m *Message) decodeAttribute(b []byte) error {
	var pair [2]string
	err := eachField(b, func(f field) error {
		if f.number <= 2 {
			pair[f.number-1] = string(f.bytes)
		}
		return nil
	})
	if m.Attributes == nil {
		m.Attributes = make(map[string]string)
	}
	m.Attributes[pair[0]] = pair[1]
	return err
}

func decodePosition(b []byte, position *Position) error {
	return eachField(b, func(f field) error {
		switch f.number {
		case 1:
			position.Log = int64(f.value)
		case 2:
			position.Offset = int64(f.value)
		}
		return nil
	})
}

func (d *Delivery) decodeDeadLetter(b []byte) error {
	var dead ferrymqv1.DeadLetter
	if err := proto.Unmarshal(b, &dead); err != nil {
		return err
	}
	d.DeadLetter = deadLetterOf(&dead)
	return nil
}

// decodeResults reads a PublishResponse.
func decodeResults(b []byte, count int) ([]PublishResult, error) {
	results := make([]PublishResult, 0, count)
	err := eachField(b, func(f field) error {
		if f.number != 1 {
			return nil
		}
		var result PublishResult
		err := result.decode(f.bytes)
		results = append(results, result)
		return err
	})
	return results, err
}

func (r *PublishResult) decode(b []byte) error {
	return eachField(b, func(f field) error {
		switch f.number {
		case 1:
			return decodePosition(f.bytes, &r.Position)
		case 2:
			r.Duplicate = f.value != 0
		case 3:
			r.QueuesMatched = int(int32(f.value))
		case 4:
			r.ScheduleID = string(f.bytes)
		}
		return nil
	})
}

// confirmation is a PublishConfirm: results as they are encoded, or why there are none.
type confirmation struct {
	id      int64
	results []byte
	failure *Error
}

// err is why there are no results; nil if there are some.
func (c *confirmation) err() error {
	if c.failure == nil {
		return nil
	}
	return c.failure
}

func decodeConfirm(b []byte) (confirmation, error) {
	confirm := confirmation{failure: unavailable("the broker sent a confirm without an outcome")}
	err := eachField(b, func(f field) error {
		switch f.number {
		case 1:
			confirm.id = int64(f.value)
		case 2:
			confirm.results, confirm.failure = append([]byte(nil), f.bytes...), nil
		case 3:
			var failure ferrymqv1.Failure
			if err := proto.Unmarshal(f.bytes, &failure); err != nil {
				return err
			}
			confirm.failure = failureError(&failure)
		}
		return nil
	})
	return confirm, err
}

// decodeStatuses reads a SettlementResult.
func decodeStatuses(b []byte) (id int64, statuses []SettleStatus, err error) {
	err = eachField(b, func(f field) error {
		switch {
		case f.number == 1:
			id = int64(f.value)
		case f.number == 2 && f.bytes == nil:
			statuses = append(statuses, SettleStatus(f.value))
		case f.number == 2:
			for packed := f.bytes; len(packed) > 0; {
				status, n := protowire.ConsumeVarint(packed)
				if n < 0 {
					return protowire.ParseError(n)
				}
				statuses, packed = append(statuses, SettleStatus(status)), packed[n:]
			}
		}
		return nil
	})
	return id, statuses, err
}
