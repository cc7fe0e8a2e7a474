package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/lab/netlab"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/testenv"
)

// switched is a box that can be switched on and off while packets pass.
type switched struct {
	on  *atomic.Bool
	box middlebox.Box
}

func (s switched) Handle(dir middlebox.Direction, p packet.Packet) middlebox.Action {
	if !s.on.Load() {
		return middlebox.Action{}
	}
	return s.box.Handle(dir, p)
}

// resetterAt places a switched box behind the TTL check of a router.
func resetterAt(router int, on *atomic.Bool) lab.Placement {
	return lab.Placement{Router: router, AfterTTL: true, New: func() middlebox.Box {
		return switched{on, &middlebox.Resetter{Match: middlebox.NameIs("shop.example"), Client: true, Drop: true, Follow: true, DF: true}}
	}}
}

// logLine is a line of the log as JSON.
type logLine struct {
	Msg     string
	Check   string
	Change  string
	Verdict string
}

// watchProcess is a watch at the client's end of an emulated path.
type watchProcess struct {
	*testing.T
	path   *netlab.Net
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	listen string
}

// watchOn starts a watch with a file.
func watchOn(t *testing.T, path *netlab.Net, file, listen string) *watchProcess {
	t.Helper()
	w := &watchProcess{T: t, path: path, cmd: command(t, "watch", "-c", file, "--log-format", "json", "--log-runs", "--mode", "raw", "-n", "--ledger", "none"), listen: listen}
	stderr, err := w.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.lines = bufio.NewScanner(stderr)
	if err := path.Client(w.cmd.Start); err != nil {
		t.Fatal(err)
	}
	return w
}

// wait reads the log until a line of it is as wanted.
func (w *watchProcess) wait(wanted func(logLine) bool) logLine {
	w.Helper()
	for w.lines.Scan() {
		var l logLine
		if err := json.Unmarshal(w.lines.Bytes(), &l); err != nil {
			w.Fatalf("the log has %q: %v", w.lines.Text(), err)
		}
		w.Log(w.lines.Text())
		if wanted(l) {
			return l
		}
	}
	w.Fatalf("the log ended: %v", w.cmd.Wait())
	return logLine{}
}

func (w *watchProcess) message(text string) logLine {
	w.Helper()
	return w.wait(func(l logLine) bool { return strings.HasPrefix(l.Msg, text) })
}

// ask sends a request from the client's end of the path; header is its lines
// besides the usual ones.
func (w *watchProcess) ask(method, path string, header ...string) (code int, body string) {
	w.Helper()
	var conn net.Conn
	err := w.path.Client(func() (err error) {
		conn, err = net.Dial("tcp", w.listen)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // read to its end
	lines := append(header, "Connection: close", "", "")
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\n%s", method, path, w.listen, strings.Join(lines, "\r\n"))
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		w.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		w.Fatal(err)
	}
	return answer.StatusCode, string(all)
}

// expect compares series of /metrics.
func (w *watchProcess) expect(series ...string) {
	w.Helper()
	code, body := w.ask("GET", "/metrics")
	for _, s := range series {
		if code != http.StatusOK || !strings.Contains(body, "\n"+s+"\n") {
			w.Errorf("metrics (code %d) lack %s; there are\n%s", code, s, grep(body, s[:strings.IndexAny(s, "{ ")]))
		}
	}
}

func grep(text, word string) string {
	var out []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// end ends the process by a signal and expects that it does so in order.
func (w *watchProcess) end(sig os.Signal) {
	w.Helper()
	if err := w.cmd.Process.Signal(sig); err != nil {
		w.Fatal(err)
	}
	w.message("stopped")
	if err := w.cmd.Wait(); err != nil {
		w.Errorf("it ended with %v", err)
	}
}

// TestWatch: on real kernels, boxes are switched on, moved and off; each of it
// is told once, shown in the metrics, and in the history, which a kill does
// not harm.
func TestWatch(t *testing.T) {
	testenv.Need(t, "netns", "raw")
	var near, far atomic.Bool
	top := lab.Topology{Routers: 4, Boxes: []lab.Placement{resetterAt(1, &near), resetterAt(3, &far)}}
	path := pathOf(t, top)
	dir := t.TempDir()
	file, db := filepath.Join(dir, "watch.yaml"), filepath.Join(dir, "rstprobe.db")
	const listen = "127.0.0.1:9315"
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	checks := fmt.Sprintf(`
store: %s
defaults: {interval: 3s, confirm: 2, retest: [100ms]}
checks:
  - name: shop
    target: shop.example:443@%s
    sni: true
`, db, top.ServerAddr())
	write(checks)

	w := watchOn(t, path, file, listen)
	w.message("watching")
	if l := w.message("run"); l.Verdict != "clean" {
		t.Errorf("the first run shows %s", l.Verdict)
	}
	w.expect(`rstprobe_interference{check="shop"} 0`, `rstprobe_injector_hop{check="shop"} NaN`, `rstprobe_state_changes_total{check="shop"} 0`)

	near.Store(true)
	if l := w.message("change"); !strings.Contains(l.Change, "reset by sni") {
		t.Errorf("change: %s", l.Change)
	}
	w.expect(`rstprobe_interference{check="shop"} 1`, `rstprobe_injector_hop{check="shop"} 2`, `rstprobe_state_changes_total{check="shop"} 1`)

	// What was acknowledged survives, and is not told again.
	if err := w.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = w.cmd.Wait() // it was killed
	w = watchOn(t, path, file, listen)
	w.message("watching")
	w.expect(`rstprobe_interference{check="shop"} 1`, `rstprobe_injector_hop{check="shop"} 2`, `rstprobe_state_changes_total{check="shop"} 0`)

	far.Store(true)
	near.Store(false)
	if l := w.message("change"); !strings.Contains(l.Change, "the box moved from between hops 1 and 2") {
		t.Errorf("change: %s", l.Change)
	}
	w.expect(`rstprobe_injector_hop{check="shop"} 4`, `rstprobe_state_changes_total{check="shop"} 1`)

	// A bad file changes nothing, a good one does.
	write("checks: [}")
	if code, body := w.ask("POST", "/-/reload"); code != http.StatusInternalServerError || !strings.Contains(body, "watch.yaml:1:") {
		t.Errorf("reload of a bad file: %d %s", code, body)
	}
	w.expect("rstprobe_config_last_reload_successful 0")
	write(checks + "  - {name: other, target: \"other.example:443@" + top.ServerAddr().String() + "\"}\n")
	if err := w.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	w.wait(func(l logLine) bool { return l.Msg == "run" && l.Check == "other" })
	w.expect("rstprobe_config_last_reload_successful 1", `rstprobe_interference{check="other"} 0`)
	if code, _ := w.ask("GET", "/-/reload"); code != http.StatusMethodNotAllowed {
		t.Errorf("GET /-/reload: %d", code)
	}
	if code, _ := w.ask("GET", "/-/healthy"); code != http.StatusOK {
		t.Errorf("GET /-/healthy: %d", code)
	}

	far.Store(false)
	if l := w.message("change"); !strings.Contains(l.Change, "sni shop.example: ok") {
		t.Errorf("change: %s", l.Change)
	}
	w.expect(`rstprobe_interference{check="shop"} 0`, `rstprobe_injector_hop{check="shop"} NaN`)
	w.end(syscall.SIGTERM)

	for _, line := range []string{"history --store " + db, "history shop --store " + db, "history shop --json --store " + db, "history --run 1 --store " + db,
		"history --export --store " + db, "history --diff 1,2 --store " + db, "report --from 1h --store " + db} {
		out, err := command(t, strings.Fields(line)...).Output()
		if err != nil || len(out) == 0 {
			t.Errorf("%s: %v", line, err)
		}
		t.Logf("%s:\n%.3000s", line, out)
		if (strings.Contains(line, "--json") || strings.Contains(line, "--export")) && strings.Count(string(out), `"type":"change"`) != 3 {
			t.Errorf("%s tells of other than 3 changes", line)
		}
	}
}

// TestWatchEndsInOrder, whichever signal says so.
func TestWatchEndsInOrder(t *testing.T) {
	testenv.Need(t, "netns", "raw")
	path := pathOf(t, lab.Topology{Routers: 2})
	dir := t.TempDir()
	file := filepath.Join(dir, "watch.yaml")
	text := "store: " + filepath.Join(dir, "rstprobe.db") + "\nchecks: [{target: \"shop.example:443@10.9.2.9\", interval: 1h}]\n" // nobody is there
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		w := watchOn(t, path, file, "")
		w.message("watching")
		w.end(sig)
	}
}
