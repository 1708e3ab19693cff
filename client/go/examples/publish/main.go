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
	defer client.Close(ctx)
	if _, err := client.Publish(ctx, ferrymq.Topic("orders"), ferrymq.Text("hello")); err != nil {
		log.Fatal(err)
	}
}
