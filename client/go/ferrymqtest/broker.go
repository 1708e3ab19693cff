// Package ferrymqtest starts brokers for tests. It needs the program ferrymq: on the PATH, or where the environment variable FERRYMQ_PROGRAM says.
package ferrymqtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ferrymq "github.com/ferrymq/ferrymq/client/go"
)

// startLimit is how long a broker may take to start.
const startLimit = 20 * time.Second

// Broker is a broker of one test: it keeps everything in memory, at a port of its own.
type Broker struct {
	// URL is for ferrymq.Connect.
	URL string

	process *exec.Cmd
	log     *bytes.Buffer
	exited  chan struct{}
	stop    sync.Once
}

// ErrNoProgram is that there is no program ferrymq.
var ErrNoProgram = errors.New("no program ferrymq on the PATH, and FERRYMQ_PROGRAM names none")

// Start starts a broker, which ends with the test. A test that cannot have one fails, and is skipped where there is no program.
func Start(t testing.TB) *Broker {
	t.Helper()
	broker, err := Run(t.TempDir())
	if errors.Is(err, ErrNoProgram) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Stop)
	return broker
}

// Client is a client of the broker that is closed with the test.
func (b *Broker) Client(t testing.TB, options ...ferrymq.Option) *ferrymq.Client {
	t.Helper()
	client, err := ferrymq.Connect(b.URL, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startLimit)
		defer cancel()
		if err := client.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return client
}

// Run starts a broker outside of a test. It writes one small file to the directory. Stop it.
func Run(directory string) (*Broker, error) {
	program, err := program()
	if err != nil {
		return nil, err
	}
	portFile := filepath.Join(directory, "ferrymq-port")
	b := &Broker{log: &bytes.Buffer{}, exited: make(chan struct{})}
	b.process = exec.Command(program, "serve", "--ephemeral", "--listen", "127.0.0.1:0", "--port-file", portFile)
	b.process.Env = environment()
	b.process.Stdout, b.process.Stderr = b.log, b.log
	if err := b.process.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	go func() {
		// How it ended is in its log.
		_ = b.process.Wait()
		close(b.exited)
	}()
	address, err := b.address(portFile)
	if err != nil {
		b.Stop()
		return nil, err
	}
	b.URL = "http://" + address
	return b, nil
}

// environment is that of this process without settings of another broker or of clients.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "FERRYMQ_") })
}

func program() (string, error) {
	if program := os.Getenv("FERRYMQ_PROGRAM"); program != "" {
		return program, nil
	}
	if program, err := exec.LookPath("ferrymq"); err == nil {
		return program, nil
	}
	return "", ErrNoProgram
}

// address waits for the file that the broker writes once it is ready.
func (b *Broker) address(portFile string) (string, error) {
	limit := time.After(startLimit)
	for {
		if written, err := os.ReadFile(portFile); err == nil && len(written) > 0 {
			return string(bytes.TrimSpace(written)), nil
		}
		select {
		case <-b.exited:
			return "", fmt.Errorf("the broker ended while it started:\n%s", b.log)
		case <-limit:
			return "", fmt.Errorf("the broker was not ready within %s", startLimit)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop kills the broker: it keeps nothing. Stopping it twice does nothing.
func (b *Broker) Stop() {
	b.stop.Do(func() {
		// It may have ended by itself.
		_ = b.process.Process.Kill()
		<-b.exited
	})
}
