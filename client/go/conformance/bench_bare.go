package main

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

const (
	// As the client's batches are: 256 KiB.
	batchMessages = 250
	// Batches that are on their way at once: 16 MiB.
	batchesOpen = 64
)

// stub is bare stubs on a channel with the options of the client's.
func stub(url string) (*grpc.ClientConn, ferrymqv1.MessagingServiceClient, error) {
	conn, err := grpc.NewClient(strings.TrimPrefix(url, "http://"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(4<<20), grpc.WithInitialConnWindowSize(16<<20),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return nil, nil, err
	}
	return conn, ferrymqv1.NewMessagingServiceClient(conn), nil
}

// barePublish is one publish stream.
type barePublish struct {
	conn   *grpc.ClientConn
	stream ferrymqv1.MessagingService_PublishStreamClient
	lastID int64
	open   chan struct{}
	// Why confirms come no more.
	ended chan error
}

func newBarePublish(ctx context.Context, url string) (*barePublish, error) {
	conn, client, err := stub(url)
	if err != nil {
		return nil, err
	}
	stream, err := client.PublishStream(ctx)
	if err != nil {
		return nil, err
	}
	p := &barePublish{conn: conn, stream: stream, open: make(chan struct{}, batchesOpen), ended: make(chan error, 1)}
	go func() { p.ended <- p.receive() }()
	return p, nil
}

func (p *barePublish) receive() error {
	for {
		response, err := p.stream.Recv()
		if err != nil {
			return err
		}
		for range response.Confirms {
			<-p.open
		}
	}
}

func (p *barePublish) run(_ context.Context, length time.Duration) (int, time.Duration, error) {
	begin, count := time.Now(), 0
	for time.Since(begin) < length {
		if err := p.take(1); err != nil {
			return 0, 0, err
		}
		if err := p.stream.Send(p.batch()); err != nil {
			return 0, 0, err
		}
		count += batchMessages
	}
	// All is confirmed once every place can be had.
	if err := p.take(batchesOpen); err != nil {
		return 0, 0, err
	}
	took := time.Since(begin)
	for range batchesOpen {
		<-p.open
	}
	return count, took, nil
}

func (p *barePublish) take(places int) error {
	for range places {
		select {
		case p.open <- struct{}{}:
		case err := <-p.ended:
			return err
		}
	}
	return nil
}

func (p *barePublish) batch() *ferrymqv1.PublishStreamRequest {
	messages := make([]*ferrymqv1.Message, batchMessages)
	for i := range messages {
		messages[i] = &ferrymqv1.Message{Payload: payload}
	}
	p.lastID++
	batch := &ferrymqv1.PublishRequest{Destination: &ferrymqv1.PublishRequest_Queue{Queue: noopQueue}, Messages: messages}
	return &ferrymqv1.PublishStreamRequest{Id: p.lastID, Batch: batch}
}

func (p *barePublish) close(context.Context) error { return p.conn.Close() }

// bareConsume is one stream that takes and acks.
type bareConsume struct {
	conn   *grpc.ClientConn
	stream ferrymqv1.MessagingService_ConsumeClient
	lastID int64
}

func newBareConsume(ctx context.Context, url string) (*bareConsume, error) {
	conn, client, err := stub(url)
	if err != nil {
		return nil, err
	}
	stream, err := client.Consume(ctx)
	if err != nil {
		return nil, err
	}
	open := &ferrymqv1.SubscribeRequest{
		Source:   &ferrymqv1.SubscribeRequest_Queue{Queue: noopQueue},
		Prefetch: prefetch, PrefetchBytes: prefetchBytes, MaxResponseBytes: 64 << 20, ResumeWithin: durationpb.New(30 * time.Second),
	}
	return &bareConsume{conn: conn, stream: stream}, stream.Send(&ferrymqv1.ConsumeRequest{Open: open})
}

func (c *bareConsume) run(_ context.Context, length time.Duration) (int, time.Duration, error) {
	begin, acked := time.Now(), 0
	for time.Since(begin) < length {
		response, err := c.stream.Recv()
		if err != nil {
			return 0, 0, err
		}
		if len(response.Deliveries) == 0 {
			continue
		}
		ids := make([][]byte, len(response.Deliveries))
		for i, delivery := range response.Deliveries {
			ids[i] = delivery.AckId
		}
		c.lastID++
		ack := &ferrymqv1.Settlement{Id: c.lastID, Action: &ferrymqv1.Settlement_Ack{Ack: &ferrymqv1.AckRequest{AckIds: ids}}}
		if err := c.stream.Send(&ferrymqv1.ConsumeRequest{Settlements: []*ferrymqv1.Settlement{ack}}); err != nil {
			return 0, 0, err
		}
		acked += len(ids)
	}
	return acked, time.Since(begin), nil
}

func (c *bareConsume) close(context.Context) error { return c.conn.Close() }
