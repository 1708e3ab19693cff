package ferrymq

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

type (
	publishStream = grpc.BidiStreamingServer[ferrymqv1.PublishStreamRequest, ferrymqv1.PublishStreamResponse]
	consumeStream = grpc.BidiStreamingServer[ferrymqv1.ConsumeRequest, ferrymqv1.ConsumeResponse]
)

// fake is a broker that plays what a test says for each stream in turn, from 1.
type fake struct {
	ferrymqv1.UnimplementedMessagingServiceServer
	publish func(number int, stream publishStream) error
	consume func(number int, stream consumeStream) error
	streams atomic.Int32
}

// fakeTime is what the clock of every fake says.
var fakeTime = time.Unix(1, 0)

func (f *fake) GetServerInfo(context.Context, *ferrymqv1.GetServerInfoRequest) (*ferrymqv1.GetServerInfoResponse, error) {
	return &ferrymqv1.GetServerInfoResponse{Time: timestamppb.New(fakeTime)}, nil
}

func (f *fake) PublishStream(stream publishStream) error {
	return f.publish(int(f.streams.Add(1)), stream)
}

func (f *fake) Consume(stream consumeStream) error {
	return f.consume(int(f.streams.Add(1)), stream)
}

// client starts the fake and is a client of it.
func (f *fake) client(t *testing.T) *Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	ferrymqv1.RegisterMessagingServiceServer(server, f)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	client, err := Connect("http://"+listener.Addr().String(),
		WithReconnectBackoff(time.Millisecond, 2*time.Millisecond), WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// What the fake does not answer is cut off.
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = client.Close(ctx)
	})
	return client
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func payloadsOf(request *ferrymqv1.PublishStreamRequest) []string {
	var payloads []string
	for _, message := range request.Batch.Messages {
		payloads = append(payloads, string(message.Payload))
	}
	return payloads
}

func confirmOf(request *ferrymqv1.PublishStreamRequest) *ferrymqv1.PublishStreamResponse {
	confirmed := &ferrymqv1.PublishResponse{}
	for i := range request.Batch.Messages {
		confirmed.Results = append(confirmed.Results, &ferrymqv1.PublishResult{
			Position: &ferrymqv1.Position{Log: 1, Offset: request.Id*100 + int64(i)}, QueuesMatched: 2,
		})
	}
	return &ferrymqv1.PublishStreamResponse{Confirms: []*ferrymqv1.PublishConfirm{
		{Id: request.Id, Outcome: &ferrymqv1.PublishConfirm_Confirmed{Confirmed: confirmed}},
	}}
}

func failureOf(request *ferrymqv1.PublishStreamRequest, failure *ferrymqv1.Failure) *ferrymqv1.PublishStreamResponse {
	return &ferrymqv1.PublishStreamResponse{Confirms: []*ferrymqv1.PublishConfirm{
		{Id: request.Id, Outcome: &ferrymqv1.PublishConfirm_Failure{Failure: failure}},
	}}
}

// confirmAll confirms what comes until the client ends the stream.
func confirmAll(stream publishStream) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil
		}
		if err := stream.Send(confirmOf(request)); err != nil {
			return err
		}
	}
}
