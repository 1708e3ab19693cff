package ferrymq

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// run keeps a stream as long as there is something to send, until the publisher has ended. It alone fails what is open, but for what expires.
func (p *Publisher) run() {
	defer close(p.ended)
	waits := p.client.settings.backoff
	end := errPublisherClosed()
	for p.awaitWork() {
		err := p.stream(&waits)
		if p.life.Err() != nil || err == nil || !p.hasWork() {
			// Without anything to send, the next message connects anew.
			continue
		}
		if !passes(err) {
			end = err
			break
		}
		p.rest(waits.next(err), err)
	}
	p.endWith(end)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.expiry != nil {
		p.expiry.Stop()
	}
}

// passes is true if a stream that ended so is to be opened again.
func passes(err error) bool {
	var known *Error
	return codeOf(err) == codes.Unavailable || errors.As(err, &known) && known.RetryAfter > 0
}

// endWith ends the publisher: nothing more is taken, and what is open fails. Of what was sent nobody knows whether it is stored, whatever the end's
// code: it may come from a proxy, and the confirm may have been lost on the way.
func (p *Publisher) endWith(end error) {
	p.mu.Lock()
	p.closing = true
	if codeOf(end) != codes.Unavailable {
		p.failure = end
	}
	p.mu.Unlock()
	p.room.close(end)
	for _, b := range p.sealed() {
		if b.sentOnce {
			p.settle(b.id, nil, unavailable("not known whether it is stored: the publish stream ended: %v", end))
		} else {
			p.settle(b.id, nil, end)
		}
	}
}

// awaitWork waits until there is something to send; false: there will be nothing more.
func (p *Publisher) awaitWork() bool {
	for {
		p.mu.Lock()
		hasWork, closing := len(p.unconfirmed) > 0 || p.open != nil, p.closing
		p.mu.Unlock()
		switch {
		case p.life.Err() != nil:
			return false
		case hasWork:
			return true
		case closing:
			return false
		}
		select {
		case <-p.news:
		case <-p.life.Done():
		}
	}
}

// rest waits before the next attempt.
func (p *Publisher) rest(wait time.Duration, err error) {
	p.client.log("the publisher lost its connection and tries again", p.name, "wait", wait, "error", err)
	sleep(p.life, wait)
}

// stream sends what is open, from the first, until the connection breaks or nothing more will come.
func (p *Publisher) stream(waits *backoff) error {
	ctx, cancel := context.WithCancel(p.life)
	defer cancel()
	stream, err := p.client.open(ctx, ferrymqv1.MessagingService_PublishStream_FullMethodName)
	if err != nil {
		return err
	}
	p.connect(true)
	defer p.connect(false)
	received := make(chan error, 1)
	go func() {
		err := p.receive(stream, waits)
		// A broker that reads no more would hold up the sending side.
		cancel()
		received <- err
	}()
	return howItEnded(p.send(stream, received), received, cancel)
}

// howItEnded waits for the receiving side of a stream whose sending side has ended so, and says why it did.
func howItEnded(sent error, received <-chan error, cancel context.CancelFunc) error {
	if sent != errReceiving {
		cancel()
	}
	err := <-received
	if sent != errReceiving && codeOf(err) == codes.Canceled {
		return sent
	}
	return err
}

func (p *Publisher) connect(connected bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent, p.connected = 0, connected
}

// errReceiving says that the receiving side knows, or will know, how a stream ended.
var errReceiving = errors.New("see what was received")

// send sends batch after batch. It ends with errReceiving, or what it found itself.
func (p *Publisher) send(stream grpc.ClientStream, received chan error) error {
	for {
		b, wait := p.next()
		if b != nil {
			prefix := streamHead(b.id, p.head, len(b.body))
			if err := stream.SendMsg(frame{prefix, b.body}); isEOF(err) {
				return errReceiving
			} else if err != nil {
				return toError(err)
			}
			continue
		}
		if p.isOver() {
			if err := stream.CloseSend(); err != nil {
				return toError(err)
			}
			return errReceiving
		}
		if err, ended := awaitNews(p.news, wait, received); ended {
			received <- err
			return errReceiving
		}
	}
}

// awaitNews waits for something to send, for so long if it is not 0; ended: the receiving side has, and nothing more can be sent.
func awaitNews(news signal, wait time.Duration, received <-chan error) (err error, ended bool) {
	var due <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-news:
	case <-due:
	case err := <-received:
		return err, true
	}
	return nil, false
}

// next is the next batch to send; else how long the one being filled still waits for more, or 0.
func (p *Publisher) next() (*batch, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sent == len(p.unconfirmed) {
		if p.open == nil {
			return nil, 0
		}
		if wait := p.lingers(); wait > 0 {
			return nil, wait
		}
		p.seal()
	}
	p.sent++
	b := p.unconfirmed[p.sent-1]
	b.sentOnce = true
	return b, 0
}

func (p *Publisher) lingers() time.Duration {
	if p.settings.linger == 0 || p.closing {
		return 0
	}
	return time.Until(p.open.start.Add(p.settings.linger))
}

// isOver is true once nothing more will be sent.
func (p *Publisher) isOver() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closing && p.open == nil && p.sent == len(p.unconfirmed)
}

// receive takes confirms until the stream ends.
func (p *Publisher) receive(stream grpc.ClientStream, waits *backoff) error {
	for {
		var confirms confirms
		err := stream.RecvMsg(&confirms)
		if isEOF(err) && !p.hasWork() {
			return nil
		}
		if isEOF(err) {
			return unavailable("the broker ended the stream")
		}
		if err != nil {
			return err
		}
		waits.reset()
		for _, confirm := range confirms {
			p.settle(confirm.id, confirm.results, confirm.err())
		}
	}
}

// confirms are a PublishStreamResponse.
type confirms []confirmation

func (c *confirms) read(response []byte) error {
	return eachField(response, func(f field) error {
		if f.number != 1 {
			return nil
		}
		confirm, err := decodeConfirm(f.bytes)
		*c = append(*c, confirm)
		return err
	})
}
