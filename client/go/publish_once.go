package ferrymq

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// Publish publishes one message in one call and waits until it is on disk: for programs that publish now and then. Others use a [Publisher].
func (c *Client) Publish(ctx context.Context, to Destination, message Message, options ...PublisherOption) (PublishResult, error) {
	results, err := c.PublishBatch(ctx, to, []Message{message}, options...)
	if err != nil {
		return PublishResult{}, err
	}
	return results[0], nil
}

// PublishBatch publishes messages in one call, all or none, and waits until they are on disk. results[i] is for messages[i]. Of the options,
// [RequireRoute] and [WaitForRoom] are looked at.
func (c *Client) PublishBatch(ctx context.Context, to Destination, messages []Message, options ...PublisherOption) ([]PublishResult, error) {
	s := publisherSettingsOf(options)
	body := requestHead(to, s.requireRoute, s.waitForRoom)
	for i := range messages {
		message := &messages[i]
		if err := message.check(); err != nil {
			return nil, err
		}
		trace := c.settings.trace.attributes(ctx, message.Attributes)
		body = message.appendItem(body, message.size(trace), trace)
	}
	response := results{count: len(messages)}
	method := ferrymqv1.MessagingService_Publish_FullMethodName
	if err := c.conn.Invoke(ctx, method, frame{body}, &response, grpc.ForceCodecV2(c.codec)); err != nil {
		return nil, err
	}
	if len(response.list) < len(messages) {
		return nil, newError(codes.Internal, "the broker confirmed fewer messages than were sent")
	}
	return response.list, nil
}

// results are a PublishResponse.
type results struct {
	count int
	list  []PublishResult
}

func (r *results) read(response []byte) error {
	var err error
	r.list, err = decodeResults(response, r.count)
	return err
}
