// Package ferrymq publishes to and consumes from a FerryMQ broker.
//
// A [Client] is a broker. It makes a [Publisher] for a stream of messages to a topic or queue, a [Subscriber] for a stream of deliveries, and a
// [Worker], which runs a handler for each delivery. All of them reconnect by themselves, keep their buffers bounded, and end in order with
// [Client.Close]. Every method that waits takes a context and ends with it.
//
// The words, defaults and promises are the same in every language of the project: see docs/clients.md there.
package ferrymq
