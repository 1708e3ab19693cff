package main

import (
	"context"
	"errors"
	"log"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

func main() {
	ctx := context.Background()
	client, err := ferrymq.Connect("")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(ctx)
	_, err = client.Publish(ctx, ferrymq.Topic("invoices"), ferrymq.Text("hello"))
	if errors.Is(err, ferrymq.ErrNotFound) {
		topic := &ferrymqv1.Topic{Name: "invoices"}
		_, err = client.Admin().CreateTopic(ctx, &ferrymqv1.CreateTopicRequest{Topic: topic})
	}
	var failure *ferrymq.Error
	if errors.As(err, &failure) {
		log.Fatal(failure.Code, failure.Reason, failure.Violations, failure.RetryAfter)
	}
}
