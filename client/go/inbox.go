package ferrymq

import "sync"

// inbox is the deliveries that have come and wait for the program.
type inbox struct {
	// Some have come; whoever takes one and leaves more wakes the next that waits.
	arrived signal
	// All have been taken.
	drained signal

	mu      sync.Mutex
	waiting []*Delivery
	taken   int
	// How many wait for some to come.
	idle int
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

// take is the next delivery, or nil: then the caller is idle, if it waits, until it says that it is awake.
func (i *inbox) take(waits bool) *Delivery {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.taken == len(i.waiting) {
		if waits {
			i.idle++
		}
		return nil
	}
	d := i.waiting[i.taken]
	i.waiting[i.taken] = nil
	i.taken++
	if i.taken == len(i.waiting) {
		i.waiting, i.taken = i.waiting[:0], 0
		i.drained.wake()
	} else if i.idle > 0 {
		i.arrived.wake()
	}
	return d
}

// awake is for whoever was idle. It passes on what woke it, as it may leave without a delivery.
func (i *inbox) awake() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.idle--
	if i.idle > 0 && i.taken < len(i.waiting) {
		i.arrived.wake()
	}
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
