package page

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
)

// listener reads what a page is told.
type listener struct {
	t     *testing.T
	lines *bufio.Scanner
}

func listenTo(t *testing.T, address string) (*listener, int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() }) // it ends in the middle
	return &listener{t, bufio.NewScanner(answer.Body)}, answer.StatusCode
}

// next is the kind and the data of the next event.
func (l *listener) next() (kind string, e event) {
	l.t.Helper()
	for l.lines.Scan() {
		switch name, value, _ := strings.Cut(l.lines.Text(), ": "); name {
		case "event":
			kind = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				l.t.Fatal(err)
			}
		case "":
			return kind, e
		}
	}
	l.t.Fatalf("the events ended: %v", l.lines.Err())
	return "", e
}

// TestEvents: who listens is told of each check that ran, whatever it is
// called, and of our own network.
func TestEvents(t *testing.T) {
	w := empty(t)
	server := httptest.NewServer(w.page)
	defer server.Close()
	defer server.CloseClientConnections()
	l, code := listenTo(t, server.URL)
	if code != http.StatusOK {
		t.Fatalf("code %d", code)
	}
	if kind, _ := l.next(); kind != "hello" {
		t.Errorf("the first event is %s", kind)
	}
	c := check(hostileName+"\n\n", "shop.example:443", nil, probe.SNI)
	w.page.Watched([]watchfile.Check{c})
	w.run(c, clean, now)
	w.page.Network(true)
	for _, want := range []event{{Kind: "checks"}, {Kind: "state", Check: c.Name}, {Kind: "network"}} {
		if kind, got := l.next(); kind != "news" || got != want {
			t.Errorf("%s %+v, want news %+v", kind, got, want)
		}
	}
}

// TestListenersAreBounded: one too many is sent away, and there is room again
// when others leave.
func TestListenersAreBounded(t *testing.T) {
	w := empty(t)
	ask := func(ctx context.Context) int {
		out := httptest.NewRecorder()
		w.page.ServeHTTP(out, httptest.NewRequestWithContext(ctx, http.MethodGet, "/events", nil))
		return out.Code
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel() // so that who is let in leaves at once
	var others []chan event
	for range maxListeners {
		others = append(others, w.page.hub.listen())
	}
	if code := ask(ended); code != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", code)
	}
	w.page.hub.leave(others[0])
	for range 3 { // each leaves its place to the next
		if code := ask(ended); code != http.StatusOK {
			t.Errorf("when there is room: %d", code)
		}
	}
}

// TestSlowListener: it is dropped, and the others hear everything.
func TestSlowListener(t *testing.T) {
	var h hub
	slow, other := h.listen(), h.listen()
	heard := 0
	for range backlog + 1 {
		h.tell(event{Kind: "state"})
		<-other
		heard++
	}
	for range slow { // it is closed, so that this ends
	}
	if h.tell(event{}); len(h.listeners) != 1 || heard != backlog+1 {
		t.Errorf("%d listeners are left, the other heard %d events", len(h.listeners), heard)
	}
	h.leave(slow) // as its handler does
	h.leave(other)
	if len(h.listeners) != 0 {
		t.Error("somebody is left")
	}
}

// TestReloadOfAllChecks drops nobody, however many there are.
func TestReloadOfAllChecks(t *testing.T) {
	p := New(Config{})
	l := p.hub.listen()
	p.hub.tell(event{Kind: "checks"}) // as Watched does
	for range watchfile.MaxChecks {
		p.Known("shop", nil)
	}
	if len(p.hub.listeners) != 1 || len(l) != 1+watchfile.MaxChecks {
		t.Errorf("%d listeners are left, and %d events wait", len(p.hub.listeners), len(l))
	}
}

// TestHeartbeat: where nothing happens, that is said, so that a page knows a
// lost connection from a quiet one.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Config{})
		ctx, cancel := context.WithTimeout(t.Context(), 2*heartbeat+1)
		defer cancel()
		out := httptest.NewRecorder()
		p.ServeHTTP(out, httptest.NewRequestWithContext(ctx, http.MethodGet, "/events", nil))
		if n := strings.Count(out.Body.String(), "event: beat\n"); n != 2 || !out.Flushed {
			t.Errorf("%d heartbeats in the time of two:\n%s", n, out.Body)
		}
	})
}
