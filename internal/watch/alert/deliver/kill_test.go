package deliver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/probe"
)

// The environment variables that make this test binary a process that delivers
// what is in a database to an address, and ends when nothing is pending.
const (
	asDeliverer = "RSTPROBE_TEST_DELIVERER"
	toAddress   = "RSTPROBE_TEST_ADDRESS"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(asDeliverer); path != "" {
		if err := deliverAll(path, os.Getenv(toAddress)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// untilDone ends a context when nothing is pending.
type untilDone struct{ cancel context.CancelFunc }

func (untilDone) Receivers([]string)        {}
func (untilDone) Sent(string, alert.Result) {}
func (u untilDone) Pending(_ string, n int) {
	if n == 0 {
		u.cancel()
	}
}

func deliverAll(path, address string) error {
	s, err := store.Open(path)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d := New(Config{Store: s, Observer: untilDone{cancel}, Log: slog.New(slog.DiscardHandler), Version: "1"})
	d.Run(ctx, only(webhookTo(address, nil)))
	return s.Close()
}

// TestKilledWhileDelivering: a process that is killed between sending and
// noting that, again and again, loses nothing, changes no order and sends the
// same key again.
func TestKilledWhileDelivering(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rstprobe.db")
	const events = 12
	var want []string
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	q := state.Question{Kind: probe.SNI, Name: "shop.example"}
	for n := range events {
		e := alert.Event{Status: alert.Firing, At: time.Now(), Key: fmt.Sprint("key ", n)}
		want = append(want, e.Key)
		d := alert.Decision{Key: alert.Key{Receiver: "webhook ops", Check: "shop", Question: q}, State: alert.State{Firing: true}, Event: e}
		if _, err := s.Tell([]alert.Decision{d}, []string{"webhook ops"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	var mu sync.Mutex
	var process *os.Process // of who sends
	var order []string      // of the keys, each time they came first
	times := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // who is killed does not end it
		mu.Lock()
		defer mu.Unlock()
		key := r.Header.Get("Idempotency-Key")
		times[key]++
		switch n := len(order); {
		case times[key] > 1: // the second time, it is acknowledged
		case n%3 == 2: // acknowledged, and killed while that is read
			order = append(order, key)
			w.WriteHeader(http.StatusNoContent)
			_ = http.NewResponseController(w).Flush()
			_ = process.Kill()
			return
		default: // killed before it is acknowledged
			order = append(order, key)
			_ = process.Kill()
			<-r.Context().Done()
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()

	ended := false
	for range 2*events + 1 {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env, cmd.Stderr = append(os.Environ(), asDeliverer+"="+path, toAddress+"="+server.URL), os.Stderr
		mu.Lock()
		err := cmd.Start()
		process = cmd.Process
		mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		if ended = cmd.Wait() == nil; ended {
			break
		}
	}
	if !ended {
		t.Fatalf("not all was delivered: %v", times)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(order, want) {
		t.Errorf("arrived: %q, want %q", order, want)
	}
	for n, key := range want {
		if times[key] > 2 || times[key] < 2 && n%3 != 2 {
			t.Errorf("%s came %d times", key, times[key])
		}
	}
}
