package ferrymq

import (
	"log/slog"
	"time"

	"google.golang.org/grpc"
)

// settings of a client, with the defaults filled in.
type settings struct {
	callTimeout      time.Duration
	connectTimeout   time.Duration
	backoff          backoff
	keepalive        time.Duration
	keepaliveTimeout time.Duration
	maxResponseBytes int
	logger           *slog.Logger
	trace            tracer
	dial             []grpc.DialOption
}

func defaultSettings() settings {
	return settings{
		callTimeout:      30 * time.Second,
		connectTimeout:   5 * time.Second,
		backoff:          backoff{min: 100 * time.Millisecond, max: 10 * time.Second},
		keepalive:        30 * time.Second,
		keepaliveTimeout: 20 * time.Second,
		maxResponseBytes: 64 << 20,
		logger:           slog.Default(),
	}
}

// Option is a setting of a [Client].
type Option func(*settings)

// WithCallTimeout is the deadline of a call that is no stream and whose context has none. Default 30 s.
func WithCallTimeout(timeout time.Duration) Option {
	return func(s *settings) { s.callTimeout = timeout }
}

// WithConnectTimeout is how long one attempt to connect may take. Default 5 s.
func WithConnectTimeout(timeout time.Duration) Option {
	return func(s *settings) { s.connectTimeout = timeout }
}

// WithReconnectBackoff is the waits between attempts to connect: the first, doubled up to the longest, each a fifth more or less at random. Default
// 100 ms and 10 s.
func WithReconnectBackoff(first, longest time.Duration) Option {
	return func(s *settings) { s.backoff = backoff{min: first, max: max(first, longest)} }
}

// WithKeepalive is how often a quiet connection is asked whether it is alive, and how long it may take to answer. Default 30 s and 20 s. gRPC for
// Go asks no more often than every 10 s.
func WithKeepalive(every, timeout time.Duration) Option {
	return func(s *settings) { s.keepalive, s.keepaliveTimeout = every, timeout }
}

// WithMaxResponseBytes is the largest response that is taken. 64 KiB to 256 MiB, default 64 MiB.
func WithMaxResponseBytes(bytes int) Option {
	return func(s *settings) { s.maxResponseBytes = bytes }
}

// WithLogger takes the lines of log: one for each reconnect, each lost lease and each refused batch that nobody waits for. Default slog.Default().
func WithLogger(logger *slog.Logger) Option {
	return func(s *settings) { s.logger = logger }
}

// WithDialOptions are passed on to gRPC, after those of this client: for example other transport credentials.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}

// publisherSettings are those of a publisher in force.
type publisherSettings struct {
	linger           time.Duration
	batchMessages    int
	batchBytes       int
	unconfirmedBytes int
	publishTimeout   time.Duration
	requireRoute     bool
	waitForRoom      *time.Duration
}

func publisherSettingsOf(options []PublisherOption) publisherSettings {
	s := publisherSettings{
		batchMessages: 1_000, batchBytes: 256 << 10, unconfirmedBytes: 16 << 20, publishTimeout: time.Minute,
	}
	for _, option := range options {
		option(&s)
	}
	return s
}

// PublisherOption is a setting of a [Publisher] or of one [Client.PublishBatch].
type PublisherOption func(*publisherSettings)

// Linger is how long a message may wait for others of its batch. Default 0: a batch is whatever came while the one before was being sent.
func Linger(wait time.Duration) PublisherOption {
	return func(s *publisherSettings) { s.linger = wait }
}

// BatchMessages is the most messages in one batch. Default 1,000.
func BatchMessages(count int) PublisherOption {
	return func(s *publisherSettings) { s.batchMessages = max(count, 1) }
}

// BatchBytes is the most bytes in one batch; a larger message goes alone. Default 256 KiB.
func BatchBytes(bytes int) PublisherOption {
	return func(s *publisherSettings) { s.batchBytes = max(bytes, 1) }
}

// UnconfirmedBytes is the most bytes buffered and on their way; above, Publish waits. One message always passes. Default 16 MiB.
func UnconfirmedBytes(bytes int) PublisherOption {
	return func(s *publisherSettings) { s.unconfirmedBytes = bytes }
}

// PublishTimeout is how long a message is tried for over reconnects, from Publish. Then its confirm fails as unavailable: it may or may not be
// stored. Default 60 s.
func PublishTimeout(timeout time.Duration) PublisherOption {
	return func(s *publisherSettings) { s.publishTimeout = timeout }
}

// RequireRoute refuses a batch of which some message matches no queue.
func RequireRoute() PublisherOption {
	return func(s *publisherSettings) { s.requireRoute = true }
}

// WaitForRoom is how long the broker waits for room in a full queue before it refuses a batch: up to 1 h. Default: without end in a publisher,
// not at all in a call.
func WaitForRoom(wait time.Duration) PublisherOption {
	return func(s *publisherSettings) { s.waitForRoom = &wait }
}
