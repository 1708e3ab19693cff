package ferrymq

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

func deliver(stream consumeStream, token string, payloads ...string) error {
	response := &ferrymqv1.ConsumeResponse{Opened: &ferrymqv1.Opened{ResumeToken: []byte(token)}}
	for i, payload := range payloads {
		response.Deliveries = append(response.Deliveries, &ferrymqv1.Delivery{
			Message: &ferrymqv1.Message{Payload: []byte(payload)}, AckId: []byte("id-" + payload), Attempt: 1,
			Position: &ferrymqv1.Position{Log: 7, Offset: int64(i)},
		})
	}
	return stream.Send(response)
}

// settleAll answers each settlement with OK and sends on what was settled, until the client ends the stream.
func settleAll(stream consumeStream, settled chan<- string) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil
		}
		response := &ferrymqv1.ConsumeResponse{}
		for _, settlement := range request.Settlements {
			result := &ferrymqv1.SettlementResult{Id: settlement.Id}
			for _, id := range slices.Concat(settlement.GetAck().GetAckIds(), settlement.GetNack().GetAckIds()) {
				settled <- string(id)
				result.Statuses = append(result.Statuses, ferrymqv1.SettleStatus_SETTLE_STATUS_OK)
			}
			response.Settled = append(response.Settled, result)
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

func next(t *testing.T, s *Subscriber) *Delivery {
	t.Helper()
	d, err := s.Next(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func subscribe(t *testing.T, broker *fake, source Source, options ...SubscriberOption) *Subscriber {
	t.Helper()
	s, err := broker.client(t).Subscribe(within(t), source, options...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestABrokenStreamIsTakenUpWithWhatIsHeldAndWhatWasNotAnswered(t *testing.T) {
	opens, settled := make(chan *ferrymqv1.SubscribeRequest, 10), make(chan string, 10)
	broker := &fake{consume: func(number int, stream consumeStream) error {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		opens <- request.Open
		if number > 1 {
			if err := deliver(stream, "token"); err != nil {
				return err
			}
			return settleAll(stream, settled)
		}
		if err := deliver(stream, "token", "one", "two", "three"); err != nil {
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
		return status.Error(codes.Unavailable, "gone")
	}}
	s := subscribe(t, broker, Queue("work"), Prefetch(10))
	one := next(t, s)
	if status, err := one.Ack().Status(within(t)); err != nil || status != SettleOK {
		t.Fatalf("acked with %v, %v", status, err)
	}
	if id := <-settled; id != "id-one" {
		t.Errorf("%s was settled again", id)
	}
	if first := <-opens; len(first.ResumeToken) > 0 || first.Prefetch != 10 || first.ResumeWithin.AsDuration().Seconds() != 30 {
		t.Errorf("opened with %v", first)
	}
	second := <-opens
	var held []string
	for _, id := range second.HeldAckIds {
		held = append(held, string(id))
	}
	slices.Sort(held)
	if string(second.ResumeToken) != "token" || !slices.Equal(held, []string{"id-one", "id-three", "id-two"}) {
		t.Errorf("resumed with %s and %q", second.ResumeToken, held)
	}
	if d := next(t, s); d.Text() != "two" || d.Position != (Position{7, 1}) {
		t.Errorf("%+v came", d)
	}
	if err := s.Close(within(t)); err != nil {
		t.Error(err)
	}
}

func TestWhatAnotherConsumerGetsIsNotHandedOut(t *testing.T) {
	broker := &fake{consume: func(number int, stream consumeStream) error {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		if number == 1 {
			if err := deliver(stream, "old", "one", "two"); err != nil {
				return err
			}
			if _, err := stream.Recv(); err != nil {
				return err
			}
			return status.Error(codes.Unavailable, "gone")
		}
		if err := deliver(stream, "new", "one", "two"); err != nil {
			return err
		}
		return settleAll(stream, make(chan string, 10))
	}}
	s := subscribe(t, broker, Queue("work"))
	if err := next(t, s).Ack().Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	for _, expected := range []string{"one", "two"} {
		if d := next(t, s); d.Text() != expected {
			t.Errorf("%s came, not %s", d.Text(), expected)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("more came, or %v", err)
	}
}

// breaksOnce is a broadcast that breaks after what it delivers first, and then ends. It sends on how it was opened.
func breaksOnce(opens chan<- *ferrymqv1.SubscribeRequest, payloads ...string) *fake {
	return &fake{consume: func(number int, stream consumeStream) error {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		opens <- request.Open
		if number == 1 {
			_ = deliver(stream, "", payloads...)
			return status.Error(codes.Unavailable, "gone")
		}
		return nil
	}}
}

func readAll(t *testing.T, broker *fake, start, stop Point) []string {
	t.Helper()
	var came []string
	for d, err := range broker.client(t).Read(within(t), "orders", start, stop) {
		if err != nil {
			t.Fatal(err)
		}
		came = append(came, d.Text())
	}
	return came
}

func TestABroadcastGoesOnAfterItsLastPosition(t *testing.T) {
	opens := make(chan *ferrymqv1.SubscribeRequest, 10)
	if came := readAll(t, breaksOnce(opens, "one", "two"), Earliest, Latest); !slices.Equal(came, []string{"one", "two"}) {
		t.Errorf("%q came", came)
	}
	if first, second := <-opens, <-opens; !proto.Equal(first.Start, Earliest.point) || second.Start.GetPosition().GetOffset() != 2 {
		t.Errorf("began at %v, then at %v", first.Start, second.Start)
	}
}

func TestWhatWasLatestAtTheFirstOpeningStaysSo(t *testing.T) {
	opens := make(chan *ferrymqv1.SubscribeRequest, 10)
	readAll(t, breaksOnce(opens), Latest, Latest)
	first, second := <-opens, <-opens
	if !proto.Equal(first.Start, Latest.point) || !proto.Equal(first.Stop, Latest.point) {
		t.Errorf("opened from %v to %v", first.Start, first.Stop)
	}
	then := Since(fakeTime).point
	if !proto.Equal(second.Start, then) || !proto.Equal(second.Stop, then) {
		t.Errorf("opened again from %v to %v", second.Start, second.Stop)
	}
}

func TestWhatTryingAgainCannotHelpEndsIt(t *testing.T) {
	broker := &fake{consume: func(_ int, stream consumeStream) error {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		_ = deliver(stream, "token", "one")
		return status.Error(codes.NotFound, "deleted")
	}}
	s := subscribe(t, broker, Queue("work"))
	d := next(t, s)
	if _, err := s.Next(within(t)); !errors.Is(err, ErrNotFound) {
		t.Errorf("ended with %v", err)
	}
	if err := d.Ack().Wait(within(t)); !errors.Is(err, ErrNotFound) {
		t.Errorf("acked with %v", err)
	}
}

func TestCloseSettlesAndEndsInOrder(t *testing.T) {
	settled := make(chan string, 10)
	broker := &fake{consume: func(_ int, stream consumeStream) error {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		if err := deliver(stream, "token", "one", "two"); err != nil {
			return err
		}
		return settleAll(stream, settled)
	}}
	s := subscribe(t, broker, Queue("work"))
	one, two := next(t, s), next(t, s)
	ack := one.Ack()
	if again := one.Reject("too late"); again != ack {
		t.Error("the second settlement counted")
	}
	if err := s.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := ack.Wait(within(t)); err != nil || <-settled != "id-one" {
		t.Errorf("acked with %v", err)
	}
	if err := two.Ack().Wait(within(t)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("acked after the end with %v", err)
	}
	if _, err := s.Next(within(t)); err != io.EOF {
		t.Errorf("ended with %v", err)
	}
}
