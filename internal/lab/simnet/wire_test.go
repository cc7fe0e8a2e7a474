package simnet_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/lab/simnet"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire"
)

func TestReceiveUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{}, 1)
		start := time.Now()
		n, err := w.net.Receive(make([]wire.Frame, 1), start.Add(time.Hour))
		if n != 0 || err != nil || time.Since(start) != time.Hour {
			t.Errorf("Receive = %d, %v after %v; want 0, nil after 1h", n, err, time.Since(start))
		}
	})
}

func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{}, 1)
		start := time.Now()
		go func() {
			time.Sleep(time.Minute)
			w.net.Wake()
			w.net.Wake()
		}()
		for _, want := range []time.Duration{time.Minute, time.Minute, time.Hour} {
			n, err := w.net.Receive(make([]wire.Frame, 1), start.Add(time.Hour))
			synctest.Wait() // both calls of Wake are through
			if n != 0 || err != nil || time.Since(start) != want {
				t.Errorf("Receive = %d, %v after %v; want 0, nil after %v", n, err, time.Since(start), want)
			}
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{}, 1)
		go func() {
			time.Sleep(time.Minute)
			if err := w.net.Close(); err != nil {
				t.Error(err)
			}
		}()
		for range 2 {
			if _, err := w.net.Receive(make([]wire.Frame, 1), time.Time{}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Receive: %v, want %v", err, net.ErrClosed)
			}
		}
		if _, err := w.net.Send(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send: %v, want %v", err, net.ErrClosed)
		}
	})
}

func TestSendRefusesWhatIsNoDatagram(t *testing.T) {
	w := newWorld(t, lab.Topology{}, 1)
	good, err := packet.Build(w.packet(w.server(443), 64, packet.Segment{Flags: packet.SYN}))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.net.Send([][]byte{good, {1, 2, 3}, good}); n != 1 || err == nil {
		t.Errorf("Send = %d, %v; want 1 and an error", n, err)
	}
}

// faulty forges what cannot be built.
type faulty struct{}

func (faulty) Handle(middlebox.Direction, packet.Packet) middlebox.Action {
	return middlebox.Action{Inject: []middlebox.Injection{{Toward: middlebox.ToClient}}}
}

func TestFaultyBox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{Boxes: box(2, false, func() middlebox.Box { return faulty{} })}, 1)
		w.send(w.packet(w.server(443), 64, packet.Segment{Flags: packet.SYN}))
		buf := make([]wire.Frame, 1)
		if _, err := w.net.Receive(buf, time.Time{}); err != nil { // the transmit stamp
			t.Fatal(err)
		}
		_, err := w.net.Receive(buf, time.Time{})
		if err == nil || !strings.Contains(err.Error(), "router 2") {
			t.Errorf("Receive: %v, want an error that names router 2", err)
		}
	})
}

func TestNewPanics(t *testing.T) {
	for name, top := range map[string]lab.Topology{
		"no routers":   {},
		"31 routers":   {Routers: 31},
		"box off path": {Routers: 3, Boxes: box(4, false, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			simnet.New(top, 1)
		})
	}
}
