package ferrymq

import (
	"slices"
	"sync"
)

// pending is what a subscriber or a pull holds: deliveries that are not settled, and settlements that were not sent yet or not answered. The latter are
// sent again when the connection breaks.
type pending struct {
	// Something came to send, or it is closing.
	news signal

	mu     sync.Mutex
	toSend []*settleGroup
	sent   []*settleGroup
	lastID int64
	// Delivered and neither settled nor given back, in any order.
	held []*Delivery
	// Why nothing can be settled any more.
	closed error
}

// add takes a settlement; those of a kind that come together are sent together.
func (p *pending) add(d *Delivery, a action) Settlement {
	if len(d.ackID) == 0 {
		return answered(d, []SettleStatus{SettleOK}, nil)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.kind != doExtend && d.settlement.group != nil {
		return d.settlement
	}
	if p.closed != nil {
		return answered(d, nil, p.closed)
	}
	settlement := p.join(d, a)
	if a.kind != doExtend {
		d.settlement = settlement
	}
	return settlement
}

// join adds a delivery to the last group, or to a new one. Expects the lock.
func (p *pending) join(d *Delivery, a action) Settlement {
	if n := len(p.toSend); n > 0 && p.toSend[n-1].takes(a) {
		group := p.toSend[n-1]
		group.deliveries = append(group.deliveries, d)
		return Settlement{group, len(group.deliveries) - 1}
	}
	p.lastID++
	group := &settleGroup{id: p.lastID, action: a, deliveries: []*Delivery{d}, done: make(chan struct{})}
	p.toSend = append(p.toSend, group)
	p.news.wake()
	return Settlement{group, 0}
}

func answered(d *Delivery, statuses []SettleStatus, err error) Settlement {
	group := &settleGroup{deliveries: []*Delivery{d}, done: make(chan struct{})}
	group.finish(statuses, err)
	return Settlement{group, 0}
}

// hold remembers deliveries.
func (p *pending) hold(deliveries []*Delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range deliveries {
		if len(d.ackID) > 0 {
			d.at = len(p.held)
			p.held = append(p.held, d)
		}
	}
}

// forget takes a delivery out of what is held. Expects the lock.
func (p *pending) forget(d *Delivery) {
	if d.at < 0 || d.at >= len(p.held) || p.held[d.at] != d {
		return
	}
	last := len(p.held) - 1
	p.held[d.at] = p.held[last]
	p.held[d.at].at = d.at
	p.held[last] = nil
	p.held = p.held[:last]
	d.at = -1
}

// forgetAll is for deliveries that go to somebody else.
func (p *pending) forgetAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = nil
}

// heldIDs are the ack ids of what is held.
func (p *pending) heldIDs() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := make([][]byte, len(p.held))
	for i, d := range p.held {
		ids[i] = d.ackID
	}
	return ids
}

// again puts what was sent and not answered first among what is to be sent.
func (p *pending) again() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.toSend = append(p.sent, p.toSend...)
	p.sent = nil
}

// take is what there is to send now, at most so many groups.
func (p *pending) take(max int) []*settleGroup {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(max, len(p.toSend))
	groups := slices.Clone(p.toSend[:n])
	p.toSend = slices.Delete(p.toSend, 0, n)
	for _, group := range groups {
		group.isSent = true
	}
	p.sent = append(p.sent, groups...)
	return groups
}

// settled ends a group that was answered; nil: it is not known here.
func (p *pending) settled(id int64, statuses []SettleStatus, err error) *settleGroup {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.IndexFunc(p.sent, func(g *settleGroup) bool { return g.id == id })
	if at < 0 {
		return nil
	}
	group := p.sent[at]
	p.sent = slices.Delete(p.sent, at, at+1)
	if group.action.kind != doExtend {
		for _, d := range group.deliveries {
			p.forget(d)
		}
	}
	group.finish(statuses, err)
	return group
}

// close takes no more settlements; what was taken goes on.
func (p *pending) close(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed == nil {
		p.closed = err
	}
	p.news.wake()
}

// end fails what is open.
func (p *pending) end(err error) {
	p.close(err)
	p.again()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, group := range p.toSend {
		group.finish(nil, err)
	}
	p.toSend, p.held = nil, nil
}

// closeIfEmpty closes it with err if all that was taken is settled and answered, and says whether it did.
func (p *pending) closeIfEmpty(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.toSend) > 0 || len(p.sent) > 0 || len(p.held) > 0 {
		return false
	}
	if p.closed == nil {
		p.closed = err
	}
	return true
}

// isSent is true if there is nothing to send.
func (p *pending) isSent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.toSend) == 0
}

// isEmpty is true if all that was taken is settled and answered.
func (p *pending) isEmpty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.toSend) == 0 && len(p.sent) == 0 && len(p.held) == 0
}

// holding is what is held now.
func (p *pending) holding() []*Delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.held)
}

// lose forgets those whose leases could not be extended, and says how many these are.
func (p *pending) lose(group *settleGroup) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	lost := 0
	for i, status := range group.statuses {
		if d := group.deliveries[min(i, len(group.deliveries)-1)]; status != SettleOK && d.at >= 0 {
			p.forget(d)
			lost++
		}
	}
	return lost
}

// release gives back what is held and has no settlement under way.
func (p *pending) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := slices.DeleteFunc(slices.Clone(p.held), func(d *Delivery) bool { return d.settlement.group != nil })
	for chunk := range slices.Chunk(held, groupMax) {
		p.lastID++
		p.toSend = append(p.toSend, &settleGroup{
			id: p.lastID, action: action{kind: doRelease}, deliveries: chunk, done: make(chan struct{}),
		})
	}
	p.news.wake()
}
