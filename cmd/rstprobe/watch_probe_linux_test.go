package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/testenv"
)

// TestProbe: on real kernels, /probe finds what is on the path, within the time
// of a scrape and beside a check of the same host; and only where it may.
func TestProbe(t *testing.T) {
	testenv.Need(t, "netns", "raw")
	var box atomic.Bool
	top := lab.Topology{Routers: 4, Boxes: []lab.Placement{resetterAt(3, &box)}}
	path := pathOf(t, top)
	dir := t.TempDir()
	file := filepath.Join(dir, "watch.yaml")
	write := func(more string) {
		t.Helper()
		text := fmt.Sprintf("store: %s\nchecks:\n  - {name: shop, target: \"shop.example:443@%s\", interval: 2s, confirm: 0}\n%s", filepath.Join(dir, "rstprobe.db"), top.ServerAddr(), more)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	w := watchOn(t, path, file, "127.0.0.1:9315")
	w.message("watching")
	probe := func(values ...string) (int, string) {
		t.Helper()
		q := url.Values{}
		for _, v := range values {
			name, value, _ := strings.Cut(v, "=")
			q.Set(name, value)
		}
		return w.ask("GET", "/probe?"+q.Encode())
	}
	expect := func(body string, series ...string) {
		t.Helper()
		for _, s := range series {
			if !strings.Contains(body, "\n"+s+"\n") {
				t.Errorf("it lacks %s:\n%s", s, body)
			}
		}
	}
	target := "target=shop.example:443@" + top.ServerAddr().String()

	code, body := probe(target)
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	t.Log(regexp.MustCompile(`(?m)^(probe_duration_seconds|rstprobe_probe_(packets|wait_seconds)) .*`).FindAllString(body, -1))
	expect(body, "probe_success 1", "probe_ip_protocol 4", "rstprobe_probe_interference 0", `rstprobe_probe_tests{kind="sni",outcome="ok"} 1`, `rstprobe_probe_verdict{verdict="clean"} 1`)

	box.Store(true)
	_, body = probe(target)
	expect(body, "probe_success 0", "rstprobe_probe_interference 1", `rstprobe_probe_tests{kind="sni",outcome="reset"} 1`, `rstprobe_probe_verdict{verdict="clean"} 0`)
	_, body = probe(target, "module=syn")
	expect(body, "probe_success 1", "rstprobe_probe_interference 0", `rstprobe_probe_tests{kind="syn",outcome="ok"} 1`)
	if code, body := probe(target, "debug=true"); code != http.StatusOK || !strings.Contains(body, "TLS with server name \"shop.example\"") || !strings.Contains(body, "Path: not traced") {
		t.Errorf("debug: %d %s", code, body)
	}

	// Nothing is probed that is not listed, until it is.
	address := "target=" + top.ServerAddr().String()
	for code, values := range map[int][]string{
		http.StatusForbidden:  {address, "module=syn"},
		http.StatusBadRequest: {target, "module=http_2xx"},
	} {
		if got, body := probe(values...); got != code {
			t.Errorf("%v: %d %s", values, got, body)
		}
	}
	if code, _ := probe(target, "hostname=else.example"); code != http.StatusForbidden {
		t.Errorf("a name that is not listed: %d", code)
	}
	write("probe: {allow: [" + top.ServerAddr().String() + "/24, \"*.example\"]}\n")
	if err := w.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	w.message("watch file read again")
	_, body = probe(address, "hostname=else.example")
	expect(body, "probe_success 1")
	_, body = probe(address, "hostname=shop.example")
	expect(body, "probe_success 0", "rstprobe_probe_interference 1")

	w.expect(`rstprobe_probes_total{verdict="clean"} 3`, `rstprobe_probes_total{verdict="inconclusive"} 3`)
	w.end(syscall.SIGTERM)
}
