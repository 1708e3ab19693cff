package main

import (
	"context"
	"log"
	"os"
	"os/signal"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	client, err := ferrymq.Connect("")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(context.WithoutCancel(ctx))
	subscriber, err := client.Subscribe(ctx, ferrymq.Group{Topic: "orders", Name: "billing", Create: true, Start: ferrymq.Earliest})
	if err != nil {
		log.Fatal(err)
	}
	for delivery, err := range subscriber.All(ctx) {
		if err != nil {
			log.Print(err)
			break
		}
		log.Printf("%s, attempt %d", delivery.Text(), delivery.Attempt)
		delivery.Ack()
	}
}
