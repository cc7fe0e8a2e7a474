package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/terminal"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// somewhere is a diagnosis that is looking for a box behind n routers, the
// third of which is silent.
func somewhere(n int) diagnosis.Progress {
	s := diagnosis.Progress{Step: diagnosis.StepLocate, Kind: probe.SNI, Name: "blocked.example", Share: 0.6, Packets: 214}
	for ttl := 1; ttl <= n; ttl++ {
		h := traceroute.Hop{TTL: ttl, Addr: netip.AddrFrom4([4]byte{10, 9, byte(ttl - 1), 2})} //nolint:gosec // below 256
		switch ttl {
		case 3:
			h.Addr = netip.Addr{}
		case 4:
			h.Addr, h.Control = netip.Addr{}, traceroute.FromServer
		}
		s.Hops = append(s.Hops, h)
	}
	return s
}

func on(s *screen) *progress {
	return &progress{w: s, on: true, columns: s.columns}
}

// TestProgress: what a person sees, and when.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(100)
		fmt.Fprintln(s, "$ rstprobe blocked.example")
		p := on(s)
		defer p.clear()
		see := func(want ...string) {
			t.Helper()
			synctest.Wait()
			got, _ := s.now()
			if diff := cmp.Diff(strings.Join(append([]string{"$ rstprobe blocked.example"}, want...), "\n"), got); diff != "" {
				t.Errorf("screen (-want +got):\n%s", diff)
			}
		}
		p.show("looking up blocked.example")
		see("looking up blocked.example")
		p.next("blocked.example")
		p.update(diagnosis.Progress{Step: diagnosis.StepPath})
		see("[----------]  0 % looking for the path at blocked.example  0 packets  0.0 s")
		p.update(somewhere(4))
		see("[######----] 60 % locating: sni blocked.example at blocked.example  214 packets  0.0 s",
			"hops  1 10.9.0.2  2 10.9.1.2  3 *  4 server")
		time.Sleep(1250 * time.Millisecond)
		see("[######----] 60 % locating: sni blocked.example at blocked.example  214 packets  1.2 s",
			"hops  1 10.9.0.2  2 10.9.1.2  3 *  4 server")
		p.update(diagnosis.Progress{Step: diagnosis.StepWait, Pause: 90 * time.Second, Share: 0.6, Packets: 214})
		time.Sleep(10250 * time.Millisecond)
		see("[######----] 60 % waiting for a block to end, 80 s to go at blocked.example  214 packets  11.4 s")
		io.WriteString(p, "rstprobe: warning: something\n") //nolint:errcheck // a screen takes everything
		see("rstprobe: warning: something")
		time.Sleep(tick)
		see("rstprobe: warning: something",
			"[######----] 60 % waiting for a block to end, 80 s to go at blocked.example  214 packets  11.6 s")
		p.clear()
		see("rstprobe: warning: something")
		time.Sleep(time.Minute)
		see("rstprobe: warning: something")
		if len(s.odd) > 0 {
			t.Errorf("sequences that not every terminal knows: %q", s.odd)
		}
	})
}

// TestProgressOfMany: the share is that of all targets.
func TestProgressOfMany(t *testing.T) {
	p := on(newScreen(80))
	p.targets = 4
	for range 3 {
		p.next("blocked.example")
	}
	p.state = somewhere(0)
	if got, want := p.bar(), "[######----] 65 % 3/4"; got != want {
		t.Errorf("bar %q, want %q", got, want)
	}
}

// TestProgressFits: at any width, whatever the names, no line reaches the
// edge, where it would break and leave its first row behind.
func TestProgressFits(t *testing.T) {
	long := somewhere(64)
	long.Name = strings.Repeat("例え.", 30) + "\x1b[2J"
	for i := range long.Hops {
		long.Hops[i].Addr = netip.MustParseAddr("2001:db8:1000:2000:3000:4000:5000:6000")
	}
	for _, state := range []diagnosis.Progress{{}, somewhere(3), somewhere(64), long} {
		for width := range 200 {
			for _, unicode := range []bool{false, true} {
				p := progress{target: "blocked.example\r\n", state: state, unicode: unicode, started: time.Now()}
				for _, line := range p.lines(width) {
					if n := terminal.Width(line); n > width || strings.ContainsAny(line, "\r\n\x1b") {
						t.Fatalf("%d columns of %d: %q", n, width, line)
					}
				}
			}
		}
	}
	p := progress{state: somewhere(64)}
	if got, want := p.hops(50), "hops ..  62 10.9.61.2  63 10.9.62.2  64 10.9.63.2"; got != want {
		t.Errorf("hops %q, want the farthest %q", got, want)
	}
}

// TestProgressResized: lines that the terminal has broken anew leave nothing
// behind, and nothing above them is lost.
func TestProgressResized(t *testing.T) {
	for _, narrow := range []int{1, 7, 20, 37, 40, 79, 81, 300} {
		t.Run(fmt.Sprint(narrow), func(t *testing.T) {
			s := newScreen(80)
			io.WriteString(s, "above\n") //nolint:errcheck // a screen takes everything
			p := on(s)
			p.next("blocked.example")
			p.update(somewhere(9))
			s.resize(narrow)
			p.update(somewhere(9))
			p.clear()
			if got, _ := s.now(); got != "above" {
				t.Errorf("left on the screen: %q", got)
			}
		})
	}
}

// TestProgressInterrupted: the ^C that the terminal echoes goes away with the
// lines, and none of them comes back.
func TestProgressInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(40)
		p := on(s)
		ctx, interrupt := context.WithCancel(t.Context())
		done := p.until(ctx)
		p.next("blocked.example")
		p.update(somewhere(9))
		io.WriteString(s, "^C") //nolint:errcheck // a screen takes everything
		interrupt()
		synctest.Wait()
		p.update(somewhere(9))
		p.clear()
		time.Sleep(time.Minute)
		got, _ := s.now()
		if want := "rstprobe: stopping; what was measured is written. Interrupt again to stop at once."; got != want {
			t.Errorf("screen %q, want %q", got, want)
		}
		if done() {
			t.Error("the end of the context was not seen")
		}
	})
}

// TestProgressOff: nothing at all is written.
func TestProgressOff(t *testing.T) {
	s := newScreen(80)
	p := &progress{w: s, columns: s.columns}
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	p.next("blocked.example")
	p.update(somewhere(3))
	p.show("text")
	p.clear()
	p.until(ctx)()
	if got, sight := s.now(); got != "" || slices.ContainsFunc(sight, func(s string) bool { return s != "" }) {
		t.Errorf("screen %q", sight)
	}
}
