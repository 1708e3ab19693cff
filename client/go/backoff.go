package ferrymq

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// jitter is how much more or less than its nominal length a wait may be, as a part of it.
const jitter = 0.2

// backoff is the waits between attempts: each twice as long as the one before, up to a limit.
type backoff struct {
	min, max time.Duration
	nominal  time.Duration
}

// reset begins anew: an attempt came through.
func (b *backoff) reset() { b.nominal = 0 }

// next is how long to wait after an attempt that failed with err; no less than the broker asked for, within the limit.
func (b *backoff) next(err error) time.Duration {
	b.nominal = min(max(2*b.nominal, b.min), b.max)
	wait := time.Duration(float64(b.nominal) * (1 - jitter + 2*jitter*rand.Float64()))
	var known *Error
	if errors.As(err, &known) {
		wait = max(wait, min(known.RetryAfter, b.max))
	}
	return wait
}

// sleep waits, and tells whether it waited to the end.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// signal wakes one goroutine that waits for news; a signal that nobody waits for is kept, two of them are one.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) wake() {
	select {
	case s <- struct{}{}:
	default:
	}
}
