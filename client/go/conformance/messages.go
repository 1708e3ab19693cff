package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
)

// messages are `messages`, or `count` with `prefix`.
func messages(arguments given) ([]ferrymq.Message, error) {
	var all []ferrymq.Message
	for i := range arguments.number("count") {
		all = append(all, ferrymq.Text(fmt.Sprintf("%s%d", arguments.text("prefix"), i)))
	}
	for _, one := range arguments.list("messages") {
		message, err := messageOf(one)
		if err != nil {
			return nil, err
		}
		all = append(all, message)
	}
	return all, nil
}

func messageOf(one given) (ferrymq.Message, error) {
	payload, err := payloadOf(one)
	message := ferrymq.Message{
		Payload:       payload,
		RoutingKey:    one.text("routing_key"),
		OrderingKey:   one.text("ordering_key"),
		MessageID:     one.text("message_id"),
		ContentType:   one.text("content_type"),
		CorrelationID: one.text("correlation_id"),
		TTL:           time.Duration(one.number("ttl_ms")) * time.Millisecond,
	}
	for key, value := range one.sub("attributes") {
		if message.Attributes == nil {
			message.Attributes = make(map[string]string)
		}
		message.Attributes[key] = fmt.Sprint(value)
	}
	return message, err
}

func payloadOf(one given) ([]byte, error) {
	if one.has("payload_hex") {
		return hex.DecodeString(one.text("payload_hex"))
	}
	if one.has("payload_size") {
		payload := make([]byte, one.number("payload_size"))
		for i := range payload {
			payload[i] = byte(i % 251)
		}
		return payload, nil
	}
	return []byte(one.text("payload")), nil
}

// compare checks what came in the fields that are given.
func compare(expected given, came *ferrymq.Delivery) error {
	fields := map[string]any{
		"routing_key": came.RoutingKey, "ordering_key": came.OrderingKey, "message_id": came.MessageID,
		"content_type": came.ContentType, "correlation_id": came.CorrelationID, "ttl_ms": int(came.TTL.Milliseconds()),
		"attributes": attributes(came.Attributes), "dead_letter": deadLetter(came.DeadLetter),
	}
	for name, value := range expected {
		switch name {
		case "payload", "payload_hex", "payload_size":
			payload, err := payloadOf(expected)
			if err != nil {
				return err
			}
			if !bytes.Equal(payload, came.Payload) {
				return fmt.Errorf("payload %s, not %s", shown(came.Payload), shown(payload))
			}
		default:
			actual, known := fields[name]
			if !known {
				return fmt.Errorf("%s is no field here", name)
			}
			if !reflect.DeepEqual(actual, plain(value)) {
				return fmt.Errorf("%s is %v, not %v", name, actual, value)
			}
		}
	}
	return nil
}

func plain(value any) any {
	if mapping, ok := value.(given); ok {
		return map[string]any(mapping)
	}
	return value
}

func attributes(came map[string]string) map[string]any {
	all := make(map[string]any, len(came))
	for key, value := range came {
		all[key] = value
	}
	return all
}

func deadLetter(dead *ferrymq.DeadLetter) any {
	if dead == nil {
		return nil
	}
	return map[string]any{
		"queue": dead.Queue, "reason": dead.Reason, "attempts": dead.Attempts, "description": dead.Description,
	}
}

func shown(payload []byte) string {
	return fmt.Sprintf("%q (%d bytes)", payload[:min(len(payload), 40)], len(payload))
}

// settings reads proto3 JSON into a topic or a queue.
func settings(arguments given, into proto.Message) error {
	if !arguments.has("settings") {
		return nil
	}
	text, err := json.Marshal(arguments["settings"])
	if err != nil {
		return err
	}
	return protojson.Unmarshal(text, into)
}
