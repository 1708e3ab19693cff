package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
)

type order struct {
	ID int `json:"id"`
}

func bill(_ context.Context, delivery *ferrymq.Delivery) error {
	var o order
	if err := delivery.JSON(&o); err != nil {
		return ferrymq.Reject(err.Error()) // It will never work: to the dead letters.
	}
	if o.ID < 0 {
		return fmt.Errorf("no order %d yet", o.ID) // Again, after the queue's backoff.
	}
	log.Printf("billed %d", o.ID)
	return nil // Done.
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	client, err := ferrymq.Connect("")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(context.WithoutCancel(ctx))
	orders := ferrymq.Group{Topic: "orders", Name: "billing", Create: true, Start: ferrymq.Earliest}
	if err := client.Work(ctx, orders, bill, ferrymq.Concurrency(4)); err != nil {
		log.Print(err)
	}
}
