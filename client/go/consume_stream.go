package ferrymq

import (
	"bytes"
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

const (
	// Most groups in one request.
	requestGroupsMax = 64
	// Deliveries of a broadcast that wait for the program; above, nothing more is read. Elsewhere the prefetch is the limit.
	broadcastWaitingMax = 64
)

// final are the codes that trying again does not change.
var final = []codes.Code{
	codes.NotFound, codes.InvalidArgument, codes.FailedPrecondition, codes.Aborted, codes.OutOfRange, codes.PermissionDenied, codes.Unauthenticated,
	codes.Unimplemented, codes.DataLoss,
}

// run keeps a stream until the subscriber has ended.
func (s *Subscriber) run() {
	s.err = s.persist()
	s.stop()
	if s.err != nil {
		s.pending.end(s.err)
	} else {
		s.pending.end(errSubscriberClosed())
	}
	close(s.ended)
	s.client.forget(s)
}

func (s *Subscriber) persist() error {
	waits := s.client.settings.backoff
	for {
		err := s.stream(&waits)
		closing := s.closing.Load() || s.life.Err() != nil
		switch {
		case err == nil || s.life.Err() != nil || closing && s.pending.isEmpty():
			return nil
		case s.isFinal(err):
			return err
		}
		wait := waits.next(err)
		if !closing {
			s.client.log("the subscriber lost its connection and tries again", s.name, "wait", wait, "error", err)
		}
		sleep(s.life, wait)
	}
}

// isFinal is true if trying again cannot help: before the first opening that is all but a broker that is not there.
func (s *Subscriber) isFinal(err error) bool {
	select {
	case <-s.opened:
	default:
		return codeOf(err) != codes.Unavailable
	}
	if reasonOf(err) == "POSITION_TRIMMED" && isBroadcast(s.request) && s.request.Start.GetPosition() != nil {
		// Retention removed what would have come next: it goes on with the first that is kept.
		s.request.Start = Earliest.point
		return false
	}
	return slices.Contains(final, codeOf(err))
}

// stream opens it and carries deliveries and settlements until the connection breaks or there will be no more.
func (s *Subscriber) stream(waits *backoff) error {
	ctx, cancel := context.WithCancel(s.life)
	defer cancel()
	stream, err := s.client.open(ctx, ferrymqv1.MessagingService_Consume_FullMethodName)
	if err != nil {
		return err
	}
	if err := s.readClock(ctx); err != nil {
		return err
	}
	s.pending.again()
	s.request.HeldAckIds = s.pending.heldIDs()
	if err := stream.SendMsg(&ferrymqv1.ConsumeRequest{Open: s.request}); err != nil && !isEOF(err) {
		return toError(err)
	}
	received := make(chan error, 1)
	go func() {
		err := s.receive(stream, waits)
		cancel()
		received <- err
	}()
	return howItEnded(s.send(stream, received), received, cancel)
}

// readClock asks for the broker's time before a broadcast is opened whose points mean another place later.
func (s *Subscriber) readClock(ctx context.Context) error {
	if !isBroadcast(s.request) || !beginsAtLatest(s.request) && !isLatest(s.request.Stop) {
		return nil
	}
	info, err := s.client.Messaging().GetServerInfo(ctx, &ferrymqv1.GetServerInfoRequest{})
	if err == nil {
		s.since = info.Time
	}
	return err
}

// fixPoints says what was latest at the first opening as a time, so that a broadcast that breaks misses nothing that came meanwhile, and ends where
// it would have.
func (s *Subscriber) fixPoints() {
	if s.since == nil {
		return
	}
	now := Since(s.since.AsTime()).point
	if beginsAtLatest(s.request) {
		s.request.Start = now
	}
	if isLatest(s.request.Stop) {
		s.request.Stop = now
	}
}

// send sends settlements. It ends with errReceiving, or what it found itself.
func (s *Subscriber) send(stream grpc.ClientStream, received chan error) error {
	for {
		if groups := s.pending.take(requestGroupsMax); len(groups) > 0 {
			if err := stream.SendMsg(settlements(groups)); isEOF(err) {
				return errReceiving
			} else if err != nil {
				return toError(err)
			}
			continue
		}
		if s.closing.Load() && s.pending.isSent() {
			// The broker answers what is open and takes back what is held.
			if err := stream.CloseSend(); err != nil {
				return toError(err)
			}
			return errReceiving
		}
		if err, ended := awaitNews(s.pending.news, 0, received); ended {
			received <- err
			return errReceiving
		}
	}
}

func settlements(groups []*settleGroup) *ferrymqv1.ConsumeRequest {
	request := &ferrymqv1.ConsumeRequest{Settlements: make([]*ferrymqv1.Settlement, len(groups))}
	for i, group := range groups {
		request.Settlements[i] = group.settlement()
	}
	return request
}

// receive takes what comes until the stream ends: nil if it did so in order.
func (s *Subscriber) receive(stream grpc.ClientStream, waits *backoff) error {
	response := consumed{lastTopic: &s.lastTopic}
	for {
		response.reset()
		err := stream.RecvMsg(&response)
		if isEOF(err) && (s.closing.Load() || isBroadcast(s.request)) {
			return nil
		}
		if isEOF(err) {
			return unavailable("the broker ended the stream")
		}
		if err != nil {
			return err
		}
		waits.reset()
		s.take(&response)
		s.awaitRoom(stream.Context())
	}
}

func (s *Subscriber) take(response *consumed) {
	if response.opened != nil {
		s.open(response.opened)
	}
	if !s.closing.Load() {
		s.deliver(response.deliveries)
	}
	for _, result := range response.settled {
		group := s.pending.settled(result.id, result.statuses, nil)
		if group == nil || group.awaited.Load() {
			continue
		}
		if lost := group.lost(); lost > 0 {
			s.client.log("leases had ended before their deliveries were settled", s.name, "deliveries", lost)
		}
	}
}

func (s *Subscriber) open(opened *ferrymqv1.Opened) {
	before := s.request.ResumeToken
	if len(before) > 0 && !bytes.Equal(before, opened.ResumeToken) {
		// A new consumer: what the old one held comes again, to whoever is there. Late acks of it still count.
		s.inbox.clear()
		s.pending.forgetAll()
	}
	s.request.ResumeToken = opened.ResumeToken
	s.fixPoints()
	s.openedOnce.Do(func() { close(s.opened) })
}

func (s *Subscriber) deliver(deliveries []*Delivery) {
	for _, d := range deliveries {
		d.settler = s
	}
	s.pending.hold(deliveries)
	if n := len(deliveries); n > 0 && isBroadcast(s.request) {
		next := deliveries[n-1].Position
		next.Offset++
		s.request.Start = At(next).point
	}
	s.inbox.put(deliveries)
}

// awaitRoom reads no further in a broadcast that the program does not keep up with, so that the broker does not send more.
func (s *Subscriber) awaitRoom(ctx context.Context) {
	if !isBroadcast(s.request) && !s.request.AtMostOnce {
		return
	}
	if s.inbox.len() <= broadcastWaitingMax {
		return
	}
	for s.inbox.len() > 0 && !s.closing.Load() {
		select {
		case <-s.inbox.drained:
		case <-ctx.Done():
			return
		}
	}
}

// consumed is a ConsumeResponse.
type consumed struct {
	deliveries []*Delivery
	opened     *ferrymqv1.Opened
	settled    []settled
	lastTopic  *string
}

type settled struct {
	id       int64
	statuses []SettleStatus
}

func (c *consumed) reset() {
	clear(c.deliveries)
	clear(c.settled)
	c.deliveries, c.settled, c.opened = c.deliveries[:0], c.settled[:0], nil
}

func (c *consumed) read(response []byte) error {
	return eachField(response, func(f field) error {
		switch f.number {
		case 1:
			d, err := decodeDelivery(f.bytes, c.lastTopic)
			c.deliveries = append(c.deliveries, d)
			return err
		case 2:
			c.opened = &ferrymqv1.Opened{}
			return proto.Unmarshal(f.bytes, c.opened)
		case 4:
			id, statuses, err := decodeStatuses(f.bytes)
			c.settled = append(c.settled, settled{id, statuses})
			return err
		}
		return nil
	})
}
