package ferrymq

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// Pull takes up to so many deliveries once, of a [Queue] or [Group], and waits so long for the first of them: 0 to 5 min. None is no error. Their leases are
// extended until they are settled or the client is closed, which gives them back. Of the options, [Lease], [AtMostOnce] and [ConsumerName] are looked at.
func (c *Client) Pull(ctx context.Context, source Source, most int, wait time.Duration, options ...SubscriberOption) ([]*Delivery, error) {
	subscribe, name := c.subscribeRequest(source, options)
	if isBroadcast(subscribe) {
		return nil, invalidField("source", "is a queue or a group")
	}
	request := &ferrymqv1.PullRequest{
		Group: subscribe.Group, MaxMessages: int32(most), MaxBytes: 8 << 20, Wait: durationpb.New(wait), Lease: subscribe.Lease,
		AtMostOnce: subscribe.AtMostOnce, Consumer: subscribe.Consumer, CreateIfMissing: subscribe.CreateIfMissing,
	}
	if queue := subscribe.GetQueue(); queue != "" {
		request.Source = &ferrymqv1.PullRequest_Queue{Queue: queue}
	} else {
		request.Source = &ferrymqv1.PullRequest_Topic{Topic: subscribe.GetTopic()}
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait+c.settings.callTimeout)
		defer cancel()
	}
	var response pullResponse
	method := ferrymqv1.MessagingService_Pull_FullMethodName
	if err := c.conn.Invoke(ctx, method, request, &response, grpc.ForceCodecV2(c.codec)); err != nil {
		return nil, err
	}
	c.hold(&response, name)
	return response.deliveries, nil
}

// pullResponse is a PullResponse.
type pullResponse struct {
	deliveries []*Delivery
	lease      time.Duration
}

func (p *pullResponse) read(response []byte) error {
	var topic string
	return eachField(response, func(f field) error {
		switch f.number {
		case 1:
			d, err := decodeDelivery(f.bytes, &topic)
			p.deliveries = append(p.deliveries, d)
			return err
		case 3:
			return eachField(f.bytes, func(f field) error {
				switch f.number {
				case 1:
					p.lease += time.Duration(f.value) * time.Second
				case 2:
					p.lease += time.Duration(f.value)
				}
				return nil
			})
		}
		return nil
	})
}

// pulled is the deliveries of one pull until all of them are settled.
type pulled struct {
	client  *Client
	name    string
	lease   time.Duration
	pending *pending
	life    context.Context
	stop    context.CancelFunc
	ended   chan struct{}
}

// leaseFraction: leases are extended when so much of them is over, so that two attempts may fail.
const leaseFraction = 3

// hold takes care of what a pull brought.
func (c *Client) hold(response *pullResponse, name string) {
	p := &pulled{
		client: c, name: name, lease: max(response.lease, time.Second), pending: &pending{news: newSignal()}, ended: make(chan struct{}),
	}
	p.life, p.stop = context.WithCancel(context.Background())
	for _, d := range response.deliveries {
		d.settler = p
	}
	p.pending.hold(response.deliveries)
	if p.pending.isEmpty() || c.keep(p, streams) != nil {
		p.stop()
		p.pending.close(unavailable("the client is closed"))
		return
	}
	go p.run()
}

// settle implements settler.
func (p *pulled) settle(d *Delivery, a action) Settlement { return p.pending.add(d, a) }

// context implements settler.
func (p *pulled) context(ctx context.Context, d *Delivery) context.Context {
	return p.client.settings.trace.context(ctx, d.Attributes)
}

// Close gives back what is not settled, and waits until all is answered, no longer than the call timeout.
func (p *pulled) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.client.settings.callTimeout)
	defer cancel()
	p.pending.release()
	p.pending.close(unavailable("the client is closed"))
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		p.stop()
		<-p.ended
		return toError(ctx.Err())
	}
}

// run settles and extends until nothing is held any more.
func (p *pulled) run() {
	defer close(p.ended)
	defer p.client.forget(p)
	defer p.stop()
	waits := p.client.settings.backoff
	extend := time.NewTicker(p.lease / leaseFraction)
	defer extend.Stop()
	for !p.pending.closeIfEmpty(errPullOver()) {
		var retry <-chan time.Time
		if err := p.send(); err != nil {
			p.pending.again()
			wait := waits.next(err)
			p.client.log("deliveries of a pull could not be settled, trying again", p.name, "wait", wait, "error", err)
			retry = time.After(wait)
		} else if waits.reset(); p.pending.closeIfEmpty(errPullOver()) {
			return
		}
		select {
		case <-p.news(retry):
		case <-retry:
		case <-extend.C:
			p.extend()
		case <-p.life.Done():
			p.pending.end(unavailable("the client is closed"))
		}
	}
}

func errPullOver() error {
	return newError(codes.FailedPrecondition, "the delivery was settled before, or its lease has ended")
}

// news is what came to send; nothing while an attempt is due later.
func (p *pulled) news(retry <-chan time.Time) <-chan struct{} {
	if retry != nil {
		return nil
	}
	return p.pending.news
}

// send settles what there is. It fails if trying again can help.
func (p *pulled) send() error {
	for {
		groups := p.pending.take(1)
		if len(groups) == 0 {
			return nil
		}
		statuses, err := p.call(groups[0])
		if codeOf(err) == codes.Unavailable || codeOf(err) == codes.DeadlineExceeded {
			return err
		}
		p.answered(p.pending.settled(groups[0].id, statuses, err))
	}
}

func (p *pulled) answered(group *settleGroup) {
	if group == nil || group.awaited.Load() {
		return
	}
	if lost := group.lost(); lost > 0 {
		p.client.log("leases had ended before their deliveries were settled", p.name, "deliveries", lost)
	}
}

func (p *pulled) call(group *settleGroup) ([]SettleStatus, error) {
	messaging := p.client.Messaging()
	switch group.action.kind {
	case doAck:
		response, err := messaging.Ack(p.life, &ferrymqv1.AckRequest{AckIds: group.ackIDs()})
		return statusesOf(response.GetStatuses()), err
	case doExtend:
		response, err := messaging.ExtendLease(p.life, group.extend())
		return statusesOf(response.GetStatuses()), err
	default:
		response, err := messaging.Nack(p.life, group.nack())
		return statusesOf(response.GetStatuses()), err
	}
}

func statusesOf(given []ferrymqv1.SettleStatus) []SettleStatus {
	statuses := make([]SettleStatus, len(given))
	for i, status := range given {
		statuses[i] = SettleStatus(status)
	}
	return statuses
}

// extend prolongs the leases of all that is held. What is lost is so for good, and is not tried again.
func (p *pulled) extend() {
	held := p.pending.holding()
	for len(held) > 0 {
		n := min(len(held), groupMax)
		group := &settleGroup{action: action{kind: doExtend, lease: p.lease}, deliveries: held[:n], done: make(chan struct{})}
		held = held[n:]
		statuses, err := p.call(group)
		if err != nil {
			// The next tick tries again, while the lease lasts.
			continue
		}
		group.finish(statuses, nil)
		p.lose(group)
	}
}

func (p *pulled) lose(group *settleGroup) {
	lost := p.pending.lose(group)
	if lost > 0 {
		p.client.log("leases of a pull have ended", p.name, "deliveries", lost)
	}
}
