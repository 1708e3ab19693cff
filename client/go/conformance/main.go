// The Go client's runner of the conformance scenarios: see tests/conformance/README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"go.yaml.in/yaml/v3"
)

const usage = "usage: scenarios FILE | send URL TOPIC LANG FILE | expect URL TOPIC GROUP FILE LANG... | bench URL NOOP_URL SECONDS"

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	verb, n := "", len(arguments)
	if n > 0 {
		verb = arguments[0]
	}
	switch {
	case verb == "scenarios" && n == 2:
		return scenarios(ctx, arguments[1])
	case verb == "send" && n == 5:
		return send(ctx, arguments[1], arguments[2], arguments[3], arguments[4])
	case verb == "expect" && n > 5:
		return expectVectors(ctx, arguments[1], arguments[2], arguments[3], arguments[4], arguments[5:])
	case verb == "bench" && n == 4:
		return bench(ctx, arguments[1], arguments[2], arguments[3])
	default:
		return errors.New(usage)
	}
}

// scenario is one of the file.
type scenario struct {
	Scenario string             `yaml:"scenario"`
	Durable  bool               `yaml:"durable"`
	Steps    []map[string]given `yaml:"steps"`
}

// outcome is a line of output.
type outcome struct {
	Scenario string `json:"scenario"`
	OK       bool   `json:"ok"`
	Error    string `json:"error,omitempty"`
}

func readYAML(file string, value any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return yaml.Unmarshal(text, value)
}

func scenarios(ctx context.Context, file string) error {
	var all []scenario
	if err := readYAML(file, &all); err != nil {
		return err
	}
	failed, lines := 0, json.NewEncoder(os.Stdout)
	lines.SetEscapeHTML(false)
	for _, one := range all {
		line := outcome{Scenario: one.Scenario, OK: true}
		if err := play(ctx, one); err != nil {
			line.OK, line.Error = false, err.Error()
			failed++
		}
		if err := lines.Encode(line); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d scenarios failed", failed)
	}
	return nil
}

func play(ctx context.Context, one scenario) error {
	s, err := openScene(ctx, one.Durable)
	if err != nil {
		return err
	}
	for number, step := range one.Steps {
		for verb, arguments := range step {
			if err := s.step(ctx, verb, arguments); err != nil {
				s.stage.end()
				return fmt.Errorf("step %d (%s): %w", number+1, verb, err)
			}
		}
	}
	return s.close(ctx)
}
