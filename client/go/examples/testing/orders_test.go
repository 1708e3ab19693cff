package orders

import (
	"testing"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
	"github.com/ferrymq/ferrymq/client/go/ferrymqtest"
	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

func TestWhatIsPublishedCanBePulled(t *testing.T) {
	client := ferrymqtest.Start(t).Client(t)
	queue := &ferrymqv1.Queue{Name: "billing"}
	if _, err := client.Admin().CreateQueue(t.Context(), &ferrymqv1.CreateQueueRequest{Queue: queue}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Publish(t.Context(), ferrymq.Queue("billing"), ferrymq.Text("hello")); err != nil {
		t.Fatal(err)
	}
	deliveries, err := client.Pull(t.Context(), ferrymq.Queue("billing"), 1, 0)
	if err != nil || len(deliveries) != 1 || deliveries[0].Text() != "hello" {
		t.Errorf("pulled %v, %v", deliveries, err)
	}
}
