package engine

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire/utcp"
	"github.com/rstprobe/rstprobe/probe"
)

// admit starts the trials that wait and have a free port, and ends those
// that were cancelled. It reports whether the engine is closing.
func (e *Engine) admit(now time.Time) (closing bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var still []*job
	full := map[netip.AddrPort]bool{} // remotes to which every port is busy: one search is enough
	for _, j := range e.waiting {
		switch {
		case j.cancel || e.closing:
			e.finish(j, flow.Record{Cut: true}, e.closedError())
		case full[j.trial.Remote] && j.trial.LocalPort == 0, !e.start(j, now):
			full[j.trial.Remote] = full[j.trial.Remote] || j.trial.LocalPort == 0
			still = append(still, j)
		}
	}
	e.waiting = still
	told := e.told
	e.told = nil
	if e.closing {
		told = slices.AppendSeq(told, maps.Values(e.jobs))
	}
	e.dropUnsent(told)
	for _, j := range told {
		switch {
		case j.conn == nil:
		case j.conn.Done():
			e.finishIfSent(j)
		case j.cancel || e.closing:
			if !j.cancel {
				j.err = e.closedError()
			}
			j.cut = true
			j.conn.Close(now)
			e.collect(j)
		}
	}
	return e.closing
}

// dropUnsent takes what trials that are to be ended wait to send out of the
// outbox: whoever interrupts wants silence.
func (e *Engine) dropUnsent(told []*job) {
	if !e.closing && !slices.ContainsFunc(told, func(j *job) bool { return j.cancel }) {
		return
	}
	e.outbox = slices.DeleteFunc(e.outbox, func(o outgoing) bool {
		drop := (o.job.cancel || e.closing) && !o.out.Packet.TCP.Flags.Has(packet.RST)
		if drop {
			o.job.unsent--
		}
		return drop
	})
}

// start begins a trial; false means that no port is free for it now.
func (e *Engine) start(j *job, now time.Time) bool {
	t := j.trial
	port, ok := e.lease(t)
	if !ok {
		if t.LocalPort != 0 && !slices.Contains(e.cfg.Ports, t.LocalPort) {
			e.finish(j, flow.Record{}, fmt.Errorf("engine: local port %d is not one of ours", t.LocalPort))
			return true
		}
		return false
	}
	cfg, err := e.client(t, port)
	if err != nil {
		e.finish(j, flow.Record{}, err)
		return true
	}
	j.key = packet.Key{Local: cfg.Local, Remote: cfg.Remote}
	j.conn = utcp.New(cfg, now)
	j.lost = e.cfg.Wire.Stats().Dropped
	e.jobs[j.key], e.used[j.key] = j, true
	if t.Beside && j.batch.main == 0 {
		j.conn.Enough(now)
	}
	e.collect(j)
	return true
}

// lease finds a local port for a trial. A flow that this run used before is
// used again only when every port was: boxes and servers remember flows.
func (e *Engine) lease(t probe.Trial) (uint16, bool) {
	if t.LocalPort != 0 {
		_, busy := e.jobs[e.key(t.LocalPort, t.Remote)]
		return t.LocalPort, !busy && slices.Contains(e.cfg.Ports, t.LocalPort)
	}
	for _, again := range []bool{false, true} {
		for range e.cfg.Ports {
			port := e.cfg.Ports[e.port]
			e.port = (e.port + 1) % len(e.cfg.Ports)
			key := e.key(port, t.Remote)
			if _, busy := e.jobs[key]; !busy && (again || !e.used[key] && !e.shunned(key)) {
				return port, true
			}
		}
	}
	return 0, false
}

func (e *Engine) shunned(k packet.Key) bool { return e.cfg.Shun != nil && e.cfg.Shun(k) }

func (e *Engine) key(port uint16, remote netip.AddrPort) packet.Key {
	return packet.Key{Local: netip.AddrPortFrom(e.cfg.Source, port), Remote: remote}
}
