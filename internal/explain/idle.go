package explain

import (
	"fmt"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// shortestIdle is the shortest pause that is taken for an idle connection.
const shortestIdle = 10 * time.Second

// usualTimeouts are idle periods that products come with: nginx and Apache
// (keep-alive, 15 to 75 s), cloud load balancers (60, 240, 350 s), firewalls
// and hosts (120, 300, 600, 900, 1800, 3600, 7200 s).
var usualTimeouts = []time.Duration{
	15 * time.Second, 30 * time.Second, 60 * time.Second, 65 * time.Second, 75 * time.Second, 90 * time.Second,
	120 * time.Second, 180 * time.Second, 240 * time.Second, 300 * time.Second, 350 * time.Second,
	10 * time.Minute, 15 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour,
}

// nearly reports whether two periods are the same but for rounding and the
// granularity of timers.
func nearly(a, b time.Duration) bool {
	return max(a-b, b-a) <= max(time.Second, b/50)
}

// idle is the pause that the reset ended.
func (x *matter) idle() time.Duration {
	if x.r == nil {
		return 0
	}
	return x.idleBefore(x.r)
}

// usual reports whether a period is one that products come with.
func usual(d time.Duration) bool {
	return slices.ContainsFunc(usualTimeouts, func(t time.Duration) bool { return nearly(d, t) })
}

func idleTimeout(x *matter) *Finding {
	idle := x.idle()
	if idle < shortestIdle || x.fin(client) != nil || x.fin(server) != nil || x.opened == nil && x.syn != nil ||
		x.run(x.from(), x.r.i) != nil || x.segs[x.r.i-1].keepalive {
		return nil
	}
	alike, _ := x.tally(x.facts.byServer[x.conv.Key.Remote], func(a *attempt) bool { return nearly(a.idle, idle) })
	if alike == 0 && !usual(idle) {
		return nil
	}
	f := Finding{Confidence: probe.Possible, Packets: numbers(&x.segs[x.r.i-1], x.r)}
	remark := ""
	if alike > 0 {
		remark = fmt.Sprintf(" (×%d)", alike+1)
	}
	f.Args = []any{x.r.n, brief(idle), remark}
	if x.from() == client && x.last(server, len(x.segs), isRST) == nil {
		f.Author = probe.OwnSide
	}
	return &f
}

// reuseWithin is how long a host may hold a closed connection: four minutes
// are twice the maximum segment lifetime (RFC 9293 §3.4.2).
const reuseWithin = 4 * time.Minute

// older is the connection on the same addresses and ports that ended last
// before this one began.
type older struct {
	gap  time.Duration // since its last packet
	n    int           // number of a packet of it
	next packet.Seq    // behind what the client had sent; valid iff known
	has  bool
}

// older finds what came before; n 0: nothing, or long over.
func (x *matter) older() older {
	o := older{}
	if p := x.conv.Prior; p.Last > 0 {
		o = older{gap: p.Gap, n: p.Last, next: p.Client.End, has: p.Client.HasEnd}
	} else if a := x.previous(); a != nil {
		o = older{gap: x.start().Sub(a.over), n: a.n, next: a.next[client], has: a.asked > 0 || a.opened}
	}
	if o.gap > reuseWithin {
		return older{}
	}
	return o
}

func timeWait(x *matter) *Finding {
	if x.r == nil || x.syn == nil || x.d.by == nil {
		return nil
	}
	old := x.older()
	remark := "challenge ACK"
	if old.n > 0 {
		remark = fmt.Sprintf("Δt %v", brief(old.gap))
		if gap := x.syn.p.TCP.Seq.Sub(old.next); old.has && gap <= 0 {
			remark += fmt.Sprintf(", ΔISN %d", gap)
		}
	}
	f := &Finding{
		Confidence: probe.Likely, Packets: numbers(x.syn, x.d.by, x.r), Args: []any{x.r.n, x.syn.n, remark}, Decisive: true,
	}
	if old.n > 0 {
		f.Packets = append(f.Packets, old.n)
	}
	switch {
	case x.from() == client && x.d.link == byACK && x.d.by.plain() && x.d.by.p.TCP.Ack != x.syn.end &&
		x.last(server, x.d.by.i, any1) == nil:
		// The challenge ACK of RFC 5961 §4.2, and what the client makes of it.
		f.Author = probe.OwnSide
		return f
	case old.n > 0 && x.from() == server && x.d.link == bySYN && !illegal(x.d.by.p.TCP.Flags) && x.suspicion() == 0 && x.openBefore():
		return f
	}
	return nil
}

// openBefore reports whether the port answered somebody before.
func (x *matter) openBefore() bool {
	if x.conv.Prior.Server.SYNs > 0 {
		return true
	}
	n, _ := x.tally(x.facts.byServer[x.conv.Key.Remote], func(a *attempt) bool { return a.synacked && a.started.Before(x.start()) })
	return n > 0
}
