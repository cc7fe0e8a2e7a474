package residual_test

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/residual"
)

// start is when the tests begin.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// at is a time after the start, in seconds.
func at(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }

// flow is a flow as "local remote".
func flow(local, remote string) packet.Key {
	return packet.Key{Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote)}
}

// free is what Until says of a flow that may be used.
var free = answer{}

// answer is what Ledger.Until returned.
type answer struct {
	Until time.Time
	Scope residual.Scope
}

func ask(l *residual.Ledger, now time.Time, k packet.Key) answer {
	until, scope := l.Until(now, k)
	return answer{until, scope}
}

var (
	v4         = flow("192.0.2.1:40000", "198.51.100.7:443")
	v4Port     = flow("192.0.2.1:40001", "198.51.100.7:443")
	v4AnyOurs  = flow("192.0.2.1:0", "198.51.100.7:443")
	v4HTTP     = flow("192.0.2.1:40000", "198.51.100.7:80")
	v4Other    = flow("192.0.2.1:40000", "198.51.100.8:443")
	v4Source   = flow("192.0.2.2:40000", "198.51.100.7:443")
	v4In6      = flow("[::ffff:192.0.2.1]:40000", "[::ffff:198.51.100.7]:443")
	v6         = flow("[2001:db8::1]:40000", "[2001:db8::7]:443")
	v6Port     = flow("[2001:db8::1]:40001", "[2001:db8::7]:443")
	v6Zone     = flow("[fe80::1%eth0]:40000", "[fe80::7%eth0]:443")
	v6ZoneElse = flow("[fe80::1%eth1]:40000", "[fe80::7%eth1]:443")
)

// TestUntil: what a block of each scope covers.
func TestUntil(t *testing.T) {
	for _, tt := range []struct {
		scope   residual.Scope
		blocked packet.Key
		covered []packet.Key
		not     []packet.Key
	}{
		{residual.FourTuple, v4, []packet.Key{v4, v4In6}, []packet.Key{v4Port, v4AnyOurs, v4HTTP, v4Other, v4Source, v6}},
		{residual.ThreeTuple, v4, []packet.Key{v4, v4Port, v4AnyOurs, v4In6}, []packet.Key{v4HTTP, v4Other, v4Source, v6}},
		{residual.AnyPort, v4, []packet.Key{v4, v4Port, v4AnyOurs, v4HTTP}, []packet.Key{v4Other, v4Source, v6}},
		{residual.AnyAddress, v4, []packet.Key{v4, v4Port, v4HTTP, v4Other}, []packet.Key{v4Source, v6}},
		{residual.FourTuple, v6, []packet.Key{v6}, []packet.Key{v6Port, v4}},
		{residual.ThreeTuple, v6, []packet.Key{v6, v6Port}, []packet.Key{v4, v6Zone}},
		{residual.ThreeTuple, v6Zone, []packet.Key{v6Zone}, []packet.Key{v6ZoneElse, v6}},
		{residual.None, v4, nil, []packet.Key{v4}},
		{residual.Unknown, v4, nil, []packet.Key{v4}},
		{residual.FourTuple, v4AnyOurs, nil, []packet.Key{v4, v4AnyOurs}},
		{residual.ThreeTuple, packet.Key{}, nil, []packet.Key{v4, {}}},
		{residual.ThreeTuple, packet.Key{Local: v4.Local, Remote: v6.Remote}, nil, []packet.Key{v4, v6}},
	} {
		t.Run(fmt.Sprintf("%s of %v", tt.scope, tt.blocked), func(t *testing.T) {
			var l residual.Ledger
			l.Add(start, tt.scope, tt.blocked, at(60))
			for _, k := range tt.covered {
				if diff := cmp.Diff(answer{at(60), tt.scope}, ask(&l, at(59), k)); diff != "" {
					t.Errorf("%v (-want +got):\n%s", k, diff)
				}
				if diff := cmp.Diff(free, ask(&l, at(60), k)); diff != "" {
					t.Errorf("%v afterwards (-want +got):\n%s", k, diff)
				}
			}
			for _, k := range tt.not {
				if diff := cmp.Diff(free, ask(&l, at(1), k)); diff != "" {
					t.Errorf("%v (-want +got):\n%s", k, diff)
				}
			}
		})
	}
}

// TestAdd: what stays of several notes.
func TestAdd(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*residual.Ledger)
		want answer // for v4 at 10 s
	}{
		{"nothing", func(*residual.Ledger) {}, free},
		{"over before it is noted", func(l *residual.Ledger) { l.Add(at(5), residual.ThreeTuple, v4, at(5)) }, free},
		{"the later end stays", func(l *residual.Ledger) {
			l.Add(at(0), residual.ThreeTuple, v4, at(180))
			l.Add(at(1), residual.ThreeTuple, v4Port, at(20))
		}, answer{at(180), residual.ThreeTuple}},
		{"the later end wins", func(l *residual.Ledger) {
			l.Add(at(0), residual.ThreeTuple, v4, at(20))
			l.Add(at(1), residual.ThreeTuple, v4Port, at(180))
		}, answer{at(180), residual.ThreeTuple}},
		{"the block that ends last is told", func(l *residual.Ledger) {
			l.Add(at(0), residual.FourTuple, v4, at(300))
			l.Add(at(0), residual.AnyPort, v4, at(60))
		}, answer{at(300), residual.FourTuple}},
		{"of blocks that end together the widest is told", func(l *residual.Ledger) {
			l.Add(at(0), residual.FourTuple, v4, at(60))
			l.Add(at(0), residual.AnyPort, v4, at(60))
		}, answer{at(60), residual.AnyPort}},
		{"clipped", func(l *residual.Ledger) {
			l.Add(at(0), residual.ThreeTuple, v4, at(1e6))
		}, answer{start.Add(residual.MaxHold), residual.ThreeTuple}},
		{"found free", func(l *residual.Ledger) {
			l.Add(at(0), residual.FourTuple, v4, at(180))
			l.Add(at(0), residual.ThreeTuple, v4, at(180))
			l.Free(at(5), v4)
		}, free},
		{"found free by another port of ours", func(l *residual.Ledger) {
			l.Add(at(0), residual.FourTuple, v4, at(180))
			l.Add(at(0), residual.ThreeTuple, v4, at(180))
			l.Free(at(5), v4Port)
		}, answer{at(180), residual.FourTuple}},
		{"another server is free", func(l *residual.Ledger) {
			l.Add(at(0), residual.ThreeTuple, v4, at(180))
			l.Free(at(5), v4Other)
		}, answer{at(180), residual.ThreeTuple}},
		{"triggered again after it was free", func(l *residual.Ledger) {
			l.Add(at(0), residual.ThreeTuple, v4, at(180))
			l.Free(at(5), v4)
			l.Add(at(6), residual.ThreeTuple, v4, at(50))
		}, answer{at(50), residual.ThreeTuple}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l residual.Ledger
			tt.do(&l)
			if diff := cmp.Diff(tt.want, ask(&l, at(10), v4)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestTrigger: the first time a default, later what was measured.
func TestTrigger(t *testing.T) {
	for _, tt := range []struct {
		name string
		fact residual.Fact
		want answer
	}{
		{"not measured", residual.Fact{}, answer{start.Add(residual.BurstHold), residual.ThreeTuple}},
		{"blocks nothing", residual.Fact{Scope: residual.None}, answer{time.Time{}, residual.None}},
		{"measured", residual.Fact{Scope: residual.FourTuple, Min: 60 * time.Second, Max: 80 * time.Second}, answer{at(88), residual.FourTuple}},
		{"longer than could be waited for", residual.Fact{Scope: residual.AnyPort, Min: 177 * time.Second}, answer{at(354), residual.AnyPort}},
		{"not waited for long", residual.Fact{Scope: residual.AnyPort, Min: 5 * time.Second}, answer{start.Add(residual.DefaultHold), residual.AnyPort}},
		{"very long", residual.Fact{Scope: residual.AnyPort, Min: 2 * time.Hour}, answer{start.Add(residual.MaxHold), residual.AnyPort}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l residual.Ledger
			l.Learn(start, "box", tt.fact)
			until, scope := l.Trigger(start, "box", v4, residual.BurstHold)
			if diff := cmp.Diff(tt.want, answer{until, scope}); diff != "" {
				t.Errorf("returned (-want +got):\n%s", diff)
			}
			noted := tt.want
			if noted.Scope == residual.None {
				noted = free
			}
			if diff := cmp.Diff(noted, ask(&l, start, v4)); diff != "" {
				t.Errorf("noted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKnown(t *testing.T) {
	old := residual.Fact{Scope: residual.ThreeTuple, Min: time.Second, Max: 2 * time.Second}
	fact := residual.Fact{Scope: residual.ThreeTuple, Min: 80 * time.Second, Max: 120 * time.Second, Timer: residual.TimerFixed}
	var l residual.Ledger
	l.Learn(start, "box", old)
	l.Learn(start, "box", fact)
	l.Learn(start, "box", residual.Fact{})                                         // nothing was measured
	l.Learn(start, "box", residual.Fact{Scope: residual.AnyPort, Min: 3, Max: 2})  // cannot be
	l.Learn(start, "box", residual.Fact{Scope: residual.AnyPort, Timer: "cuckoo"}) // cannot be
	l.Learn(start, "box", residual.Fact{Scope: residual.None, Max: 1})             // cannot be
	l.Learn(start, "", fact)                                                       // of nothing
	for _, tt := range []struct {
		name, family string
		now          time.Time
		want         residual.Fact
	}{
		{"known", "box", start.Add(residual.MaxAge), fact},
		{"too old", "box", start.Add(residual.MaxAge + 1), residual.Fact{}},
		{"another", "other", start, residual.Fact{}},
		{"no family", "", start, residual.Fact{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := l.Known(tt.now, tt.family)
			if diff := cmp.Diff(tt.want, got); diff != "" || ok != (tt.want != residual.Fact{}) {
				t.Errorf("known: %v; -want +got:\n%s", ok, diff)
			}
		})
	}
}

// TestMerge: two ledgers about v4, merged either way, say the same.
func TestMerge(t *testing.T) {
	blocked := func(learnt, until int) func(*residual.Ledger) {
		return func(l *residual.Ledger) { l.Add(at(learnt), residual.ThreeTuple, v4, at(until)) }
	}
	freed := func(learnt, until, free int) func(*residual.Ledger) {
		return func(l *residual.Ledger) {
			l.Add(at(learnt), residual.ThreeTuple, v4, at(until))
			l.Free(at(free), v4)
		}
	}
	nothing := func(*residual.Ledger) {}
	for _, tt := range []struct {
		name string
		a, b func(*residual.Ledger)
		want int // seconds; 0: free
	}{
		{"nothing", nothing, nothing, 0},
		{"one knows", blocked(0, 60), nothing, 60},
		{"the longer wins, newer", blocked(0, 60), blocked(1, 90), 90},
		{"the longer wins, older", blocked(0, 90), blocked(1, 60), 90},
		{"found free since", blocked(0, 90), freed(0, 90, 5), 0},
		{"found free since, the other had expected less", blocked(0, 90), freed(1, 60, 5), 0},
		{"triggered since", blocked(6, 30), freed(0, 90, 5), 30},
		{"triggered and found free at one time", blocked(5, 30), freed(0, 90, 5), 30},
		{"both found it free", freed(0, 90, 3), freed(0, 60, 5), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := free
			if tt.want != 0 {
				want = answer{at(tt.want), residual.ThreeTuple}
			}
			for _, reverse := range []bool{false, true} {
				var a, b residual.Ledger
				tt.a(&a)
				tt.b(&b)
				into, from := &a, &b
				if reverse {
					into, from = &b, &a
				}
				into.Merge(from)
				if diff := cmp.Diff(want, ask(into, at(10), v4)); diff != "" {
					t.Errorf("reverse %v (-want +got):\n%s", reverse, diff)
				}
			}
		})
	}
	t.Run("facts: the newer wins", func(t *testing.T) {
		older := residual.Fact{Scope: residual.None}
		newer := residual.Fact{Scope: residual.FourTuple, Min: 1, Max: 2}
		for _, reverse := range []bool{false, true} {
			var a, b residual.Ledger
			a.Learn(at(0), "box", older)
			b.Learn(at(1), "box", newer)
			into, from := &a, &b
			if reverse {
				into, from = &b, &a
			}
			into.Merge(from)
			if got, _ := into.Known(at(2), "box"); got != newer {
				t.Errorf("reverse %v: %+v, want %+v", reverse, got, newer)
			}
		}
	})
}

// TestLimits: the ledger does not grow without end, and forgets what matters
// least.
func TestLimits(t *testing.T) {
	var l residual.Ledger
	port := func(i int) packet.Key {
		return packet.Key{Local: netip.AddrPortFrom(v4.Local.Addr(), uint16(i+1)), Remote: v4.Remote}
	}
	const extra = 10
	for i := range residual.MaxBlocks + extra {
		l.Add(start, residual.FourTuple, port(i), start.Add(time.Minute+time.Duration(i)*time.Millisecond))
	}
	for i := range residual.MaxBlocks + extra {
		if got := ask(&l, start, port(i)); (got == free) != (i < extra) {
			t.Fatalf("block %d: %v", i, got)
		}
	}
	family := func(i int) string { return fmt.Sprintf("box %d", i) }
	for i := range residual.MaxFacts + extra {
		l.Learn(at(i), family(i), residual.Fact{Scope: residual.None})
	}
	for i := range residual.MaxFacts + extra {
		if _, ok := l.Known(at(1000), family(i)); ok != (i >= extra) {
			t.Fatalf("fact %d: known is %v", i, ok)
		}
	}
}

// TestChanged: a caller hears of every change, and of nothing else.
func TestChanged(t *testing.T) {
	changes := 0
	l := residual.Ledger{Changed: func() { changes++ }}
	for _, tt := range []struct {
		name string
		do   func()
		want int
	}{
		{"add", func() { l.Add(start, residual.ThreeTuple, v4, at(60)) }, 1},
		{"add what is over", func() { l.Add(start, residual.ThreeTuple, v6, start) }, 0},
		{"ask", func() { l.Until(start, v4) }, 0},
		{"free what is not blocked", func() { l.Free(start, v6) }, 0},
		{"free", func() { l.Free(start, v4) }, 1},
		{"free again", func() { l.Free(start, v4) }, 0},
		{"learn", func() { l.Learn(start, "box", residual.Fact{Scope: residual.None}) }, 1},
		{"learn nothing", func() { l.Learn(start, "box", residual.Fact{}) }, 0},
		{"trigger what does not block", func() { l.Trigger(start, "box", v4, time.Minute) }, 0},
		{"trigger", func() { l.Trigger(start, "other", v4, time.Minute) }, 1},
		{"merge", func() { l.Merge(&residual.Ledger{}) }, 0},
		{"prune", func() { l.Prune(at(100)) }, 0},
	} {
		changes = 0
		if tt.do(); changes != tt.want {
			t.Errorf("%s: %d changes, want %d", tt.name, changes, tt.want)
		}
	}
}

// TestSharedLedger: goroutines may use a ledger at once.
func TestSharedLedger(t *testing.T) {
	var l, other residual.Ledger
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 50 {
				k := packet.Key{Local: netip.AddrPortFrom(v4.Local.Addr(), uint16(1+i*50+j)), Remote: v4.Remote}
				l.Trigger(start, "box", k, time.Minute)
				l.Add(start, residual.FourTuple, k, at(90))
				l.Learn(start, fmt.Sprint(i, j), residual.Fact{Scope: residual.None})
				l.Until(start, k)
				other.Merge(&l)
				l.Prune(start)
			}
		})
	}
	all.Wait()
	other.Merge(&l)
	for port := range uint16(200) {
		k := packet.Key{Local: netip.AddrPortFrom(v4.Local.Addr(), port+1), Remote: v4.Remote}
		if diff := cmp.Diff(answer{at(90), residual.FourTuple}, ask(&other, start, k)); diff != "" {
			t.Errorf("port %d (-want +got):\n%s", port+1, diff)
		}
	}
}
