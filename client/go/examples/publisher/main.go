package main

import (
	"context"
	"log"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
)

func main() {
	ctx := context.Background()
	client, err := ferrymq.Connect("")
	if err != nil {
		log.Fatal(err)
	}
	publisher := client.Publisher(ferrymq.Topic("orders"))
	for id := range 1_000 {
		message, err := ferrymq.JSON(map[string]int{"id": id})
		if err != nil {
			log.Fatal(err)
		}
		message.RoutingKey = "eu.created"
		// It waits only while too much is unconfirmed. The confirm it returns can be waited for, and need not be.
		if _, err := publisher.Publish(ctx, message); err != nil {
			log.Fatal(err)
		}
	}
	if err := publisher.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	log.Print("1,000 messages are on disk")
	if err := client.Close(ctx); err != nil {
		log.Fatal(err)
	}
}
