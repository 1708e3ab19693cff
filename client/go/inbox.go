package ferrymq

import "sync"

// inbox is the deliveries that have come and wait for the program.
type inbox struct {
	// Some have come; whoever takes one and leaves more wakes the next.
	arrived signal
	// All have been taken.
	drained signal

	mu      sync.Mutex
	waiting []*Delivery
	taken   int
}

func newInbox() *inbox { return &inbox{arrived: newSignal(), drained: newSignal()} }

func (i *inbox) put(deliveries []*Delivery) {
	if len(deliveries) == 0 {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waiting = append(i.waiting, deliveries...)
	i.arrived.wake()
}

// take is the next delivery, or nil.
func (i *inbox) take() *Delivery {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.taken == len(i.waiting) {
		return nil
	}
	d := i.waiting[i.taken]
	i.waiting[i.taken] = nil
	i.taken++
	if i.taken < len(i.waiting) {
		i.arrived.wake()
		return d
	}
	i.waiting, i.taken = i.waiting[:0], 0
	i.drained.wake()
	return d
}

// clear drops what waits.
func (i *inbox) clear() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waiting, i.taken = nil, 0
	i.drained.wake()
}

func (i *inbox) len() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.waiting) - i.taken
}
