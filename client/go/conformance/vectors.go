package main

import (
	"context"
	"fmt"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
)

// send publishes each vector, marked as this language's.
func send(ctx context.Context, url, topic, language, file string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var vectors []given
	if err := readYAML(file, &vectors); err != nil {
		return err
	}
	client, err := ferrymq.Connect(url)
	if err != nil {
		return err
	}
	publisher := client.Publisher(ferrymq.Topic(topic))
	for _, vector := range vectors {
		message, err := messageOf(vector)
		if err != nil {
			return err
		}
		if message.Attributes == nil {
			message.Attributes = make(map[string]string)
		}
		message.Attributes["from"] = language
		if _, err := publisher.Publish(ctx, message); err != nil {
			return err
		}
	}
	return client.Close(ctx)
}

// expectVectors checks that each vector of each language comes, unchanged but for the mark.
func expectVectors(ctx context.Context, url, topic, name, file string, languages []string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var vectors []given
	if err := readYAML(file, &vectors); err != nil {
		return err
	}
	client, err := ferrymq.Connect(url)
	if err != nil {
		return err
	}
	group := ferrymq.Group{Topic: topic, Name: name, Create: true, Start: ferrymq.Earliest}
	subscriber, err := client.Subscribe(ctx, group)
	if err != nil {
		return err
	}
	seen := make(map[string]int)
	for range len(languages) * len(vectors) {
		delivery, err := subscriber.Next(ctx)
		if err != nil {
			return fmt.Errorf("came: %v: %w", seen, err)
		}
		from := delivery.Attributes["from"]
		delete(delivery.Attributes, "from")
		at := seen[from]
		if at == len(vectors) {
			return fmt.Errorf("too many from %s", from)
		}
		if err := compare(vectors[at], delivery); err != nil {
			return fmt.Errorf("vector %d from %s: %w", at, from, err)
		}
		seen[from]++
		delivery.Ack()
	}
	for _, language := range languages {
		if seen[language] != len(vectors) {
			return fmt.Errorf("came: %v", seen)
		}
	}
	return client.Close(ctx)
}
