package ferrymq

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"os"
	"sync"

	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// DefaultURL is the broker's where neither an argument nor FERRYMQ_URL says another.
const DefaultURL = "http://127.0.0.1:7171"

// Windows of HTTP/2: what may be on its way without having been read.
const (
	streamWindowBytes     = 4 << 20
	connectionWindowBytes = 16 << 20
)

// Client is a broker. It is safe for use by many goroutines, as is all that it makes.
type Client struct {
	conn     *grpc.ClientConn
	settings settings
	codec    codec

	mu sync.Mutex
	// What was made by it and is not closed.
	made   map[closer]rank
	closed bool
}

type closer interface {
	Close(context.Context) error
}

// rank is when something is closed with its client: workers before what their handlers use.
type rank int

const (
	workers rank = iota
	streams
	ranks
)

// Connect makes a client of the broker at a URL: http:// is plain text, https:// is TLS with the system's certificates. An empty URL is that of
// the environment variable FERRYMQ_URL, else [DefaultURL]. It does not wait for the broker: the first call does. It fails only for a bad URL.
func Connect(brokerURL string, options ...Option) (*Client, error) {
	s := defaultSettings()
	for _, option := range options {
		option(&s)
	}
	target, transport, err := targetOf(cmp.Or(brokerURL, os.Getenv("FERRYMQ_URL"), DefaultURL))
	if err != nil {
		return nil, err
	}
	client := &Client{settings: s, codec: newCodec(), made: make(map[closer]rank)}
	client.conn, err = grpc.NewClient(target, append(client.dialOptions(transport), s.dial...)...)
	if err != nil {
		return nil, invalidField("url", err.Error())
	}
	return client, nil
}

func targetOf(brokerURL string) (string, credentials.TransportCredentials, error) {
	parsed, err := url.Parse(brokerURL)
	if err != nil || parsed.Hostname() == "" {
		return "", nil, invalidField("url", "`"+brokerURL+"` is no URL like "+DefaultURL)
	}
	host := parsed.Host
	switch parsed.Scheme {
	case "http":
		if parsed.Port() == "" {
			host += ":80"
		}
		return "dns:///" + host, insecure.NewCredentials(), nil
	case "https":
		if parsed.Port() == "" {
			host += ":443"
		}
		return "dns:///" + host, credentials.NewTLS(nil), nil
	default:
		return "", nil, invalidField("url", "`"+brokerURL+"` begins neither with http:// nor with https://")
	}
}

func (c *Client) dialOptions(transport credentials.TransportCredentials) []grpc.DialOption {
	s := &c.settings
	return []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent("ferrymq-go"),
		grpc.WithIdleTimeout(0),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: grpcbackoff.Config{
				BaseDelay: s.backoff.min, Multiplier: 2, Jitter: jitter, MaxDelay: s.backoff.max,
			},
			MinConnectTimeout: s.connectTimeout,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: s.keepalive, Timeout: s.keepaliveTimeout, PermitWithoutStream: true,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(s.maxResponseBytes)),
		grpc.WithInitialWindowSize(streamWindowBytes),
		grpc.WithInitialConnWindowSize(connectionWindowBytes),
		grpc.WithUnaryInterceptor(c.call),
		grpc.WithStreamInterceptor(c.stream),
	}
}

// call gives each call its deadline, and its error this package's type.
func (c *Client) call(
	ctx context.Context, method string, request, response any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.settings.callTimeout)
		defer cancel()
	}
	if conn.GetState() == connectivity.TransientFailure {
		c.tryAgain(ctx)
	}
	return toError(invoke(ctx, method, request, response, conn, options...))
}

// tryAgain makes an attempt to connect now, where gRPC would wait for longer and longer, and gives it a moment: so the first call after a broker has come
// back succeeds, and one without a broker fails soon.
func (c *Client) tryAgain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.settings.backoff.min)
	defer cancel()
	c.conn.ResetConnectBackoff()
	c.conn.WaitForStateChange(ctx, connectivity.TransientFailure)
}

// stream gives the errors of streams this package's type.
func (c *Client) stream(
	ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	stream, err := open(ctx, desc, conn, method, options...)
	if err != nil {
		return nil, toError(err)
	}
	return typedStream{stream}, nil
}

type typedStream struct{ grpc.ClientStream }

func (s typedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil || isEOF(err) {
		return err
	}
	return toError(err)
}

// open begins a stream once there is a connection. It is one attempt: it gives up after the connect timeout.
func (c *Client) open(ctx context.Context, method string) (grpc.ClientStream, error) {
	c.awaitConnection(ctx)
	return c.conn.NewStream(ctx, bothWays, method, grpc.ForceCodecV2(c.codec))
}

// awaitConnection waits until there is a connection or the connect timeout is over; opening a stream then says which.
func (c *Client) awaitConnection(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.settings.connectTimeout)
	defer cancel()
	c.conn.ResetConnectBackoff()
	for state := c.conn.GetState(); state != connectivity.Ready; state = c.conn.GetState() {
		c.conn.Connect()
		if state == connectivity.Shutdown || !c.conn.WaitForStateChange(ctx, state) {
			return
		}
	}
}

// Messaging are the bare stubs of the data plane, for what this package has no words for.
func (c *Client) Messaging() ferrymqv1.MessagingServiceClient {
	return ferrymqv1.NewMessagingServiceClient(c.conn)
}

// Admin makes, shows, changes and deletes topics, queues, bindings and snapshots, looks into them and reads their numbers: one method for each
// call of AdminService and OperationsService, with its messages. Errors are *Error.
type Admin struct {
	ferrymqv1.AdminServiceClient
	ferrymqv1.OperationsServiceClient
}

// Admin are the calls that manage the broker.
func (c *Client) Admin() Admin {
	return Admin{ferrymqv1.NewAdminServiceClient(c.conn), ferrymqv1.NewOperationsServiceClient(c.conn)}
}

// Close ends everything made by the client in order: confirms come or fail, settlements are answered, what is held goes back without a failure. It
// waits no longer than ctx; then it cuts off what is left. It returns what did not end well.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	var failures []error
	for rank := range ranks {
		failures = append(failures, c.closeAll(ctx, rank)...)
	}
	if err := c.conn.Close(); err != nil && status.Code(err) != codes.Canceled {
		failures = append(failures, toError(err))
	}
	return errors.Join(failures...)
}

// closeAll closes all of a rank at the same time.
func (c *Client) closeAll(ctx context.Context, rank rank) []error {
	var made []closer
	c.mu.Lock()
	for one, its := range c.made {
		if its == rank {
			made = append(made, one)
		}
	}
	c.mu.Unlock()
	failures := make([]error, len(made))
	var closing sync.WaitGroup
	for i, one := range made {
		closing.Add(1)
		go func() {
			defer closing.Done()
			failures[i] = one.Close(ctx)
		}()
	}
	closing.Wait()
	return failures
}

// keep remembers what is to be closed with the client.
func (c *Client) keep(one closer, as rank) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return unavailable("the client is closed")
	}
	c.made[one] = as
	return nil
}

func (c *Client) forget(one closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.made, one)
}

// log writes the one line for something that went otherwise than it should.
func (c *Client) log(line, about string, arguments ...any) {
	c.settings.logger.Warn("ferrymq: "+line, append([]any{"logger", "ferrymq", "of", about}, arguments...)...)
}
