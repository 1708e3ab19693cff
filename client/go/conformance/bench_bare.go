package main

import (
	"context"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

func stub(url string) (ferrymqv1.MessagingServiceClient, error) {
	target := strings.TrimPrefix(url, "http://")
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	return ferrymqv1.NewMessagingServiceClient(conn), nil
}

func bareBatch(id int64) *ferrymqv1.PublishStreamRequest {
	messages := make([]*ferrymqv1.Message, batchMessages)
	for i := range messages {
		messages[i] = &ferrymqv1.Message{Payload: payload}
	}
	batch := &ferrymqv1.PublishRequest{Destination: &ferrymqv1.PublishRequest_Queue{Queue: "bench"}, Messages: messages}
	return &ferrymqv1.PublishStreamRequest{Id: id, Batch: batch}
}

// barePublish publishes for so long, with so many batches open at once.
func barePublish(ctx context.Context, url string, length time.Duration) (int, error) {
	client, err := stub(url)
	if err != nil {
		return 0, err
	}
	return bareSend(ctx, client, length)
}

func bareSend(ctx context.Context, client ferrymqv1.MessagingServiceClient, length time.Duration) (int, error) {
	stream, err := client.PublishStream(ctx)
	if err != nil {
		return 0, err
	}
	open, confirmed := make(chan struct{}, batchesOpen), 0
	var both errgroup.Group
	both.Go(func() error {
		id := int64(0)
		for end := time.Now().Add(length); time.Now().Before(end); id++ {
			open <- struct{}{}
			if err := stream.Send(bareBatch(id)); err != nil {
				return err
			}
		}
		return stream.CloseSend()
	})
	both.Go(func() error {
		for {
			response, err := stream.Recv()
			if err != nil {
				// In order, or the sending side fails too.
				return nil
			}
			for _, confirm := range response.Confirms {
				confirmed += len(confirm.GetConfirmed().GetResults())
				<-open
			}
		}
	})
	err = both.Wait()
	return confirmed, err
}

// bareThrough publishes, and takes and acks, at the same time; what it counts is the fewer of the two.
func bareThrough(ctx context.Context, url string, length time.Duration) (int, error) {
	client, err := stub(url)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	published, acked := 0, 0
	var both errgroup.Group
	both.Go(func() error {
		var err error
		published, err = bareSend(context.WithoutCancel(ctx), client, length)
		return err
	})
	both.Go(func() error {
		var err error
		acked, err = bareReceive(ctx, client)
		return err
	})
	err = both.Wait()
	return min(published, acked), err
}

func bareReceive(ctx context.Context, client ferrymqv1.MessagingServiceClient) (int, error) {
	source := &ferrymqv1.SubscribeRequest_Queue{Queue: "bench-1024"}
	stream, err := client.Subscribe(ctx, &ferrymqv1.SubscribeRequest{Source: source})
	if err != nil {
		return 0, err
	}
	acked := 0
	for {
		response, err := stream.Recv()
		if ctx.Err() != nil {
			return acked, nil
		}
		if err != nil {
			return 0, err
		}
		ids := make([][]byte, len(response.Deliveries))
		for i, delivery := range response.Deliveries {
			ids[i] = delivery.AckId
		}
		if len(ids) == 0 {
			continue
		}
		if _, err := client.Ack(ctx, &ferrymqv1.AckRequest{AckIds: ids}); err == nil {
			acked += len(ids)
		}
	}
}
