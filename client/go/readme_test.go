package ferrymq_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
	"github.com/ferrymq/ferrymq/client/go/ferrymqtest"
	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

var block = regexp.MustCompile("(?s)```go (\\S+)\n(.*?)```\n")

func TestThePageShowsTheExamples(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := block.FindAllStringSubmatch(string(page), -1)
	if blocks := strings.Count(string(page), "```go"); len(shown) < 5 || len(shown) != blocks {
		t.Errorf("%d blocks of %d name their files", len(shown), blocks)
	}
	for _, match := range shown {
		file, err := os.ReadFile(match[1])
		if err != nil {
			t.Error(err)
			continue
		}
		// A page may leave out what stands before the code.
		if !strings.HasSuffix(string(file), match[2]) {
			t.Errorf("%s is not what the page shows", match[1])
		}
	}
}

func TestTheExamplesRun(t *testing.T) {
	broker := ferrymqtest.Start(t)
	client := broker.Client(t)
	topic := &ferrymqv1.Topic{Name: "orders"}
	if _, err := client.Admin().CreateTopic(t.Context(), &ferrymqv1.CreateTopicRequest{Topic: topic}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"publish", "publisher", "errors"} {
		untilItEnds(t, example(t, broker, name))
	}
	if result, err := client.Publish(t.Context(), ferrymq.Topic("invoices"), ferrymq.Text("hello")); err != nil || result.QueuesMatched != 0 {
		t.Errorf("%+v, %v", result, err)
	}
	untilTold(t, example(t, broker, "consume"), "hello, attempt")
	untilItEnds(t, example(t, broker, "pull"))
	message, err := ferrymq.JSON(map[string]int{"id": 4711})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Publish(t.Context(), ferrymq.Topic("orders"), message); err != nil {
		t.Fatal(err)
	}
	untilTold(t, example(t, broker, "worker"), "billed 4711")
}

// example is one, built and ready to run.
func example(t *testing.T, broker *ferrymqtest.Broker, name string) *exec.Cmd {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	if output, err := exec.Command("go", "build", "-o", program, "./examples/"+name).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, program)
	command.Env = append(os.Environ(), "FERRYMQ_URL="+broker.URL)
	return command
}

func untilItEnds(t *testing.T, command *exec.Cmd) {
	t.Helper()
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", command.Path, err, output)
	}
}

// untilTold runs a program until it has logged this, then interrupts it; it has to end in order.
func untilTold(t *testing.T, command *exec.Cmd, text string) {
	t.Helper()
	log, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	told := false
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if !told && strings.Contains(lines.Text(), text) {
			told = true
			if err := command.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
		}
	}
	if err := command.Wait(); err != nil || !told {
		t.Errorf("`%s` was logged: %v; it ended with %v", text, told, err)
	}
}
