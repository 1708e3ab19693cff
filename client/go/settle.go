package ferrymq

import (
	"context"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// SettleStatus is what became of a settlement.
type SettleStatus int32

const (
	// SettleOK is done as asked, and on disk.
	SettleOK = SettleStatus(ferrymqv1.SettleStatus_SETTLE_STATUS_OK)
	// SettleAlreadySettled is settled before: as good.
	SettleAlreadySettled = SettleStatus(ferrymqv1.SettleStatus_SETTLE_STATUS_ALREADY_SETTLED)
	// SettleLeaseLost is too late: nothing was done.
	SettleLeaseLost = SettleStatus(ferrymqv1.SettleStatus_SETTLE_STATUS_LEASE_LOST)
	// SettleGone is that the queue or the message is gone: nothing was done.
	SettleGone = SettleStatus(ferrymqv1.SettleStatus_SETTLE_STATUS_GONE)
	// SettleInvalid is an id that is not this broker's: nothing was done.
	SettleInvalid = SettleStatus(ferrymqv1.SettleStatus_SETTLE_STATUS_INVALID)
)

// String is its name, such as OK or LEASE_LOST.
func (s SettleStatus) String() string {
	return strings.TrimPrefix(ferrymqv1.SettleStatus(s).String(), "SETTLE_STATUS_")
}

// Settlement is the broker's answer to one settlement, to come. Nobody need wait for it.
type Settlement struct {
	group *settleGroup
	index int
}

// Done is closed once the answer is there.
func (s Settlement) Done() <-chan struct{} {
	s.group.awaited.Store(true)
	return s.group.done
}

// Status waits for what became of it. It fails if the broker could not be asked any more, or ctx ends first.
func (s Settlement) Status(ctx context.Context) (SettleStatus, error) {
	select {
	case <-s.Done():
	case <-ctx.Done():
		return 0, toError(ctx.Err())
	}
	if s.group.err != nil {
		return 0, s.group.err
	}
	if s.index >= len(s.group.statuses) {
		return 0, newError(codes.Internal, "the broker answered fewer settlements than were sent")
	}
	return s.group.statuses[s.index], nil
}

// Wait waits until it is done, and fails also where the status is neither SettleOK nor SettleAlreadySettled.
func (s Settlement) Wait(ctx context.Context) error {
	status, err := s.Status(ctx)
	if err == nil && status != SettleOK && status != SettleAlreadySettled {
		return &Error{Code: codes.FailedPrecondition, Reason: status.String(), Message: "the delivery could not be settled"}
	}
	return err
}

type actionKind int

const (
	doAck actionKind = iota
	doRetry
	doRelease
	doReject
	doExtend
)

// action is what to do with a delivery.
type action struct {
	kind   actionKind
	reason string
	delay  *time.Duration
	lease  time.Duration
}

// groupMax is the most ack ids in one settlement. The broker takes 10,000 unless set otherwise.
const groupMax = 1_000

// settleGroup is deliveries that are settled alike, in one request.
type settleGroup struct {
	id         int64
	action     action
	deliveries []*Delivery
	// It went out once, so that nothing joins it any more. Guarded by the lock of what it is pending in.
	isSent bool

	done    chan struct{}
	awaited atomic.Bool
	// Set before done is closed: one of them.
	statuses []SettleStatus
	err      error
}

// takes is true if another delivery may join.
func (g *settleGroup) takes(a action) bool {
	if g.isSent || len(g.deliveries) >= groupMax || a.kind != g.action.kind || a.delay != nil || g.action.delay != nil {
		return false
	}
	return a.reason == g.action.reason && a.lease == g.action.lease
}

func (g *settleGroup) finish(statuses []SettleStatus, err error) {
	g.statuses, g.err = statuses, err
	close(g.done)
}

// lost is how many came too late.
func (g *settleGroup) lost() int {
	lost := 0
	for _, status := range g.statuses {
		if status == SettleLeaseLost {
			lost++
		}
	}
	return lost
}

func (g *settleGroup) ackIDs() [][]byte {
	ids := make([][]byte, len(g.deliveries))
	for i, delivery := range g.deliveries {
		ids[i] = delivery.ackID
	}
	return ids
}

func (g *settleGroup) nack() *ferrymqv1.NackRequest {
	modes := map[actionKind]ferrymqv1.NackMode{
		doRetry:   ferrymqv1.NackMode_NACK_MODE_RETRY,
		doRelease: ferrymqv1.NackMode_NACK_MODE_RELEASE,
		doReject:  ferrymqv1.NackMode_NACK_MODE_REJECT,
	}
	request := &ferrymqv1.NackRequest{AckIds: g.ackIDs(), Mode: modes[g.action.kind], Reason: cut(g.action.reason)}
	if g.action.delay != nil {
		request.Delay = durationpb.New(*g.action.delay)
	}
	return request
}

func (g *settleGroup) extend() *ferrymqv1.ExtendLeaseRequest {
	request := &ferrymqv1.ExtendLeaseRequest{AckIds: g.ackIDs()}
	if g.action.lease != 0 {
		request.Lease = durationpb.New(g.action.lease)
	}
	return request
}

// settlement is the group on a stream.
func (g *settleGroup) settlement() *ferrymqv1.Settlement {
	made := &ferrymqv1.Settlement{Id: g.id}
	switch g.action.kind {
	case doAck:
		made.Action = &ferrymqv1.Settlement_Ack{Ack: &ferrymqv1.AckRequest{AckIds: g.ackIDs()}}
	case doExtend:
		made.Action = &ferrymqv1.Settlement_Extend{Extend: g.extend()}
	default:
		made.Action = &ferrymqv1.Settlement_Nack{Nack: g.nack()}
	}
	return made
}

// reasonBytesMax is the most bytes of a reason that the broker takes.
const reasonBytesMax = 1_024

// cut is as much of a text as the broker takes: reasons are often errors' texts, which may be long or no UTF-8.
func cut(reason string) string {
	reason = strings.ToValidUTF8(reason, string(utf8.RuneError))
	if len(reason) <= reasonBytesMax {
		return reason
	}
	end := reasonBytesMax
	for !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end]
}
