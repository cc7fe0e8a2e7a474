package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
	"github.com/rstprobe/rstprobe/traceroute"
)

// theFourth is when the history of these tests begins.
var theFourth = time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC)

// pastOf is a store of two days, with a run of "shop" and of "bank" each hour:
// between shop and us there is a box from hour 10 on, which moves at hour 20
// and goes at hour 30.
func pastOf(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "past.db")
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	patience := state.Patience{Retest: []time.Duration{time.Second}, Every: time.Hour}
	machines := map[string]state.Machine{}
	for h := range 48 {
		for _, check := range []string{"shop", "bank"} {
			at := theFourth.Add(time.Duration(h) * time.Hour)
			doc := report.Document{
				SchemaVersion: report.SchemaVersion, RunID: fmt.Sprint(check, h), StartedAt: at, DurationMS: 250, PacketsSent: 40, Mode: "raw",
				SourceIP: netip.MustParseAddr("10.9.0.1"), Verdict: report.Verdict{Outcome: probe.Clean, Summary: "Nothing interferes."},
				Target: report.Target{Input: check + ".example:443", Host: check + ".example", IP: netip.MustParseAddr("192.0.2.7"), Port: 443},
			}
			test := report.Test{Kind: probe.SNI, Name: check + ".example", Outcome: probe.OK, Stage: probe.StageData, Trigger: probe.TriggerNone,
				Author: probe.Server, Confidence: probe.Proved, Counts: report.Counts{TestTotal: 3, ControlTotal: 4}}
			for ttl := range 6 {
				ip := netip.AddrFrom4([4]byte{10, 9, byte(ttl), 2})
				if h >= 20 && ttl == 4 {
					ip = netip.MustParseAddr("10.77.4.2")
				}
				doc.Path.Hops = append(doc.Path.Hops, report.Hop{TTL: ttl + 1, IP: ip, RTTMS: float64(ttl), Control: traceroute.TimeExceeded})
			}
			if check == "shop" && h >= 10 && h < 30 {
				after := 1
				if h >= 20 {
					after = 4
				}
				doc.Verdict = report.Verdict{Outcome: probe.Interference, Summary: fmt.Sprintf("A box at %v resets it.", doc.Path.Hops[after].IP)}
				test.Outcome, test.Trigger, test.Author, test.Counts.TestBad = probe.Reset, probe.TriggerSNI, probe.InPath, 3
				test.Location = &report.Location{AfterTTL: after, AtTTL: after + 1, AtIP: doc.Path.Hops[after].IP, Method: traceroute.CodedBurst}
			}
			doc.Tests = report.List[report.Test]{test}
			q := state.Question{Kind: test.Kind, Name: test.Name}
			run := store.Run{Check: check, Started: at, Ended: at.Add(250 * time.Millisecond), Interval: time.Hour, Document: doc}
			next, change := machines[check].Step(q, state.Readings(doc, run.Ended)[q], patience, func(time.Time) bool { return true })
			machines[check] = next
			var changes []state.Change
			if change != nil {
				changes = append(changes, *change)
			}
			if err := s.Add(run, changes, state.Machines{q: next}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// do runs a line, in which DB stands for a store, and requires an exit code.
func do(t *testing.T, db, stdin string, code int, line string) ran {
	t.Helper()
	var args []string
	for _, w := range strings.Fields(line) {
		args = append(args, strings.ReplaceAll(strings.ReplaceAll(w, "DB", db), "_", " "))
	}
	got := (&fakeSystem{}).run(t.Context(), stdin, args...)
	if got.code != code {
		t.Errorf("%s: exit code %d, want %d\n%s", line, got.code, code, got.stderr)
	}
	return got
}

const twoDays = "--from 2026-01-04T00:00:00Z --to 2026-01-06T00:00:00Z"

// TestReportOfAPeriod in all its formats.
func TestReportOfAPeriod(t *testing.T) {
	t.Parallel()
	db := pastOf(t)
	text := do(t, db, "", exitOK, "report "+twoDays+" --store DB").stdout
	for _, want := range []string{
		"shop\n  sni shop.example: 58.33 % ok of 2 d that are known; by runs 58.33 %, 28 of 48; interference for 20 h\n",
		"...............XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX..........................\n",
		"the box moved from between hops 1 and 2 (10.9.1.2) to between hops 4 and 5 (10.77.4.2)",
		"48 runs; clean 28; interference 20; a run took 250 ms; 1920 packets sent",
		"bank\n  sni bank.example: 100 % ok",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	if one := do(t, db, "", exitOK, "report bank "+twoDays+" --store DB").stdout; strings.Contains(one, "shop") || !strings.Contains(one, "bank") {
		t.Errorf("the report of bank:\n%s", one)
	}

	var r period.Report
	line := do(t, db, "", exitOK, "report shop --json "+twoDays+" --store DB").stdout
	if err := json.Unmarshal([]byte(line), &r); err != nil || strings.Count(line, "\n") != 1 {
		t.Fatalf("%v:\n%s", err, line)
	}
	c := r.Checks[0]
	if r.SchemaVersion != 1 || r.Type != "period" || len(r.Checks) != 1 || len(c.Changes) != 3 || len(c.Questions[0].Boxes) != 2 || c.Path == nil {
		t.Errorf("the JSON has %d checks and of the first %+v", len(r.Checks), c)
	}
	box := c.Questions[0].Boxes[1]
	if box.First != theFourth.Add(20*time.Hour+250*time.Millisecond) || box.Last != theFourth.Add(29*time.Hour+250*time.Millisecond) || box.Runs != 10 {
		t.Errorf("the second box: %+v", box)
	}

	dir := t.TempDir()
	if out := do(t, db, "", exitOK, "report "+twoDays+" --store DB -o "+dir+"/x.json -o "+dir+"/x.md -o "+dir+"/x.txt -o "+dir+"/x.html").stdout; out != "" {
		t.Errorf("with -o, standard output has\n%s", out)
	}
	for name, want := range map[string]string{"x.json": `"type":"period"`, "x.md": "| since | sure at | run | change |", "x.txt": "X interference", "x.html": "shop.example"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Contains(b, []byte(want)) {
			t.Errorf("%s lacks %q, %v", name, want, err)
		}
	}
}

// TestReportOfAPeriodIsRedacted: routers near us are not in it, in whatever
// form; those farther away, and what was chosen by the user, are.
func TestReportOfAPeriodIsRedacted(t *testing.T) {
	t.Parallel()
	db := pastOf(t)
	for _, line := range []string{"report ", "report --json ", "report -o DB.md ", "report -o DB.html "} {
		out := do(t, db, "", exitOK, line+twoDays+" --store DB --redact 3").stdout
		if _, file, ok := strings.Cut(line, "DB"); ok {
			b, err := os.ReadFile(db + strings.TrimSpace(file))
			if err != nil {
				t.Fatal(err)
			}
			out = string(b)
		}
		for _, hidden := range []string{"10.9.0.1", "10.9.0.2", "10.9.1.2", "10.9.2.2"} {
			if strings.Contains(out, hidden) {
				t.Errorf("%s: %s is in it", line, hidden)
			}
		}
		for _, shown := range []string{"10.77.4.2", "192.0.2.2"} {
			if !strings.Contains(out, shown) {
				t.Errorf("%s: %s is not in it:\n%.2000s", line, shown, out)
			}
		}
	}
}

// TestPeriodIsRefused where it makes no sense, with what to write instead.
func TestPeriodIsRefused(t *testing.T) {
	t.Parallel()
	db := pastOf(t)
	saved := filepath.Join(t.TempDir(), "run.json")
	if err := os.WriteFile(saved, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ line, want string }{
		{"report --from soon --store DB", `--from: "soon" is no time: write one as 2026-01-31`},
		{"report --from 2026-02-30 --store DB", `"2026-02-30" is no time`},
		{"report --from= --store DB", `"" is no time`},
		{"report --from - --store DB", `"-" is no time`},
		{"report --from 7d --to 8d --store DB", "is not before --to"},
		{"report --from 2999-01-01 --store DB", "write a period that has begun"},
		{"report --from 99999999d --store DB", "too long ago"},
		{"report --to 7d --store DB", "write --from TIME as well"},
		{"report --from 7d --store DB.none", "there is no store"},
		{"report shp --from 7d --store DB", `there is no check "shp"`},
		{"report shp --from 7d --store DB", "did you mean shop?"},
		{"report " + saved + " --from 7d --store DB", "is a file and no check"},
		{"report --from 7d --store DB -o x.pcapng", "a period is written as .html, .json, .md or .txt"},
		{"report --from 7d --store DB -o DB.md/x.md", "cannot write"},
		{"report --store DB", "what watch has found: report --from 7d"},
		{"history --from 7d --store DB", "write history CHECK --from TIME"},
		{"history shop --from x --store DB", "is no time"},
		{"history --diff 1 --store DB", "compares two runs, not 1"},
		{"history --diff 1,x --store DB", `"x" is no number`},
		{"history --diff 1,999 --store DB", "there is no run 999"},
		{"history --run 999 --store DB", "there is no run 999"},
		{"history nobody --export --store DB", `there is no check "nobody"`},
	} {
		if got := do(t, db, "", exitUsage, tt.line); got.stdout != "" || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%s: %s; want %q", tt.line, got.stderr, tt.want)
		}
	}
}

// TestHistoryInPart: what was between two times, and how two runs differ.
func TestHistoryInPart(t *testing.T) {
	t.Parallel()
	db := pastOf(t)
	const part = "--from 2026-01-04T09:30:00Z --to 2026-01-04T12:30:00Z"
	out := do(t, db, "", exitOK, "history shop --json "+part+" --store DB").stdout
	if strings.Count(out, `"type":"change"`) != 1 || strings.Count(out, `"type":"run"`) != 3 || strings.Count(out, `"check":"shop"`) != 4 {
		t.Errorf("history of three hours:\n%s", out)
	}
	for _, line := range []string{"history --diff 39,41 --store DB", "history --diff 39 41 --store DB"} { // hours 19 and 20
		out := do(t, db, "", exitOK, line).stdout
		for _, want := range []string{"changed", "place", "The paths part at TTL 5.", "!  5 10.9.4.2  5 10.77.4.2  another router", "   6 10.9.5.2  6 10.9.5.2"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s lacks %q:\n%s", line, want, out)
			}
		}
	}
	var d period.Diff
	if err := json.Unmarshal([]byte(do(t, db, "", exitOK, "history --diff 39,41 --json --store DB").stdout), &d); err != nil || d.Diverges != 5 || len(d.Hops) != 6 {
		t.Errorf("%v: %+v", err, d)
	}
}

// TestExport has all, and its runs can be rendered again.
func TestExport(t *testing.T) {
	t.Parallel()
	db := pastOf(t)
	out := do(t, db, "", exitOK, "history --export --store DB").stdout
	count := map[string]int{}
	for line := range strings.Lines(out) {
		var x struct {
			Type     string
			Check    string
			Document *report.Document
		}
		if err := json.Unmarshal([]byte(line), &x); err != nil || x.Check == "" || (x.Type == "run") != (x.Document != nil) {
			t.Fatalf("%v: %s", err, line)
		}
		count[x.Type+" "+x.Check]++
	}
	want := map[string]int{
		"run shop": 48, "run bank": 48, "rollup shop": 48, "rollup bank": 48, "change shop": 3, "coverage shop": 2, "coverage bank": 2,
	}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	part := do(t, db, "", exitOK, "history shop --export --from 2026-01-04T09:30:00Z --to 2026-01-04T11:30:00Z --store DB").stdout
	rendered := do(t, db, part, exitOK, "report - --json").stdout
	if strings.Count(rendered, "\n") != 2 || !strings.Contains(rendered, `"run_id":"shop10"`) || !strings.Contains(rendered, `"run_id":"shop11"`) {
		t.Errorf("rendered again:\n%s", rendered)
	}
}

// TestPastIsInterrupted: what takes long ends when it is told to.
func TestPastIsInterrupted(t *testing.T) {
	t.Parallel()
	db := pastOf(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, line := range []string{"history --export --store ", "report --from 2026-01-01 --store "} {
		if got := (&fakeSystem{}).run(ctx, "", strings.Fields(line+db)...); got.code != exitInterrupted || got.stdout != "" {
			t.Errorf("%s: exit code %d, want %d; %s", line, got.code, exitInterrupted, got.stderr)
		}
	}
}

// watched does something before it takes what is written.
type watched struct {
	bytes.Buffer
	first func()
}

func (w *watched) Write(b []byte) (int, error) {
	w.first()
	return w.Buffer.Write(b)
}

// TestExportEndsEarly with whole lines if it is interrupted, and with one
// complaint if nobody reads.
func TestExportEndsEarly(t *testing.T) {
	t.Parallel()
	db := pastOf(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs bytes.Buffer
	out := &watched{first: cancel}
	code := run(ctx, []string{"rstprobe", "history", "--export", "--store", db}, nil, out, &errs, (&fakeSystem{}).system())
	all := strings.Count(do(t, db, "", exitOK, "history --export --store DB").stdout, "\n")
	if n := strings.Count(out.String(), "\n"); code != exitInterrupted || n == 0 || n >= all || !strings.HasSuffix(out.String(), "}\n") {
		t.Errorf("interrupted: exit code %d, %d of %d lines, the last one %q; %s", code, n, all, out.String()[max(0, out.Len()-80):], &errs)
	}
	errs.Reset()
	code = run(t.Context(), []string{"rstprobe", "history", "--export", "--store", db}, nil, brokenWriter{}, &errs, (&fakeSystem{}).system())
	if code != exitFailure || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("nobody reads: exit code %d, %q", code, &errs)
	}
}

// TestPastAtItsEdges: a period that begins before there were clocks, a run of a
// clock that was ahead, and text that a terminal would obey.
func TestPastAtItsEdges(t *testing.T) {
	t.Parallel()
	db := pastOf(t)
	for _, from := range []string{"1000000d", "0001-01-01"} {
		var r period.Report
		if err := json.Unmarshal([]byte(do(t, db, "", exitOK, "report --json --store DB --from "+from).stdout), &r); err != nil || !r.From.Equal(time.Unix(0, 0)) {
			t.Errorf("from %s on: %v, %v", from, r.From, err)
		}
	}
	s, err := store.Open(db)
	if err != nil {
		t.Fatal(err)
	}
	ahead := store.Run{Check: "shop", Started: theFourth.AddDate(90, 0, 0), Ended: theFourth.AddDate(90, 0, 0), Interval: time.Hour, Lookup: "no \x1b[31mname"}
	ahead.Document.Verdict = report.Verdict{Outcome: probe.OverallInconclusive, Summary: "two\nlines \u009b31m"}
	if err := errors.Join(s.Add(ahead, nil, state.Machines{}), s.Close()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(do(t, db, "", exitOK, "history shop --export --store DB").stdout, `"type":"run"`); n != 49 {
		t.Errorf("%d runs are exported, want 49", n)
	}
	for _, line := range []string{"history shop --store DB", "history shop --json --store DB"} {
		if out := do(t, db, "", exitOK, line).stdout; strings.ContainsAny(out, "\x1b\u009b") || strings.Contains(out, "two\n") || !strings.Contains(out, "lines") {
			t.Errorf("%s:\n%q", line, out)
		}
	}
}

// TestMoments: every form of a time, on a machine in a zone of its own.
func TestMoments(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 5*3600+1800)
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, zone)
	for _, tt := range []struct{ text, from, to string }{
		{"now", "2026-03-10T12:00:00+05:30", "2026-03-10T12:00:00+05:30"},
		{"7d", "2026-03-03T12:00:00+05:30", "2026-03-03T12:00:00+05:30"},
		{"-7d", "2026-03-03T12:00:00+05:30", "2026-03-03T12:00:00+05:30"},
		{"-1w1d1h30m5s", "2026-03-02T10:29:55+05:30", "2026-03-02T10:29:55+05:30"},
		{"90min", "2026-03-10T10:30:00+05:30", "2026-03-10T10:30:00+05:30"},
		{"2026-01-31", "2026-01-31T00:00:00+05:30", "2026-02-01T00:00:00+05:30"},
		{"2026-01-31 15:04", "2026-01-31T15:04:00+05:30", "2026-01-31T15:04:00+05:30"},
		{"2026-01-31T15:04:05", "2026-01-31T15:04:05+05:30", "2026-01-31T15:04:05+05:30"},
		{"2026-01-31T15:04:05-02:00", "2026-01-31T15:04:05-02:00", "2026-01-31T15:04:05-02:00"},
		{"", "", ""}, {"d", "", ""}, {"-", "", ""}, {"7", "", ""}, {"1h1d", "", ""}, {"+7d", "", ""}, {"2026-1-1", "", ""}, {"yesterday", "", ""},
	} {
		for _, x := range []struct {
			end  bool
			want string
		}{{false, tt.from}, {true, tt.to}} {
			got, err := moment(tt.text, now, x.end)
			if x.want == "" {
				if err == nil {
					t.Errorf("%q is %v", tt.text, got)
				}
				continue
			}
			if s := got.Format(time.RFC3339); s != x.want || err != nil {
				t.Errorf("%q is %s, %v; want %s", tt.text, s, err, x.want)
			}
		}
	}
}
