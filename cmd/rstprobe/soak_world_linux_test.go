package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// subject is a check of the soak test and the boxes that act on its name.
type subject struct {
	name    string
	port    int
	asks    string // key of the watch file
	outcome string // what its boxes make of a connection
	kind    func(middlebox.Match) middlebox.Box

	boxes map[condition]*atomic.Bool
	now   condition

	expected *expectation // nil: nothing was switched that is not told
	next     time.Time    // of the next switch
	runs     []soakLine
	told     int
	delays   []delays
}

// delays are those of one change: from the switch to the first run that saw
// it, from there to the one that made it sure, and the re-tests that it took.
type delays struct {
	seen, sure time.Duration
	votes      int
}

// condition is where the box of a subject is.
type condition int

const (
	off condition = iota
	near
	far
)

func (c condition) String() string { return [...]string{"off", "near", "far"}[c] }

// Routers of the path, and those behind whose TTL check boxes sit.
const (
	soakRouters = 6
	nearRouter  = 1
	farRouter   = 5
)

// hop is the first TTL at which the box acts; 0: there is none.
func (c condition) hop() int { return [...]int{0, nearRouter + 1, farRouter + 1}[c] }

// matches reports whether a change tells of the condition.
func (c condition) matches(x *subject, l soakLine) bool {
	if c == off {
		return l.To == "ok" && l.Hop == 0 && l.Level == "INFO"
	}
	outcome, _, _ := strings.Cut(l.To, " ")
	return strings.TrimSuffix(outcome, ",") == x.outcome && l.Hop == c.hop() && l.Level == "WARN"
}

// expectation is a change that is to be told.
type expectation struct {
	to   condition
	at   time.Time // just before it was made
	runs int       // that could have told since
}

// subjects are those of the test, boxes of each kind; nothing is ever done to
// the last one.
func subjects() []*subject {
	return []*subject{
		{name: "filter", port: 443, asks: "sni", outcome: "reset", kind: func(m middlebox.Match) middlebox.Box {
			return &middlebox.Resetter{Match: m, Client: true, Drop: true, Follow: true, DF: true}
		}},
		{name: "tap", port: 443, asks: "sni", outcome: "reset", kind: func(m middlebox.Match) middlebox.Box {
			return &middlebox.Resetter{Match: m, Client: true, Server: true, Count: 3, Hedge: true, ACK: true, Follow: true}
		}},
		{name: "silent", port: 443, asks: "sni", outcome: "drop", kind: func(m middlebox.Match) middlebox.Box {
			return &middlebox.Dropper{Match: m}
		}},
		{name: "web", port: 80, asks: "host", outcome: "reset", kind: func(m middlebox.Match) middlebox.Box {
			return &middlebox.Resetter{Match: m, Client: true, Drop: true, Follow: true, DF: true}
		}},
		{name: "untouched", port: 443, asks: "sni"},
	}
}

func (x *subject) host() string { return x.name + ".example" }

// set makes a condition so: first the new box, so that at no time there is
// none where one moves.
func (x *subject) set(c condition) {
	x.now = c
	if c != off {
		x.boxes[c].Store(true)
	}
	for at, on := range x.boxes {
		if at != c {
			on.Store(false)
		}
	}
}

// topology is the path with all boxes of all subjects in it, and the outage
// next to the client.
func (s *soak) topology() lab.Topology {
	top := lab.Topology{Routers: soakRouters, Boxes: []lab.Placement{{Router: 1, New: func() middlebox.Box { return &s.outage }}}}
	for _, x := range s.subjects {
		if x.kind == nil {
			continue
		}
		x.boxes = map[condition]*atomic.Bool{near: {}, far: {}}
		for at, router := range map[condition]int{near: nearRouter, far: farRouter} {
			top.Boxes = append(top.Boxes, lab.Placement{Router: router, AfterTTL: true, New: func() middlebox.Box {
				return switched{x.boxes[at], x.kind(middlebox.NameIs(x.host()))}
			}})
		}
	}
	return top
}

// outage is the failing of the watch's own network: a box that takes out
// everything while it is on.
type outage struct {
	on    atomic.Bool
	next  time.Time // when it begins or ends; zero: once the watch has noticed it, or that it is over
	long  bool      // so that every check has a run in it, and it is told
	told  int       // times that it was told, of this one
	over  int       // times that its end was
	spans []span
}

// span is a time; a zero end is still to come.
type span struct{ begin, end time.Time }

// Handle implements middlebox.Box.
func (o *outage) Handle(middlebox.Direction, packet.Packet) middlebox.Action {
	return middlebox.Action{Drop: o.on.Load()}
}

// act begins or ends the outage if it is time to, and reports whether it did.
// One ends by itself after a moment, the next one a while after it was told.
func (o *outage) act(now time.Time, over bool, rng *rand.Rand) bool {
	switch {
	case o.next.IsZero() || now.Before(o.next):
		return false
	case o.on.Load():
		o.on.Store(false)
		o.spans[len(o.spans)-1].end = time.Now()
		o.next = now.Add(soakWindow/2 + time.Duration(rng.Int64N(int64(soakWindow))))
	case over || o.pending():
		return false
	default:
		o.spans = append(o.spans, span{begin: time.Now()})
		o.on.Store(true)
		o.told, o.over, o.long = 0, 0, !o.long
		o.next = time.Time{}
		if !o.long {
			o.next = now.Add(time.Duration(rng.Int64N(int64(3 * time.Second))))
		}
	}
	return true
}

// noticed is called when the watch tells of trouble.
func (o *outage) noticed(t *testing.T, at time.Time) {
	o.told++
	if len(o.spans) == 0 || o.told > 1 {
		t.Errorf("trouble of our own network was told %d times, at %v; outages: %v", o.told, at, o.spans)
	}
	if o.on.Load() && o.next.IsZero() {
		o.next = at.Add(soakInterval)
	}
}

// healed is called when the watch tells that the trouble is over. It can know
// that from the first run that shows life on, which is due within an interval
// and its random delay; what began before that says nothing to it.
func (o *outage) healed(t *testing.T, at time.Time) {
	if o.over++; o.over > o.told || o.on.Load() {
		t.Errorf("the end of trouble was told %d times, its beginning %d times; it is still so: %v", o.over, o.told, o.on.Load())
		return
	}
	s := &o.spans[len(o.spans)-1]
	if late := at.Sub(s.end); late > soakInterval+soakJitter {
		t.Errorf("the end of trouble was told %v after it", late)
	}
	s.end = at
}

// pending reports whether there is an outage, or its end is to be told.
func (o *outage) pending() bool { return o.on.Load() || o.over < o.told }

// touches reports whether a run was under way in an outage.
func (o *outage) touches(l soakLine) bool {
	for _, s := range o.spans {
		if (s.end.IsZero() || l.Started.Before(s.end)) && l.ended().After(s.begin) {
			return true
		}
	}
	return false
}

// lastWithin is when the last outage ended that was between two times; the
// first of them if there was none.
func (o *outage) lastWithin(from, to time.Time) time.Time {
	last := from
	for _, s := range o.spans {
		if s.begin.Before(to) && s.end.After(from) {
			last = s.end
		}
	}
	return last
}

// usage is what a process uses at a time.
type usage struct {
	resident     int64 // bytes
	fds, threads int
}

func (u usage) String() string {
	return fmt.Sprintf("%.1f MiB resident, %d files, %d threads", float64(u.resident)/(1<<20), u.fds, u.threads)
}

// usageOf reads it from proc_pid_status(5).
func usageOf(t *testing.T, pid int) usage {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var u usage
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		number, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		switch key {
		case "VmRSS":
			kib, err := strconv.ParseInt(number, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			u.resident = kib << 10
		case "Threads":
			if u.threads, err = strconv.Atoi(number); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	u.fds = len(files)
	return u
}

// most is the largest use of each kind.
func most(all []usage) (m usage) {
	for _, u := range all {
		m = usage{max(m.resident, u.resident), max(m.fds, u.fds), max(m.threads, u.threads)}
	}
	return m
}

func fewestFiles(all []usage) int {
	return slices.MinFunc(all, func(a, b usage) int { return a.fds - b.fds }).fds
}
