package page

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
	"github.com/rstprobe/rstprobe/traceroute"
)

// now is when the pages of tests are looked at.
var now = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// router is that at a TTL.
func router(ttl int) netip.Addr { return netip.AddrFrom4([4]byte{10, 9, byte(ttl - 1), 2}) }

var server = netip.MustParseAddr("10.9.6.2")

// kindOfRun is what a made-up run shows.
type kindOfRun int

const (
	clean     kindOfRun = iota
	resetAt4            // a box behind router 3 answers with resets
	resetAt6            // it has moved
	detour              // clean, over another router 5
	refused             // the server's port is closed
	nothing             // nobody answers, beyond the first router
	undecided           // the controls did badly
)

// document is that of a run that began at a time.
func document(c watchfile.Check, kind kindOfRun, at time.Time) report.Document {
	res := diagnosis.Result{
		Target: c.Target, Started: at, Duration: 800 * time.Millisecond, Source: netip.MustParseAddr("10.9.0.1"), PacketsSent: 60,
		Outcome: probe.Clean, Summary: "Nothing interferes with the tested connections.", Path: traceroute.Path{ServerTTL: 7, Server: server},
	}
	res.Target.IP = server
	for ttl := 1; ttl <= 7; ttl++ {
		h := traceroute.Hop{TTL: ttl, Addr: router(ttl), RTT: time.Duration(ttl) * 1300 * time.Microsecond, Control: traceroute.TimeExceeded, Test: traceroute.TimeExceeded}
		switch {
		case ttl == 7:
			h.Control, h.Test = traceroute.FromServer, traceroute.FromServer
		case ttl == 5 && kind == detour:
			h.Addr = netip.MustParseAddr("10.77.0.5")
		case kind == resetAt4 && ttl >= 4, kind == resetAt6 && ttl >= 6:
			h.Test = traceroute.ResetAnswer
		}
		res.Path.Hops = append(res.Path.Hops, h)
	}
	for _, q := range c.Questions {
		t := diagnosis.Test{Kind: q.Kind, Name: q.Name, ControlNames: []string{"control.example"}, Verdict: probe.Verdict{
			Outcome: probe.OK, Stage: probe.StageResponse, Trigger: probe.TriggerNone, Author: probe.Server, Confidence: probe.Proved,
			Counts: probe.Counts{TestTotal: 3, ControlTotal: 4},
		}}
		v := &t.Verdict
		switch kind {
		case clean, detour:
		case resetAt4, resetAt6:
			at := map[kindOfRun]int{resetAt4: 4, resetAt6: 6}[kind]
			if q.Kind == probe.SYN {
				break
			}
			v.Outcome, v.Stage, v.Trigger, v.Author, v.Cause, v.Counts.TestBad = probe.Reset, probe.StageData, probe.TriggerSNI, probe.InPath, "M5", 3
			v.Evidence = []probe.Evidence{{Rule: "below-server-ttl", Supports: probe.InPath, Decisive: true, Detail: "A copy that died on the way was answered by a reset."}}
			t.Location = &traceroute.Location{After: traceroute.Point{TTL: at - 1, Addr: router(at - 1)}, At: traceroute.Point{TTL: at, Addr: router(at)}, Method: traceroute.CodedBurst, Votes: 3, Rounds: 3}
			res.Outcome, res.Summary = probe.Interference, fmt.Sprintf("A box between hop %d and hop %d resets connections to %v:443 that name %s; other names pass.", at-1, at, server, q.Name)
		case refused:
			v.Outcome, v.Stage, v.Trigger, v.Cause, v.Counts.TestBad = probe.Refused, probe.StageSYN, probe.TriggerPort, "S1", 3
			res.Outcome, res.Summary = probe.ServerRefuses, "The server's port is closed."
		case nothing:
			v.Outcome, v.Stage, v.Trigger, v.Author, v.Counts.TestBad = probe.Unreachable, probe.StageSYN, probe.TriggerAddress, probe.Undetermined, 3
			res.Outcome, res.Summary, res.Path = probe.OverallUnreachable, "The target cannot be reached.", traceroute.Path{}
		case undecided:
			v.Outcome, v.Author, v.Confidence = probe.Inconclusive, probe.Undetermined, probe.UndeterminedDegree
			res.Outcome, res.Summary = probe.OverallInconclusive, "The controls did as badly as the tests."
		}
		res.Tests = append(res.Tests, t)
	}
	return report.New(res, report.Meta{RunID: fmt.Sprint(at.Unix()), Version: "test", Mode: "raw"})
}

// check is one with questions as they are on the command line.
func check(name, target string, labels map[string]string, kinds ...probe.Kind) watchfile.Check {
	t, err := probe.ParseTarget(target)
	if err != nil {
		panic(err)
	}
	c := watchfile.Check{Name: name, Target: t, Interval: 5 * time.Minute, Confirm: 2, Of: 3, Retest: []time.Duration{3 * time.Second}, Labels: labels}
	for _, k := range kinds {
		q := diagnosis.Question{Kind: k}
		if k != probe.SYN {
			q.Name = t.Name
		}
		c.Questions = append(c.Questions, q)
	}
	return c
}

// world is a page over a real store, and what was made up for it.
type world struct {
	testing.TB
	page  *Page
	store *store.Store
	log   *logged

	mu    sync.Mutex
	clock time.Time
	known map[string]state.Machines
}

// logged keeps what a page logs.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(b))
	return len(b), nil
}

// newWorld is an empty one, with a store in a directory.
func newWorld(t testing.TB, dir string) *world {
	t.Helper()
	s, err := store.Open(filepath.Join(dir, "rstprobe.db"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, store: s, log: &logged{}, clock: now, known: map[string]state.Machines{}}
	w.page = w.newPage(s)
	return w
}

// empty is a world of a test's own.
func empty(t testing.TB) *world {
	t.Helper()
	w := newWorld(t, t.TempDir())
	t.Cleanup(w.close)
	return w
}

// close ends the use of the store.
func (w *world) close() {
	if err := w.store.Close(); err != nil {
		w.Error(err)
	}
}

func (w *world) newPage(h History) *Page {
	return New(Config{History: h, Log: slog.New(slog.NewTextHandler(w.log, nil)), Version: "1.2.3", Zone: time.UTC, Now: func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.clock
	}})
}

func (w *world) set(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = at
}

// run lets a check run, as internal/watch would.
func (w *world) run(c watchfile.Check, kind kindOfRun, at time.Time) {
	w.Helper()
	r := store.Run{Check: c.Name, Started: at, Ended: at.Add(800 * time.Millisecond), Interval: c.Interval, Document: document(c, kind, at)}
	if err := w.store.Add(r, w.judge(c, &r), w.known[c.Name]); err != nil {
		w.Fatal(err)
	}
	w.page.Ran(r, 0, nil)
	w.page.Known(c.Name, w.known[c.Name])
}

// judge takes what a run shows.
func (w *world) judge(c watchfile.Check, r *store.Run) []state.Change {
	after, changes := state.Machines{}, []state.Change(nil)
	readings := state.Readings(r.Document, r.Ended)
	for _, q := range c.Questions {
		key := state.Question{Kind: q.Kind, Name: q.Name}
		p := state.Patience{Confirm: c.Confirm, Of: c.Of, Retest: c.Retest, Every: c.Interval}
		m, change := w.known[c.Name][key].Step(key, readings[key], p, func(time.Time) bool { return true })
		if after[key] = m; change != nil {
			changes = append(changes, *change)
		}
	}
	w.known[c.Name] = after
	return changes
}

// past is what a check showed from a time on.
type past struct {
	from time.Duration // ago
	kind kindOfRun
}

// months lets a check run at its interval, as its past says, the oldest first.
func (w *world) months(c watchfile.Check, pasts ...past) {
	w.Helper()
	for i, p := range pasts {
		until := time.Duration(0)
		if i+1 < len(pasts) {
			until = pasts[i+1].from
		}
		for at := p.from; at > until; at -= c.Interval {
			w.run(c, p.kind, now.Add(-at))
		}
	}
}

// get asks the page for something.
func (w *world) get(path string) *httptest.ResponseRecorder {
	out := httptest.NewRecorder()
	w.page.ServeHTTP(out, httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, nil))
	return out
}

const day_ = 24 * time.Hour

// hostileName is a name that a page must show and not obey.
const hostileName = `<script>alert(1)</script> a/b ü?&#%2F`

// common is the world that tests share, and where it is.
var common struct {
	sync.Once
	dir    string
	world  *world
	checks []watchfile.Check
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "rstprobe-page")
	if err != nil {
		panic(err)
	}
	common.dir = dir
	code := m.Run()
	if common.world != nil {
		err = common.world.store.Close()
	}
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// shown is the common world after rstprobe was started again: what is told to
// its page from now on changes nothing for other tests.
func shown(t testing.TB) *world {
	t.Helper()
	common.Do(func() {
		common.world = newWorld(t, common.dir)
		common.checks = common.world.settle()
	})
	if common.checks == nil {
		t.Skip("the test that made the common world has failed")
	}
	w := &world{TB: t, store: common.world.store, log: &logged{}, clock: now, known: maps.Clone(common.world.known)}
	w.page = w.newPage(w.store)
	w.page.Watched(common.checks)
	for name, machines := range w.known {
		w.page.Known(name, machines)
	}
	return w
}

// settle makes a world as an operator has it: months of one check, trouble of
// several kinds, a name that is hard to show, and many that are well.
func (w *world) settle() []watchfile.Check {
	shop := check("shop", "shop.example:443@10.9.6.2", map[string]string{"team": "web", "site": "berlin"}, probe.SYN, probe.SNI)
	shop.Interval = 3 * time.Hour
	bank := check("bank", "https://bank.example/login", map[string]string{"team": "pay"}, probe.SNI, probe.Host)
	mail := check("mail", "mail.example:465", map[string]string{"team": "pay"}, probe.SYN, probe.SNI)
	hostile := check(hostileName, "hostile.example:443", map[string]string{"team": `"><b>`}, probe.SNI)
	wave := check("wave", "wave.example:443", nil, probe.SNI)
	perhaps := check("perhaps", "perhaps.example:443", nil, probe.SNI)
	fresh := check("fresh", "fresh.example:443", nil, probe.SYN, probe.SNI)
	checks := []watchfile.Check{shop, bank, mail, hostile, wave, perhaps, fresh}
	for i := range 24 {
		checks = append(checks, check(fmt.Sprintf("site-%02d", i+1), fmt.Sprintf("site%02d.example:443", i+1), map[string]string{"team": "web"}, probe.SYN, probe.SNI))
	}
	for i := range checks[1:] {
		checks[1+i].Interval = 20 * time.Minute
	}
	w.page.Watched(checks)
	w.months(shop, past{90 * day_, clean}, past{41 * day_, resetAt4}, past{38 * day_, clean}, past{6 * day_, detour}, past{30 * time.Hour, resetAt4}, past{9 * time.Hour, resetAt6})
	for _, c := range checks[1:] {
		switch c.Name {
		case "bank":
			w.months(c, past{26 * time.Hour, clean}, past{2 * time.Hour, refused})
		case "mail":
			w.months(c, past{20 * time.Hour, clean}, past{3 * time.Hour, nothing})
		case hostileName:
			w.months(c, past{5 * time.Hour, clean}, past{2 * time.Hour, undecided})
		case "wave":
			var turns []past
			for i := range 9 {
				turns = append(turns, past{time.Duration(9-i) * 20 * time.Minute, []kindOfRun{clean, resetAt4}[i%2]})
			}
			w.months(c, turns...)
		case "perhaps":
			w.months(c, past{4 * time.Hour, clean}, past{20 * time.Minute, resetAt4})
		case "fresh":
		default:
			w.months(c, past{time.Hour, clean})
		}
	}
	return checks
}
