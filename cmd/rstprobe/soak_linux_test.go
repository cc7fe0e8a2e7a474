package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab/netlab"
	"github.com/rstprobe/rstprobe/internal/watch/store"
)

// How long the soak test goes on, and where its chances come from; `make soak`
// sets both.
var (
	soakFor  = flag.Duration("soak", 0, "how long TestKernelSoak switches boxes; 0: not at all")
	soakSeed = flag.Uint64("soak-seed", 1, "where its random times come from")
)

// What the watch file of the soak test says, besides its checks. A change is
// sure after two re-tests; flapping is looked for within soakWindow.
const (
	soakInterval = 4 * time.Second
	soakJitter   = soakInterval / 5
	soakConfirm  = 2
	soakOf       = 3
	soakWindow   = 20 * soakInterval
	soakDefaults = "defaults: {interval: 4s, jitter: 20%, confirm: 2, of: 3, retest: [1s]}\n"
)

// soakPatience is how many runs that could tell something may go by before a
// change counts as overlooked: the one that sees it, its re-tests, as many
// again if one of them errs, and scheduled runs in between, which come too
// early to count.
const soakPatience = 4 * soakOf

// soakLine is a line of the log.
type soakLine struct {
	Time     time.Time
	Level    string
	Msg      string
	Check    string
	Axes     string
	To       string
	Since    time.Time
	Hop      int
	Change   string
	Verdict  string
	Started  time.Time
	Duration float64 `json:"duration_ms"`
	Lag      float64 `json:"lag_ms"`
	Retest   bool

	text string
}

func (l soakLine) ended() time.Time { return l.Started.Add(time.Duration(l.Duration * 1e6)) }

// due is when the run was to begin.
func (l soakLine) due() time.Time { return l.Started.Add(-time.Duration(l.Lag * 1e6)) }

// soak is a soak test under way.
type soak struct {
	*testing.T
	rng      *rand.Rand
	path     *netlab.Net
	outage   outage
	subjects []*subject
	process  *exec.Cmd
	lines    chan soakLine
	readErr  chan error
	use      []usage
	counts   map[string]int // of messages
	doubtful int            // inconclusive runs outside outages
}

// TestKernelSoak: on real kernels, for as long as it is told to, boxes are
// switched on, moved and off at random times, and the network of the watch
// itself fails now and then. Every change is told once, as it is and in time,
// and nothing else is; the process does not grow.
//
// Whatever else the machine has to do, the bounds hold: they are counted in
// runs, whose times the log has, and not in seconds.
//
// Its times are random and real, so that what it finds may have been there for
// long: it is for make soak, and judges no single change.
func TestKernelSoak(t *testing.T) {
	if *soakFor == 0 {
		t.Skip("it takes its time: make soak runs it")
	}
	s := newSoak(t)
	s.logf("seed %d, %v", *soakSeed, *soakFor)
	s.await("watching")
	begin := time.Now()
	for _, x := range s.subjects {
		x.next = begin.Add(s.pause() / 4)
	}
	s.outage.next = begin.Add(*soakFor / 3)
	for end := begin.Add(*soakFor); ; {
		now := time.Now()
		over := now.After(end)
		if over && s.idle() {
			break
		}
		s.act(now, over)
		s.step(s.wake(now))
		if s.Failed() {
			break
		}
	}
	s.finish(time.Since(begin))
}

// newSoak builds the path and starts the watch in it.
func newSoak(t *testing.T) *soak {
	program := released(t)
	s := &soak{
		T: t, rng: rand.New(rand.NewPCG(*soakSeed, 0)), subjects: subjects(),
		lines: make(chan soakLine), readErr: make(chan error, 1), counts: map[string]int{},
	}
	top := s.topology()
	s.path = pathOf(t, top)
	dir := openDir(t)
	text := "store: rstprobe.db\n" + soakDefaults + "checks:\n"
	for _, x := range s.subjects {
		text += fmt.Sprintf("  - {name: %s, target: \"%s:%d@%s\", %s: true}\n", x.name, x.host(), x.port, top.ServerAddr(), x.asks)
	}
	if err := os.WriteFile(filepath.Join(dir, "watch.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.process = exec.CommandContext(t.Context(), program, "watch", "-c", "watch.yaml", "--log-format", "json", "--log-runs", "--mode", "raw", "-n")
	asService(t, s.process, dir)
	stderr, err := s.process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.path.Client(s.process.Start); err != nil {
		t.Fatal(err)
	}
	go s.read(stderr)
	return s
}

// read passes the log on, line by line.
func (s *soak) read(log io.Reader) {
	defer close(s.lines)
	scanner := bufio.NewScanner(log)
	for scanner.Scan() {
		l := soakLine{text: scanner.Text()}
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			s.readErr <- fmt.Errorf("the log has %q: %w", l.text, err)
			return
		}
		select {
		case s.lines <- l:
		case <-s.Context().Done():
			return
		}
	}
	s.readErr <- scanner.Err()
}

// await takes lines until a message has come.
func (s *soak) await(msg string) {
	s.Helper()
	for before := s.counts[msg]; s.counts[msg] == before; {
		s.step(time.Time{})
	}
}

// step takes the next line of the log, or waits until a time; zero: however
// long it takes.
func (s *soak) step(until time.Time) {
	s.Helper()
	var wake <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		wake = timer.C
	}
	select {
	case l, ok := <-s.lines:
		if !ok {
			s.Fatalf("the log ended: %v", errors.Join(<-s.readErr, s.process.Wait()))
		}
		s.take(l)
	case <-wake:
	}
}

// take judges a line of the log.
func (s *soak) take(l soakLine) {
	s.counts[l.Msg]++
	switch l.Msg {
	case "run":
		s.ran(l)
		return
	case "change":
		s.changed(l)
	case "nothing answers any check: our own network is in trouble, and no change is believed until it is not":
		s.outage.noticed(s.T, l.Time)
	case "our own network works again":
		s.outage.healed(s.T, l.Time)
	case "watching", "perhaps a change", "no change after all", "slots missed: their time went by", "stopped", "old results deleted":
		if l.Level != "INFO" {
			s.Errorf("unexpected level: %s", l.text)
		}
	default:
		s.Errorf("unexpected message: %s", l.text)
	}
	s.logf("%s", l.text)
}

func (s *soak) subject(name string) *subject {
	s.Helper()
	i := slices.IndexFunc(s.subjects, func(x *subject) bool { return x.name == name })
	if i < 0 {
		s.Fatalf("the log tells of a check %q", name)
	}
	return s.subjects[i]
}

// ran notes a run.
func (s *soak) ran(l soakLine) {
	x := s.subject(l.Check)
	x.runs = append(x.runs, l)
	s.use = append(s.use, usageOf(s.T, s.process.Process.Pid))
	if s.outage.touches(l) {
		return
	}
	if l.Verdict == "inconclusive" {
		s.doubtful++
		s.logf("doubtful: %s", l.text)
		return
	}
	if e := x.expected; e != nil && !l.Started.Before(e.at) {
		if e.runs++; e.runs > soakPatience {
			s.Errorf("%s: %v since %v is still not told", x.name, e.to, e.at)
		}
	}
}

// changed judges a change that was told.
func (s *soak) changed(l soakLine) {
	x := s.subject(l.Check)
	e := x.expected
	if e == nil {
		s.Errorf("nothing was switched, but it says %s", l.text)
		return
	}
	x.expected, x.told = nil, x.told+1
	if !e.to.matches(x, l) {
		s.Errorf("switched to %v, but it says %s", e.to, l.text)
	}
	s.inTime(x, *e, l)
	x.next = l.Time.Add(s.pause())
}

// inTime checks when a change was seen first and when it was sure. The first
// run that began with it, and could tell anything, must have seen it; that run
// is due within an interval and its random delay. As many re-tests as are
// asked for must have followed, and not more than are allowed. An outage
// before it was sure may have it begin anew.
func (s *soak) inTime(x *subject, e expectation, l soakLine) {
	from := s.outage.lastWithin(e.at, l.Time)
	first := slices.IndexFunc(x.runs, func(r soakLine) bool {
		return !r.Started.Before(from) && !s.outage.touches(r) && r.Verdict != "inconclusive"
	})
	last := x.runs[len(x.runs)-1]
	switch {
	case first < 0:
		s.Errorf("%s: switched at %v, told without any run since: %s", x.name, e.at, l.text)
		return
	case l.Since.Before(e.at.Truncate(time.Microsecond)):
		s.Errorf("%s: seen at %v, before it was switched at %v", x.name, l.Since, e.at)
	case l.Since.After(x.runs[first].ended().Add(time.Millisecond)): // of rounding
		s.Errorf("%s: seen first at %v, but the run that ended at %v was the first after it was switched at %v", x.name, l.Since, x.runs[first].ended(), e.at)
	}
	free := from // the run before it may have begun earlier
	if first > 0 {
		free = later(free, x.runs[first-1].ended())
	}
	if due := x.runs[first].due(); due.Sub(free) > soakInterval+soakJitter {
		s.Errorf("%s: switched at %v, but the next run was due at %v only", x.name, e.at, due)
	}
	votes := 0
	for _, r := range x.runs {
		if r.ended().After(l.Since.Add(time.Millisecond)) && r.Retest && !s.outage.touches(r) && r.Verdict != "inconclusive" {
			votes++
		}
	}
	x.delays = append(x.delays, delays{l.Since.Sub(e.at), last.ended().Sub(l.Since), votes})
	if votes > soakOf {
		s.Errorf("%s: it took %d re-tests to be sure, more than %d", x.name, votes, soakOf)
	}
	if wait := last.ended().Sub(l.Since); wait < soakConfirm*time.Second {
		s.Errorf("%s: it was sure %v after it was first seen, which is too short for %d re-tests", x.name, wait, soakConfirm)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// pause is how long a box stays as it is once its state is told: so long that
// it does not flap, not even where a short outage makes turns as well.
func (s *soak) pause() time.Duration {
	return soakWindow*2/5 + time.Duration(s.rng.Int64N(int64(soakWindow*3/10)))
}

// act switches what is due. Once it is over, only what was begun is ended.
func (s *soak) act(now time.Time, over bool) {
	if s.outage.act(now, over, s.rng) {
		s.logf("outage: %v", s.outage.on.Load())
	}
	for _, x := range s.subjects {
		if over || x.kind == nil || x.expected != nil || now.Before(x.next) {
			continue
		}
		to := condition((int(x.now) + 1 + s.rng.IntN(2)) % 3)
		x.expected = &expectation{to: to, at: time.Now()} // before the switch: what is seen is seen later
		x.set(to)
		s.logf("%s: %v", x.name, to)
	}
}

// wake is when act has something to do next.
func (s *soak) wake(now time.Time) time.Time {
	next := now.Add(time.Second)
	if !s.outage.next.IsZero() && s.outage.next.Before(next) {
		next = s.outage.next
	}
	for _, x := range s.subjects {
		if x.kind != nil && x.expected == nil && x.next.Before(next) {
			next = x.next
		}
	}
	return next
}

// idle reports whether nothing is to come that was caused.
func (s *soak) idle() bool {
	return !s.outage.pending() && !slices.ContainsFunc(s.subjects, func(x *subject) bool { return x.expected != nil })
}

// finish ends the watch and holds its history against what was told.
func (s *soak) finish(took time.Duration) {
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		s.Fatal(err)
	}
	s.await("stopped")
	for l := range s.lines {
		s.Errorf("after the end: %s", l.text)
	}
	if err := errors.Join(<-s.readErr, s.process.Wait()); err != nil {
		s.Errorf("it ended with %v", err)
	}
	history, err := store.OpenReadOnly(filepath.Join(s.process.Dir, "rstprobe.db"))
	if err != nil {
		s.Fatal(err)
	}
	defer history.Close() //nolint:errcheck // only read
	runs, told := 0, 0
	for _, x := range s.subjects {
		kept, err := history.Changes(x.name, 1000)
		if err != nil {
			s.Fatal(err)
		}
		if len(kept) != x.told {
			s.Errorf("%s: the history has %d changes, %d were told", x.name, len(kept), x.told)
		}
		if x.kind != nil && x.told == 0 {
			s.Errorf("%s was never switched: the test is too short", x.name)
		}
		runs, told = runs+len(x.runs), told+x.told
	}
	if s.doubtful*20 > runs {
		s.Errorf("%d of %d runs outside outages were inconclusive", s.doubtful, runs)
	}
	s.logf("%v: %d runs, %d changes, %d outages, %d suspicions dropped, %d inconclusive", took.Round(time.Second), runs, told, len(s.outage.spans), s.counts["no change after all"], s.doubtful)
	s.logf("%s", summary(s.subjects))
	s.bounded()
}

func (s *soak) logf(format string, args ...any) {
	s.Helper()
	s.Logf("%s "+format, append([]any{time.Now().Format("15:04:05.000")}, args...)...)
}

// bounded checks that the process has not grown since it was warm. Files are
// compared when fewest were open: how many more are, depends on how many runs
// are under way at a time.
func (s *soak) bounded() {
	const enough = 100 // runs, for some of them to have ended alone
	quarter := len(s.use) / 4
	if quarter < enough {
		s.logf("at most %v, too short to see growth", most(s.use))
		return
	}
	early, late := s.use[quarter:2*quarter], s.use[3*quarter:]
	s.logf("early %v, late %v at most; %d and %d files at least", most(early), most(late), fewestFiles(early), fewestFiles(late))
	if before, now := most(early).resident, most(late).resident; now > before+before/4+8<<20 {
		s.Errorf("resident memory grew from %d to %d bytes", before, now)
	}
	if before, now := fewestFiles(early), fewestFiles(late); now > before+8 {
		s.Errorf("open files grew from %d to %d", before, now)
	}
	if before, now := most(early).threads, most(late).threads; now > before+8 {
		s.Errorf("threads grew from %d to %d", before, now)
	}
}

func summary(subjects []*subject) string {
	var seen, sure []time.Duration
	votes := 0
	for _, x := range subjects {
		for _, d := range x.delays {
			seen, sure, votes = append(seen, d.seen), append(sure, d.sure), votes+d.votes
		}
	}
	if len(seen) == 0 {
		return "no change"
	}
	slices.Sort(seen)
	slices.Sort(sure)
	middle, last := len(seen)/2, len(seen)-1
	return strings.Join([]string{
		fmt.Sprintf("first seen after %v in the median, %v at most", seen[middle].Round(time.Millisecond), seen[last].Round(time.Millisecond)),
		fmt.Sprintf("sure %v later in the median, %v at most", sure[middle].Round(time.Millisecond), sure[last].Round(time.Millisecond)),
		fmt.Sprintf("%.2f re-tests each", float64(votes)/float64(len(seen))),
	}, "; ")
}
