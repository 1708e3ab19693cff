package ferrymq

import (
	"context"
	"slices"
	"sync"
)

// room is the bytes that may be unconfirmed. Who finds none waits in line; whoever is first passes alone, however large.
type room struct {
	mu      sync.Mutex
	max     int
	used    int
	waiting []*waiter
	closed  error
}

type waiter struct {
	bytes int
	done  chan struct{}
	err   error
}

// take takes bytes, waiting for room if there is none.
func (r *room) take(ctx context.Context, bytes int) error {
	r.mu.Lock()
	if r.closed != nil {
		defer r.mu.Unlock()
		return r.closed
	}
	if len(r.waiting) == 0 && r.fits(bytes) {
		r.used += bytes
		r.mu.Unlock()
		return nil
	}
	w := &waiter{bytes: bytes, done: make(chan struct{})}
	r.waiting = append(r.waiting, w)
	r.mu.Unlock()
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return r.leave(w, toError(ctx.Err()))
	}
}

// leave takes a waiter out of the line, unless its turn has just come: then the room is its own.
func (r *room) leave(w *waiter, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-w.done:
		return w.err
	default:
	}
	at := slices.Index(r.waiting, w)
	r.waiting = slices.Delete(r.waiting, at, at+1)
	r.admit()
	return err
}

// give gives bytes back.
func (r *room) give(bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= bytes
	r.admit()
}

// admit lets those in front pass. Expects the caller to hold the lock.
func (r *room) admit() {
	for len(r.waiting) > 0 && r.fits(r.waiting[0].bytes) {
		first := r.waiting[0]
		r.waiting = r.waiting[1:]
		r.used += first.bytes
		close(first.done)
	}
}

// close ends all waiting, now and later, with an error.
func (r *room) close(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = err
	for _, w := range r.waiting {
		w.err = err
		close(w.done)
	}
	r.waiting = nil
}

func (r *room) fits(bytes int) bool { return r.used == 0 || r.used+bytes <= r.max }
