package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/testenv"
	"github.com/rstprobe/rstprobe/internal/watch/alert"
)

// TestWatchTellsOnce: on real kernels, a box is switched on and off, and the
// watch is killed in between. Who asked for it is told once of each, though
// the first answer is a failure.
func TestWatchTellsOnce(t *testing.T) {
	testenv.Need(t, "netns", "raw")
	var on atomic.Bool
	top := lab.Topology{Routers: 3, Boxes: []lab.Placement{resetterAt(1, &on)}}
	path := pathOf(t, top)
	var listener net.Listener
	if err := path.Client(func() (err error) {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	type request struct {
		key   string
		event alert.Event
	}
	requests := make(chan request, 100) // more than come
	var failed atomic.Bool
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if failed.CompareAndSwap(false, true) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var e alert.Event
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil || r.URL.Path != "/sesame" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		requests <- request{r.Header.Get("Idempotency-Key"), e}
	})}
	go server.Serve(listener)                //nolint:errcheck // it ends with Close
	t.Cleanup(func() { _ = server.Close() }) // nothing is left to be said
	expect := func(status alert.Status) request {
		t.Helper()
		r := <-requests
		link := fmt.Sprintf("https://watch.example/run/%d", r.event.Run)
		if e := r.event; e.Status != status || e.Check != "shop" || e.Key != r.key || len(r.key) != 32 || e.URL != link || e.Run == 0 {
			t.Errorf("told %+v by key %q, want %s", e, r.key, status)
		}
		return r
	}
	dir := t.TempDir()
	file, db := filepath.Join(dir, "watch.yaml"), filepath.Join(dir, "rstprobe.db")
	const listen = "127.0.0.1:9316"
	text := fmt.Sprintf(`
listen: %s
store: %s
external_url: https://watch.example/
defaults: {interval: 3s, confirm: 2, retest: [100ms]}
checks:
  - name: shop
    target: shop.example:443@%s
    sni: true
alerts:
  - name: ops
    webhook: {url: "http://%s/sesame"}
`, listen, db, top.ServerAddr(), listener.Addr())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	w := watchOn(t, path, file, listen)
	w.message("run")
	on.Store(true)
	w.message("alert not delivered")
	w.message("alert delivered")
	r := expect(alert.Firing)
	if to := r.event.To; to.Place.AtTTL != 2 || r.event.From.Outcome != "ok" || !strings.Contains(r.event.Summary, "reset by sni") {
		t.Errorf("told %+v", r.event)
	}
	w.expect(`rstprobe_alerts_total{receiver="ops",result="delivered"} 1`, `rstprobe_alerts_total{receiver="ops",result="failed"} 1`, `rstprobe_alerts_pending{receiver="ops"} 0`)
	if err := w.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = w.cmd.Wait() // it was killed

	w = watchOn(t, path, file, listen)
	w.message("run")
	w.message("run")
	on.Store(false)
	w.message("alert delivered")
	over := expect(alert.Resolved)
	if over.key == r.key || !over.event.FiringSince.Equal(r.event.FiringSince) {
		t.Errorf("told %+v, after %+v", over, r)
	}
	w.message("run")
	w.end(syscall.SIGTERM)
	if len(requests) > 0 {
		t.Errorf("told again: %+v", <-requests)
	}
}
