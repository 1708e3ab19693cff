package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
)

// patience is how long anything may take.
const patience = 20 * time.Second

// scene is one scenario's broker, and what its steps keep.
type scene struct {
	client      *ferrymq.Client
	publishers  map[ferrymq.Destination]*ferrymq.Publisher
	subscribers map[string]*ferrymq.Subscriber
	// What `receive` with `settle: hold` keeps, by the subscriber's name.
	held map[string][]*ferrymq.Delivery
	// What a worker handled before it was told to stop.
	handled map[string]bool
	stage   *stage
}

func openScene(ctx context.Context, durable bool) (*scene, error) {
	stage, err := startStage()
	if err != nil {
		return nil, err
	}
	word := "ephemeral"
	if durable {
		word = "durable"
	}
	url, err := stage.tell(word)
	if err != nil {
		return nil, err
	}
	client, err := ferrymq.Connect(url)
	return &scene{
		client: client, publishers: make(map[ferrymq.Destination]*ferrymq.Publisher), subscribers: make(map[string]*ferrymq.Subscriber),
		held: make(map[string][]*ferrymq.Delivery), handled: make(map[string]bool), stage: stage,
	}, err
}

func (s *scene) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer s.stage.end()
	for _, publisher := range s.publishers {
		// Some were to fail.
		_ = publisher.Close(ctx)
	}
	return s.client.Close(ctx)
}

func (s *scene) publisher(arguments given) *ferrymq.Publisher {
	to := destination(arguments)
	if s.publishers[to] == nil {
		s.publishers[to] = s.client.Publisher(to)
	}
	return s.publishers[to]
}

func (s *scene) subscriber(name string) (*ferrymq.Subscriber, error) {
	if subscriber := s.subscribers[name]; subscriber != nil {
		return subscriber, nil
	}
	return nil, fmt.Errorf("no subscriber %s", name)
}

func destination(arguments given) ferrymq.Destination {
	if arguments.has("topic") {
		return ferrymq.Topic(arguments.text("topic"))
	}
	return ferrymq.Queue(arguments.text("queue"))
}

// stage is the process that has the brokers. It ends with its stdin.
type stage struct {
	process *exec.Cmd
	orders  io.WriteCloser
	answers *bufio.Reader
}

func startStage() (*stage, error) {
	program := os.Getenv("TEST_STAGE")
	if program == "" {
		return nil, errors.New("TEST_STAGE is not set")
	}
	process := exec.Command(program)
	process.Stderr = os.Stderr
	orders, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	answers, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &stage{process: process, orders: orders, answers: bufio.NewReader(answers)}, process.Start()
}

// tell says one word and returns what is answered.
func (s *stage) tell(word string) (string, error) {
	if _, err := fmt.Fprintln(s.orders, word); err != nil {
		return "", err
	}
	answer, err := s.answers.ReadString('\n')
	if err != nil {
		return "", err
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(answer), "ok")
	if !ok {
		return "", errors.New(answer)
	}
	return strings.TrimSpace(url), nil
}

func (s *stage) end() {
	_ = s.orders.Close()
	_ = s.process.Wait()
}
