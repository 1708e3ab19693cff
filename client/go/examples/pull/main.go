package main

import (
	"context"
	"log"
	"time"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
)

func main() {
	ctx := context.Background()
	client, err := ferrymq.Connect("")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(ctx)
	billing := ferrymq.Group{Topic: "orders", Name: "billing", Create: true}
	deliveries, err := client.Pull(ctx, billing, 10, time.Second)
	if err != nil {
		log.Fatal(err)
	}
	for _, delivery := range deliveries {
		if err := delivery.Ack().Wait(ctx); err != nil {
			log.Print(err)
		}
	}
	for delivery, err := range client.Read(ctx, "orders", ferrymq.Since(time.Now().Add(-time.Hour)), ferrymq.Latest) {
		if err != nil {
			log.Fatal(err)
		}
		log.Println(delivery.PublishTime, delivery.Text())
	}
}
