package ferrymq

import "testing"

func isWoken(i *inbox) bool {
	select {
	case <-i.arrived:
		return true
	default:
		return false
	}
}

func TestWhoeverIsWokenPassesItOn(t *testing.T) {
	i := newInbox()
	for range 2 {
		if d := i.take(true); d != nil {
			t.Fatalf("%v came from nowhere", d)
		}
	}
	i.put([]*Delivery{{}})
	if !isWoken(i) {
		t.Fatal("nobody is woken")
	}
	// It leaves, as its context has ended, and takes nothing.
	i.awake()
	if !isWoken(i) {
		t.Error("the other goes on waiting beside a delivery")
	}
	i.awake()
	if i.take(true) == nil || isWoken(i) {
		t.Error("the delivery is gone, or somebody is woken for nothing")
	}
}
