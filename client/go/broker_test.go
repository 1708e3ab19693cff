package ferrymq_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
	"github.com/ferrymq/ferrymq/client/go/ferrymqtest"
	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

const work = ferrymq.Queue("work")

// withQueue is a broker that has the queue, with so many messages in it.
func withQueue(t *testing.T, queue *ferrymqv1.Queue, messages int) (*ferrymqtest.Broker, *ferrymq.Client) {
	t.Helper()
	broker := ferrymqtest.Start(t)
	client := broker.Client(t)
	queue.Name = string(work)
	if _, err := client.Admin().CreateQueue(t.Context(), &ferrymqv1.CreateQueueRequest{Queue: queue}); err != nil {
		t.Fatal(err)
	}
	publisher := client.Publisher(work)
	for i := range messages {
		if _, err := publisher.Publish(t.Context(), ferrymq.Text(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := publisher.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return broker, client
}

func stats(t *testing.T, client *ferrymq.Client) *ferrymqv1.QueueStats {
	t.Helper()
	stats, err := client.Admin().GetStats(t.Context(), &ferrymqv1.GetStatsRequest{Queues: []string{string(work)}})
	if err != nil {
		t.Fatal(err)
	}
	return stats.Queues[string(work)]
}

func TestAPullKeepsItsLeases(t *testing.T) {
	_, client := withQueue(t, &ferrymqv1.Queue{Lease: durationpb.New(time.Second), ExactlyOnce: true}, 2)
	deliveries, err := client.Pull(t.Context(), work, 2, time.Second)
	if err != nil || len(deliveries) != 2 {
		t.Fatalf("%v, %v", deliveries, err)
	}
	// Longer than the lease: whoever asks now waits in vain.
	again, err := client.Pull(t.Context(), work, 2, 1500*time.Millisecond)
	if err != nil || len(again) != 0 {
		t.Errorf("%v came again, %v", again, err)
	}
	for _, delivery := range deliveries {
		if status, err := delivery.Ack().Status(t.Context()); err != nil || status != ferrymq.SettleOK {
			t.Errorf("acked with %v, %v", status, err)
		}
	}
}

func TestClosingTheClientGivesBackWhatWasPulled(t *testing.T) {
	broker, client := withQueue(t, &ferrymqv1.Queue{}, 2)
	puller, err := ferrymq.Connect(broker.URL)
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := puller.Pull(t.Context(), work, 2, time.Second)
	if unsettled := stats(t, client).Unsettled; err != nil || unsettled != 2 {
		t.Errorf("%d are unsettled, %v", unsettled, err)
	}
	ack := pulled[0].Ack()
	if err := puller.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := ack.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if now := stats(t, client); now.Unsettled != 0 || now.Ready != 1 {
		t.Errorf("%v", now)
	}
}

func TestAWorkerWaitsForItsHandlersNoLongerThanItMay(t *testing.T) {
	_, client := withQueue(t, &ferrymqv1.Queue{}, 1)
	ctx, stop := context.WithCancel(t.Context())
	handler := func(handling context.Context, _ *ferrymq.Delivery) error {
		stop()
		<-handling.Done()
		return handling.Err()
	}
	err := client.Work(ctx, work, handler, ferrymq.DrainTimeout(10*time.Millisecond))
	if err != nil && !errors.Is(err, ferrymq.ErrTimeout) {
		t.Errorf("ended with %v", err)
	}
	if unsettled := stats(t, client).Unsettled; unsettled != 0 {
		t.Errorf("%d are unsettled", unsettled)
	}
}

func TestClosingTheClientStopsItsWorkers(t *testing.T) {
	_, client := withQueue(t, &ferrymqv1.Queue{}, 1)
	begun, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		ended <- client.Work(context.Background(), work, func(context.Context, *ferrymq.Delivery) error {
			close(begun)
			<-goOn
			return nil
		})
	}()
	<-begun
	closed := make(chan error)
	go func() { closed <- client.Close(context.Background()) }()
	close(goOn)
	if err := errors.Join(<-ended, <-closed); err != nil {
		t.Error(err)
	}
}

func TestAWorkerThatCannotSubscribeSaysSo(t *testing.T) {
	_, client := withQueue(t, &ferrymqv1.Queue{}, 0)
	err := client.Work(t.Context(), ferrymq.Queue("nowhere"), func(context.Context, *ferrymq.Delivery) error { return nil })
	if !errors.Is(err, ferrymq.ErrNotFound) {
		t.Errorf("ended with %v", err)
	}
}

func TestACallWithoutABrokerFailsAtOnce(t *testing.T) {
	broker := ferrymqtest.Start(t)
	client := broker.Client(t)
	broker.Stop()
	if _, err := client.Publish(t.Context(), work, ferrymq.Text("nobody there")); !errors.Is(err, ferrymq.ErrUnavailable) {
		t.Errorf("failed with %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := client.Subscribe(ctx, work); !errors.Is(err, ferrymq.ErrTimeout) {
		t.Errorf("failed with %v", err)
	}
}
