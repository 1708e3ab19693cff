package ferrymq

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

var full = Message{
	Payload: []byte("payload"), Attributes: map[string]string{"a": "1", "ключ": "値"}, RoutingKey: "eu.de", OrderingKey: "k", MessageID: "m",
	ContentType: "text/plain", Priority: 3, TTL: time.Minute, Delay: 1500 * time.Microsecond, ReplyTo: "queue/answers", CorrelationID: "c",
}

func TestAMessageIsEncodedAsTheProtoSays(t *testing.T) {
	trace := traceAttributes{parent: "00-1-2-01", state: "x=y"}
	encoded := full.appendTo(nil, trace)
	if len(encoded) != full.size(trace) {
		t.Errorf("%d bytes, said to be %d", len(encoded), full.size(trace))
	}
	var decoded ferrymqv1.Message
	if err := proto.Unmarshal(encoded, &decoded); err != nil {
		t.Fatal(err)
	}
	expected := &ferrymqv1.Message{
		Payload: []byte("payload"), RoutingKey: "eu.de", OrderingKey: "k", MessageId: "m", ContentType: "text/plain", Priority: 3, TtlMs: 60_000,
		Due: &ferrymqv1.Message_DelayMs{DelayMs: 2}, ReplyTo: "queue/answers", CorrelationId: "c",
		Attributes: map[string]string{"a": "1", "ключ": "値", "traceparent": "00-1-2-01", "tracestate": "x=y"},
	}
	if !proto.Equal(&decoded, expected) {
		t.Errorf("%v, not %v", &decoded, expected)
	}
}

func TestARequestIsEncodedAsTheProtoSays(t *testing.T) {
	wait := 1500 * time.Millisecond
	head := requestHead(Queue("work"), true, &wait)
	body := full.appendItem(nil, full.size(traceAttributes{}), traceAttributes{})
	if len(body) != itemSize(full.size(traceAttributes{})) {
		t.Errorf("%d bytes", len(body))
	}
	var decoded ferrymqv1.PublishStreamRequest
	if err := proto.Unmarshal(append(streamHead(9, head, len(body)), body...), &decoded); err != nil {
		t.Fatal(err)
	}
	batch := decoded.Batch
	if decoded.Id != 9 || batch.GetQueue() != "work" || !batch.RequireRoute || batch.WaitForRoom.AsDuration() != wait || len(batch.Messages) != 1 {
		t.Errorf("%v", &decoded)
	}
}

func TestADeliveryIsDecodedAsTheProtoSays(t *testing.T) {
	encoded, err := proto.Marshal(&ferrymqv1.Delivery{
		Message: &ferrymqv1.Message{
			Payload: []byte("payload"), Attributes: full.Attributes, RoutingKey: "eu.de", OrderingKey: "k", MessageId: "m", ContentType: "text/plain",
			Priority: 3, TtlMs: 60_000, Due: &ferrymqv1.Message_DeliverAtMs{DeliverAtMs: 5}, ReplyTo: "queue/answers", CorrelationId: "c",
		},
		AckId: []byte("id"), Topic: "orders", Position: &ferrymqv1.Position{Log: 1, Offset: 2}, PublishTimeMs: 3, Attempt: 4,
		DeadLetter: &ferrymqv1.DeadLetter{Queue: "work", Reason: ferrymqv1.DeadLetterReason_DEAD_LETTER_REASON_REJECTED, Attempts: 2, TimeMs: 6},
	})
	if err != nil {
		t.Fatal(err)
	}
	topic := ""
	decoded, err := decodeDelivery(encoded, &topic)
	if err != nil {
		t.Fatal(err)
	}
	message := full
	message.Delay, message.DeliverAt = 0, time.UnixMilli(5)
	expected := &Delivery{
		Message: message, Attempt: 4, Position: Position{1, 2}, Topic: "orders", PublishTime: time.UnixMilli(3), ackID: []byte("id"),
		DeadLetter: &DeadLetter{Queue: "work", Reason: "REJECTED", Attempts: 2, Time: time.UnixMilli(6)},
	}
	if !reflect.DeepEqual(decoded, expected) {
		t.Errorf("%+v, not %+v", decoded, expected)
	}
	clear(encoded)
	if decoded.Text() != "payload" {
		t.Error("the payload belongs to the response")
	}
}

func TestALongReasonIsCutBetweenCharacters(t *testing.T) {
	long := "x" + strings.Repeat("é", 600)
	if short := cut(long); len(short) != 1023 || !utf8.ValidString(short) || !strings.HasPrefix(long, short) {
		t.Errorf("%d bytes", len(short))
	}
	if !utf8.ValidString(cut("\xff")) {
		t.Error("no UTF-8")
	}
}
