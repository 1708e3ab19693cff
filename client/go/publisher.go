package ferrymq

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

// Publisher is a stream of messages to one destination: they are gathered into batches, confirmed as they reach the disk, and sent again, in order,
// when the connection breaks. One for each destination is enough for all goroutines of a program. Close it.
type Publisher struct {
	client   *Client
	name     string
	head     []byte
	settings publisherSettings
	room     *room
	// Something came to send, or the publisher is closing.
	news signal
	// Ends the connection, or the attempts to make one.
	life  context.Context
	stop  context.CancelFunc
	ended chan struct{}

	mu sync.Mutex
	// Being filled; nil if there is none.
	open *batch
	// Sealed and neither confirmed nor failed, by their ids; the first `sent` of them went out on this connection.
	unconfirmed []*batch
	sent        int
	lastID      int64
	bodyBytes   int
	connected   bool
	closing     bool
	// What ended it by itself.
	failure error
	expiry  *time.Timer
}

// Publisher makes a publisher to a topic or queue. It connects with the first message.
func (c *Client) Publisher(to Destination, options ...PublisherOption) *Publisher {
	s := publisherSettingsOf(options)
	p := &Publisher{
		client: c, name: destinationName(to), settings: s,
		head: requestHead(to, s.requireRoute, s.waitForRoom),
		room: &room{max: s.unconfirmedBytes}, news: newSignal(), ended: make(chan struct{}), bodyBytes: 1 << 10,
	}
	p.life, p.stop = context.WithCancel(context.Background())
	if err := c.keep(p, streams); err != nil {
		p.room.close(err)
		p.closing = true
	}
	go p.run()
	return p
}

// Publish takes a message and returns its confirm at once; it waits only while too much is unconfirmed, no longer than ctx. It fails for a message
// that cannot be encoded, with [ErrUnavailable] once the publisher is closed, and with what ended the stream where trying again could not help.
func (p *Publisher) Publish(ctx context.Context, message Message) (Confirm, error) {
	if err := message.check(); err != nil {
		return Confirm{}, err
	}
	trace := p.client.settings.trace.attributes(ctx, message.Attributes)
	size := message.size(trace)
	bytes := itemSize(size)
	if err := p.room.take(ctx, bytes); err != nil {
		return Confirm{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		p.room.give(bytes)
		return Confirm{}, cmp.Or(p.failure, errPublisherClosed())
	}
	b := p.batchFor(bytes)
	b.body = message.appendItem(b.body, size, trace)
	b.count++
	confirm := Confirm{batch: b, index: b.count - 1}
	if b.count >= p.settings.batchMessages || len(b.body) >= p.settings.batchBytes {
		p.seal()
		p.news.wake()
	} else if b.count == 1 {
		p.news.wake()
	}
	return confirm, nil
}

func errPublisherClosed() error { return unavailable("the publisher is closed") }

// Flush waits until all that was published before is confirmed, or has failed, and returns the first failure, or what ended the publisher by itself.
func (p *Publisher) Flush(ctx context.Context) error {
	p.mu.Lock()
	batches := slices.Clone(p.unconfirmed)
	if p.open != nil {
		batches = append(batches, p.open)
	}
	p.mu.Unlock()
	var first error
	for _, b := range batches {
		if err := b.wait(ctx); err != nil {
			return err
		}
		if b.err != nil && first == nil {
			first = b.err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return cmp.Or(p.failure, first)
}

// Close flushes and ends the stream; nothing can be published any more. Where ctx ends first, what is still open fails as unavailable. It returns
// as Flush does.
func (p *Publisher) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	p.room.close(errPublisherClosed())
	p.news.wake()
	err := p.Flush(ctx)
	p.end(ctx)
	p.client.forget(p)
	return err
}

// end waits for a connected stream to end in order; an attempt to connect is of no use any more.
func (p *Publisher) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, p.client.settings.callTimeout)
	defer cancel()
	p.mu.Lock()
	connected := p.connected
	p.mu.Unlock()
	if connected {
		select {
		case <-p.ended:
		case <-ctx.Done():
		}
	}
	p.stop()
	<-p.ended
}

// batchFor is the batch that so many more bytes go into. Expects the lock.
func (p *Publisher) batchFor(bytes int) *batch {
	if p.open != nil && len(p.open.body)+bytes > p.settings.batchBytes {
		p.seal()
	}
	if p.open == nil {
		p.lastID++
		// As large as the last one, so that a steady stream does not copy each batch while it grows.
		p.open = &batch{
			id: p.lastID, start: time.Now(), body: make([]byte, 0, max(p.bodyBytes, bytes)), done: make(chan struct{}),
		}
		p.expireLater()
	}
	return p.open
}

// seal ends the batch that is being filled. Expects the lock.
func (p *Publisher) seal() {
	p.bodyBytes = min(len(p.open.body)+len(p.open.body)/16, p.settings.batchBytes)
	p.unconfirmed = append(p.unconfirmed, p.open)
	p.open = nil
}

func (p *Publisher) hasWork() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.unconfirmed) > 0 || p.open != nil
}

// settle ends one batch, if it has not ended before.
func (p *Publisher) settle(id int64, encoded []byte, err error) {
	p.mu.Lock()
	at, ok := slices.BinarySearchFunc(p.unconfirmed, id, func(b *batch, id int64) int { return int(b.id - id) })
	if !ok {
		// It was given up meanwhile, and told so.
		p.mu.Unlock()
		return
	}
	b := p.unconfirmed[at]
	if at == 0 {
		p.unconfirmed = p.unconfirmed[1:]
	} else {
		p.unconfirmed = slices.Delete(p.unconfirmed, at, at+1)
	}
	if at < p.sent {
		p.sent--
	}
	p.mu.Unlock()
	bytes := len(b.body)
	if err != nil && !b.awaited.Load() {
		p.client.log("messages were not published", p.name, "messages", b.count, "error", err)
	}
	b.settle(encoded, err)
	p.room.give(bytes)
}

// sealed are all that are not confirmed, the one being filled among them.
func (p *Publisher) sealed() []*batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open != nil {
		p.seal()
	}
	return slices.Clone(p.unconfirmed)
}

// expireLater sees to it that the oldest batch is given up when its time is over. Expects the lock.
func (p *Publisher) expireLater() {
	if p.expiry != nil {
		return
	}
	oldest := p.open
	if len(p.unconfirmed) > 0 {
		oldest = p.unconfirmed[0]
	}
	if oldest != nil {
		p.expiry = time.AfterFunc(time.Until(oldest.start.Add(p.settings.publishTimeout)), p.expire)
	}
}

func (p *Publisher) expire() {
	late := &Error{
		Code:    codes.Unavailable,
		Message: "not confirmed within " + p.settings.publishTimeout.String() + ": it may or may not be stored",
	}
	for _, b := range p.sealed() {
		if time.Since(b.start) >= p.settings.publishTimeout {
			p.settle(b.id, nil, late)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expiry = nil
	p.expireLater()
}
