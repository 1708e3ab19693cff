package ferrymq

import (
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

func serve(t *testing.T, address string) (*grpc.Server, string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	ferrymqv1.RegisterMessagingServiceServer(server, &fake{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return server, listener.Addr().String()
}

func TestTheFirstCallToABrokerThatIsBackSucceeds(t *testing.T) {
	server, address := serve(t, "127.0.0.1:0")
	client, err := Connect("http://"+address, WithReconnectBackoff(10*time.Second, time.Minute), WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	call := func() error {
		// The fake knows no such call: that is an answer.
		_, err := client.Publish(within(t), Topic("orders"), Text("hello"))
		return err
	}
	if err := call(); codeOf(err) != codes.Unimplemented {
		t.Fatalf("answered %v", err)
	}
	server.Stop()
	for client.conn.GetState() != connectivity.TransientFailure {
		if err := call(); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("without a broker: %v", err)
		}
	}
	serve(t, address)
	if err := call(); codeOf(err) != codes.Unimplemented {
		t.Errorf("answered %v", err)
	}
	if err := client.Close(within(t)); err != nil {
		t.Error(err)
	}
}
