package ferrymq

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

func publish(t *testing.T, p *Publisher, payloads ...string) []Confirm {
	t.Helper()
	var confirms []Confirm
	for _, payload := range payloads {
		confirm, err := p.Publish(within(t), Text(payload))
		if err != nil {
			t.Fatal(err)
		}
		confirms = append(confirms, confirm)
	}
	return confirms
}

func TestMessagesShareABatchUpToItsLimits(t *testing.T) {
	batches := make(chan []string, 10)
	broker := &fake{publish: func(_ int, stream publishStream) error {
		for {
			request, err := stream.Recv()
			if err != nil {
				return nil
			}
			batches <- payloadsOf(request)
			if err := stream.Send(confirmOf(request)); err != nil {
				return err
			}
		}
	}}
	client := broker.client(t)
	tests := []struct {
		limit    PublisherOption
		expected [][]string
	}{
		{BatchMessages(2), [][]string{{"one", "two"}, {"three"}}},
		// A message of three bytes takes seven in a batch.
		{BatchBytes(15), [][]string{{"one", "two"}, {"three"}}},
		{BatchBytes(1), [][]string{{"one"}, {"two"}, {"three"}}},
	}
	for _, test := range tests {
		p := client.Publisher(Topic("orders"), Linger(time.Hour), test.limit)
		publish(t, p, "one", "two", "three")
		if err := p.Close(within(t)); err != nil {
			t.Fatal(err)
		}
		for _, expected := range test.expected {
			if came := <-batches; !reflect.DeepEqual(came, expected) {
				t.Errorf("a batch of %q, not %q", came, expected)
			}
		}
	}
}

func TestAConfirmHasTheResultOfItsMessage(t *testing.T) {
	broker := &fake{publish: func(_ int, stream publishStream) error { return confirmAll(stream) }}
	p := broker.client(t).Publisher(Topic("orders"), Linger(time.Hour), BatchMessages(2))
	confirms := publish(t, p, "one", "two")
	result, err := confirms[1].Result(within(t))
	expected := PublishResult{Position: Position{Log: 1, Offset: 101}, QueuesMatched: 2}
	if err != nil || result != expected {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestWhatWasNotConfirmedIsSentAgainInOrder(t *testing.T) {
	again := make(chan []string, 10)
	broker := &fake{publish: func(number int, stream publishStream) error {
		for batch := 1; ; batch++ {
			request, err := stream.Recv()
			if err != nil {
				return nil
			}
			if number == 1 && batch == 3 {
				return status.Error(codes.Unavailable, "gone")
			}
			if number == 2 {
				again <- payloadsOf(request)
			}
			if number == 1 && batch == 2 {
				continue
			}
			if err := stream.Send(confirmOf(request)); err != nil {
				return err
			}
		}
	}}
	p := broker.client(t).Publisher(Topic("orders"), BatchMessages(1))
	first := publish(t, p, "one")
	if _, err := first[0].Result(within(t)); err != nil {
		t.Fatal(err)
	}
	publish(t, p, "two", "three")
	if err := p.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	for _, expected := range []string{"two", "three"} {
		if came := <-again; came[0] != expected {
			t.Errorf("%q came again, not %q", came, expected)
		}
	}
}

func TestARefusedBatchFailsAloneAndTheStreamGoesOn(t *testing.T) {
	broker := &fake{publish: func(_ int, stream publishStream) error {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		refusal := &ferrymqv1.Failure{
			Code: int32(codes.InvalidArgument), Reason: ferrymqv1.ErrorReason_ERROR_REASON_FIELD_INVALID, Field: "messages[0].ttl_ms", Message: "negative",
		}
		if err := stream.Send(failureOf(request, refusal)); err != nil {
			return err
		}
		return confirmAll(stream)
	}}
	p := broker.client(t).Publisher(Topic("orders"), BatchMessages(1))
	confirms := publish(t, p, "bad", "good")
	_, err := confirms[0].Result(within(t))
	var failure *Error
	if !errors.As(err, &failure) || !errors.Is(err, ErrInvalidArgument) || failure.Reason != "FIELD_INVALID" {
		t.Fatalf("failed with %v", err)
	}
	if expected := []Violation{{"messages[0].ttl_ms", "negative"}}; !reflect.DeepEqual(failure.Violations, expected) {
		t.Errorf("violations %v", failure.Violations)
	}
	if _, err := confirms[1].Result(within(t)); err != nil {
		t.Error(err)
	}
	if n := broker.streams.Load(); n != 1 {
		t.Errorf("%d streams", n)
	}
}

func TestARefusalForNowIsTheAnswerToItsBatchAlone(t *testing.T) {
	broker := &fake{publish: func(_ int, stream publishStream) error {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		refusal := &ferrymqv1.Failure{Code: int32(codes.Unavailable), Message: "no more writes until a restart"}
		if err := stream.Send(failureOf(request, refusal)); err != nil {
			return err
		}
		return confirmAll(stream)
	}}
	confirms := publish(t, broker.client(t).Publisher(Topic("orders"), BatchMessages(1)), "one", "two")
	if _, err := confirms[0].Result(within(t)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("failed with %v", err)
	}
	if _, err := confirms[1].Result(within(t)); err != nil {
		t.Error(err)
	}
	if n := broker.streams.Load(); n != 1 {
		t.Errorf("%d streams", n)
	}
}

func TestAConfirmThatSaysTooLittleIsNotKnown(t *testing.T) {
	broker := &fake{publish: func(_ int, stream publishStream) error {
		for _, outcome := range []*ferrymqv1.PublishConfirm{{Outcome: &ferrymqv1.PublishConfirm_Confirmed{Confirmed: &ferrymqv1.PublishResponse{}}}, {}} {
			request, err := stream.Recv()
			if err != nil {
				return err
			}
			outcome.Id = request.Id
			if err := stream.Send(&ferrymqv1.PublishStreamResponse{Confirms: []*ferrymqv1.PublishConfirm{outcome}}); err != nil {
				return err
			}
		}
		return confirmAll(stream)
	}}
	for i, confirm := range publish(t, broker.client(t).Publisher(Topic("orders"), BatchMessages(1)), "without a result", "without an outcome") {
		if _, err := confirm.Result(within(t)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%d failed with %v", i, err)
		}
	}
}

func TestAnyOtherEndOfTheStreamEndsThePublisher(t *testing.T) {
	broker := &fake{publish: func(_ int, stream publishStream) error {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		return status.Error(codes.PermissionDenied, "not yours")
	}}
	p := broker.client(t).Publisher(Topic("orders"))
	_, err := publish(t, p, "one")[0].Result(within(t))
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "not yours") {
		t.Fatalf("of what was sent and not answered: %v", err)
	}
	if _, err := p.Publish(within(t), Text("two")); codeOf(err) != codes.PermissionDenied {
		t.Errorf("took a message: %v", err)
	}
	if err := p.Close(within(t)); codeOf(err) != codes.PermissionDenied {
		t.Errorf("closed with %v", err)
	}
}

func TestWhatWasNeverSentFailsAsTheStreamDid(t *testing.T) {
	broker := &fake{publish: func(_ int, stream publishStream) error {
		return status.Error(codes.PermissionDenied, "not yours")
	}}
	p := broker.client(t).Publisher(Topic("orders"), Linger(time.Hour))
	confirm := publish(t, p, "one")[0]
	if _, err := confirm.Result(within(t)); codeOf(err) != codes.PermissionDenied {
		t.Errorf("failed with %v", err)
	}
}

func TestAMessageIsTriedForSoLong(t *testing.T) {
	broker := &fake{publish: func(_ int, stream publishStream) error {
		<-stream.Context().Done()
		return nil
	}}
	p := broker.client(t).Publisher(Topic("orders"), PublishTimeout(10*time.Millisecond))
	_, err := publish(t, p, "one")[0].Result(within(t))
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("failed with %v", err)
	}
}

func TestPublishWaitsForRoom(t *testing.T) {
	goOn := make(chan struct{})
	broker := &fake{publish: func(_ int, stream publishStream) error {
		<-goOn
		return confirmAll(stream)
	}}
	p := broker.client(t).Publisher(Topic("orders"), UnconfirmedBytes(1))
	publish(t, p, "one")
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Publish(over, Text("two")); !errors.Is(err, context.Canceled) {
		t.Errorf("failed with %v", err)
	}
	close(goOn)
	publish(t, p, "two")
	if err := p.Close(within(t)); err != nil {
		t.Error(err)
	}
}

func TestAClosedPublisherTakesNothing(t *testing.T) {
	client := (&fake{}).client(t)
	p := client.Publisher(Topic("orders"))
	if err := p.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Publish(within(t), Text("late")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("failed with %v", err)
	}
}

func TestCloseIsBoundedByItsContext(t *testing.T) {
	broker := &fake{publish: func(_ int, stream publishStream) error {
		<-stream.Context().Done()
		return nil
	}}
	p := broker.client(t).Publisher(Topic("orders"))
	confirms := publish(t, p, "one")
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := p.Close(ctx); !errors.Is(err, ErrTimeout) {
		t.Errorf("closed with %v", err)
	}
	if _, err := confirms[0].Result(within(t)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("failed with %v", err)
	}
}

func TestWhatIsNoUTF8IsRefusedBeforeItSpoilsABatch(t *testing.T) {
	p := (&fake{}).client(t).Publisher(Topic("orders"))
	_, err := p.Publish(within(t), Message{RoutingKey: "\xff"})
	if !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("failed with %v", err)
	}
}
