package engine_test

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire"
	"github.com/rstprobe/rstprobe/internal/wire/engine"
	"github.com/rstprobe/rstprobe/probe"
)

// deadWire swallows everything, gives no transmit stamps, and fails on
// demand.
type deadWire struct {
	wake chan struct{}
	stop chan struct{}
	fail chan error
	once sync.Once
	send func(raws [][]byte) (int, error) // nil: all leave
}

func newDeadWire() *deadWire {
	return &deadWire{wake: make(chan struct{}, 1), stop: make(chan struct{}), fail: make(chan error, 1)}
}

func (w *deadWire) Send(raws [][]byte) (int, error) {
	if w.send != nil {
		return w.send(raws)
	}
	return len(raws), nil
}

func (w *deadWire) Receive(_ []wire.Frame, until time.Time) (int, error) {
	var timer <-chan time.Time
	if !until.IsZero() {
		timer = time.After(time.Until(until))
	}
	select {
	case <-timer:
	case <-w.wake:
	case <-w.stop:
		return 0, net.ErrClosed
	case err := <-w.fail:
		return 0, err
	}
	return 0, nil
}

func (w *deadWire) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *deadWire) Stats() wire.Stats { return wire.Stats{} }

func (w *deadWire) Close() error {
	w.once.Do(func() { close(w.stop) })
	return nil
}

var errCable = errors.New("cable pulled")

func TestWireFails(t *testing.T) {
	check := func(t *testing.T, b *bed, out []outcome) {
		t.Helper()
		begun := 0
		for _, o := range out {
			if !errors.Is(o.err, errCable) {
				t.Errorf("error %v, want %v", o.err, errCable)
			}
			if len(o.rec.Events) > 0 {
				begun++
			}
		}
		if begun != 4 {
			t.Errorf("%d trials returned what they had, want 4", begun)
		}
		if _, err := b.Exchange(t.Context(), b.trial()); !errors.Is(err, errCable) {
			t.Errorf("afterwards: %v, want %v", err, errCable)
		}
	}
	bubble(t, "receiving", func(t *testing.T) {
		w := newDeadWire()
		b := start(t, topology, func(c *engine.Config) { c.Wire, c.Ports = w, ports(4) })
		wait := b.begin(t.Context(), b.many(8)...)
		synctest.Wait()
		w.fail <- errCable
		check(t, b, wait())
	})
	bubble(t, "sending", func(t *testing.T) {
		w := newDeadWire()
		var broken atomic.Bool
		w.send = func(raws [][]byte) (int, error) {
			if broken.Load() {
				return len(raws), errCable // all left, and no more will
			}
			return len(raws), nil
		}
		b := start(t, topology, func(c *engine.Config) { c.Wire, c.Ports = w, ports(4) })
		wait := b.begin(t.Context(), b.many(8)...)
		synctest.Wait()
		broken.Store(true) // met by the first retransmission
		check(t, b, wait())
	})
}

// TestRefused: a destination that this machine will not send to ends its own
// trials, and says so in their records; the others go on.
func TestRefused(t *testing.T) {
	errOther := errors.New("message too long")
	for name, tt := range map[string]struct {
		err   error // of sending
		times int   // that it is met
		want  flow.Refusal
		fails error // of the trial
	}{
		"forbidden":             {wire.ErrForbidden, 99, flow.Forbidden, nil},
		"no way":                {wire.ErrNoWay, 99, flow.NoWay, nil},
		"no room":               {wire.ErrNoRoom, 99, flow.NoRoom, nil},
		"no room for a moment":  {wire.ErrNoRoom, 3, flow.NotRefused, nil},
		"for no reason we know": {errOther, 99, flow.NotRefused, errOther},
	} {
		bubble(t, name, func(t *testing.T) {
			nowhere := netip.MustParseAddr("192.0.2.1")
			w, left := newDeadWire(), tt.times
			w.send = func(raws [][]byte) (int, error) {
				for i, raw := range raws {
					if p, err := packet.Parse(raw); left > 0 && (err != nil || p.Dst.Addr() == nowhere) {
						left--
						return i, tt.err
					}
				}
				return len(raws), nil
			}
			b := start(t, topology, func(c *engine.Config) { c.Wire = w })
			trials := b.many(3)
			trials[1].Remote = netip.AddrPortFrom(nowhere, 443)
			sweep := trials[1]
			sweep.Stimulus, sweep.TTLs = probe.Stimulus{Kind: probe.SYN}, []uint8{1, 2, 3}
			for i, o := range b.begin(t.Context(), append(trials, sweep)...)() {
				var want flow.Refusal
				var fails error
				if o.rec.Key.Remote.Addr() == nowhere {
					want, fails = tt.want, tt.fails
				}
				if !errors.Is(o.err, fails) || o.rec.Refused != want {
					t.Errorf("trial %d: error %v, refused %v; want %v, %v", i, o.err, o.rec.Refused, fails, want)
				}
				ended := want != flow.NotRefused || fails != nil
				if o.rec.Cut != ended || len(o.rec.Packets(flow.Sent)) > 0 == ended {
					t.Errorf("trial %d: cut %v with %d packets sent, want ended %v", i, o.rec.Cut, len(o.rec.Packets(flow.Sent)), ended)
				}
			}
		})
	}
}

// TestFreedPort: a trial that waits for a port begins when one is free, with
// nothing arriving that would wake the engine.
func TestFreedPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, topology, func(c *engine.Config) { c.Wire, c.Ports = newDeadWire(), ports(1) })
		began := time.Now()
		for i, o := range b.begin(t.Context(), b.many(3)...)() {
			if o.err != nil {
				t.Errorf("trial %d: %v", i, o.err)
			}
		}
		if d := time.Since(began); d != 3*4*time.Second {
			t.Errorf("three timeouts took %v, want one right after the other", d)
		}
	})
}
