package ferrymq

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// Source is where deliveries come from: a [Queue], a [Group], a [Broadcast], or a [Topic], which is a broadcast of all that is published from now on.
type Source interface {
	// source fills in what it is, and is its name for a log line.
	source(request *ferrymqv1.SubscribeRequest) (name string)
}

// Group is a group of a topic: its members share the topic's messages. It stays when they go.
type Group struct {
	// Topic is whose messages it gets.
	Topic string
	// Name is the group's: 1 to 64 bytes.
	Name string
	// Create makes the group if it is not there. Else it is [ErrNotFound], so that a typo leaves no queue behind.
	Create bool
	// Start is where a group that is made now begins. Default: Latest.
	Start Point
	// Pattern of routing keys, for a group that is made now. Default: all.
	Pattern string
	// Filter, for a group that is made now. Default: all.
	Filter string
}

// Broadcast is a topic's messages, to everyone who asks: nothing is settled, and nothing remembers how far anyone is.
type Broadcast struct {
	// Topic is whose messages they are.
	Topic string
	// Start is where it begins. Default: Latest.
	Start Point
	// Stop is where it ends. Default: never.
	Stop Point
	// Pattern of routing keys. Default: all.
	Pattern string
	// Filter. Default: all.
	Filter string
}

func (q Queue) source(request *ferrymqv1.SubscribeRequest) string {
	request.Source = &ferrymqv1.SubscribeRequest_Queue{Queue: string(q)}
	return "queue " + string(q)
}

func (t Topic) source(request *ferrymqv1.SubscribeRequest) string {
	return Broadcast{Topic: string(t)}.source(request)
}

func (g Group) source(request *ferrymqv1.SubscribeRequest) string {
	request.Source = &ferrymqv1.SubscribeRequest_Topic{Topic: g.Topic}
	request.Group, request.CreateIfMissing = g.Name, g.Create
	request.Start, request.Pattern, request.Filter = g.Start.point, g.Pattern, g.Filter
	return "group " + g.Name + " of topic " + g.Topic
}

func (b Broadcast) source(request *ferrymqv1.SubscribeRequest) string {
	request.Source = &ferrymqv1.SubscribeRequest_Topic{Topic: b.Topic}
	request.Start, request.Stop = b.Start.point, b.Stop.point
	request.Pattern, request.Filter = b.Pattern, b.Filter
	return "topic " + b.Topic
}

// SubscriberOption is a setting of a [Subscriber], and of what a [Worker] subscribes with.
type SubscriberOption func(*ferrymqv1.SubscribeRequest)

// Prefetch is the most unsettled messages: 1 to 100,000, default 256. 1 suits long jobs that should spread evenly.
func Prefetch(messages int) SubscriberOption {
	return func(r *ferrymqv1.SubscribeRequest) { r.Prefetch = int32(messages) }
}

// PrefetchBytes is the most unsettled bytes: 1 to 256 MiB, default 8 MiB. One message always comes.
func PrefetchBytes(bytes int) SubscriberOption {
	return func(r *ferrymqv1.SubscribeRequest) { r.PrefetchBytes = int64(bytes) }
}

// ResumeWithin is the time within which a stream that broke is taken up again: the broker keeps its deliveries for so long. Up to 60 s, default 30 s.
func ResumeWithin(limit time.Duration) SubscriberOption {
	return func(r *ferrymqv1.SubscribeRequest) { r.ResumeWithin = durationpb.New(limit) }
}

// Lease is how long a delivery is this consumer's; the broker prolongs it while the stream lives. 1 s to the queue's max_lease. Default: the
// queue's lease.
func Lease(length time.Duration) SubscriberOption {
	return func(r *ferrymqv1.SubscribeRequest) { r.Lease = durationpb.New(length) }
}

// AtMostOnce settles each message before it is sent: a crash loses it and it never comes twice.
func AtMostOnce() SubscriberOption {
	return func(r *ferrymqv1.SubscribeRequest) { r.AtMostOnce = true }
}

// ConsumerName is shown in stats and logs. At most 128 bytes. Default: the peer's address.
func ConsumerName(name string) SubscriberOption {
	return func(r *ferrymqv1.SubscribeRequest) { r.Consumer = name }
}

// subscribeRequest is the request for a source, and its name.
func (c *Client) subscribeRequest(source Source, options []SubscriberOption) (*ferrymqv1.SubscribeRequest, string) {
	request := &ferrymqv1.SubscribeRequest{
		Prefetch: 256, PrefetchBytes: 8 << 20, MaxResponseBytes: int32(c.settings.maxResponseBytes),
		ResumeWithin: durationpb.New(30 * time.Second),
	}
	name := source.source(request)
	for _, option := range options {
		option(request)
	}
	if isBroadcast(request) {
		request.ResumeWithin = nil
	}
	return request, name
}

// isBroadcast is true if nothing of it is settled by anyone.
func isBroadcast(request *ferrymqv1.SubscribeRequest) bool {
	return request.GetQueue() == "" && request.Group == ""
}

// beginsAtLatest is true if it begins with what comes next.
func beginsAtLatest(request *ferrymqv1.SubscribeRequest) bool {
	return request.Start == nil || isLatest(request.Start)
}

func isLatest(point *ferrymqv1.LogPoint) bool {
	return point.GetEdge() == ferrymqv1.LogEdge_LOG_EDGE_LATEST
}
