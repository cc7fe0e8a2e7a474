package engine_test

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/probe"
)

const blocked = "blocked.example"

// with is the usual path with a box that acts from TTL 3 on.
func with(box func() middlebox.Box) lab.Topology {
	top := topology
	top.Boxes = []lab.Placement{{Router: 3, New: box}}
	return top
}

func resetter() middlebox.Box {
	return &middlebox.Resetter{Match: middlebox.NameIs(blocked), Client: true, Server: true, Follow: true, TTL: 64}
}

// killer takes a trigger out and ends its connection in both names.
func killer() middlebox.Box {
	return &middlebox.Resetter{Match: middlebox.NameIs(blocked), Client: true, Server: true, Follow: true, Drop: true}
}

// blackhole drops a trigger and all that follows on its connection.
func blackhole() middlebox.Box {
	return &middlebox.Dropper{Match: middlebox.NameIs(blocked), Flow: true}
}

// test says the blocked name.
func (b *bed) test() probe.Trial {
	t := b.trial()
	t.Role, t.Stimulus.Name = probe.Test, blocked
	return t
}

// one carries a single trial out.
func (b *bed) one(t probe.Trial) (flow.Record, probe.Observation) {
	b.Helper()
	recs, err := b.Exchange(b.Context(), t)
	if err != nil {
		b.Fatal(err)
	}
	return recs[0], probe.Observe(recs[0])
}

func (b *bed) wantOutcome(what string, o probe.Observation, outcome probe.Outcome, stage probe.Stage) {
	b.Helper()
	if o.Outcome != outcome || o.Stage != stage {
		b.Errorf("%s: %v/%v, want %v/%v", what, o.Outcome, o.Stage, outcome, stage)
	}
}

// about reports whether two times are the same but for the path's rounding of
// a round trip to its links.
func about(a, b time.Duration) bool { return (a - b).Abs() < time.Millisecond }

func TestStrayACK(t *testing.T) {
	bubble(t, "reset", func(t *testing.T) {
		b := start(t, topology, nil)
		ack := b.trial()
		ack.Stimulus = probe.Stimulus{Kind: probe.ACK}
		rec, o := b.one(ack)
		b.wantOutcome("the host's genuine reset", o, probe.Refused, probe.StageSYN)
		if len(o.Sent) != 1 || len(o.Resets) != 1 || !about(o.Resets[0].Delay, rtt) || !about(rec.End, rtt+ack.Linger) {
			t.Fatalf("%d packets sent, %d resets, over after %v", len(o.Sent), len(o.Resets), rec.End)
		}
		if s := o.Sent[0].Packet.TCP; s.Flags != packet.ACK || s.Ack != o.Resets[0].Packet.TCP.Seq {
			t.Errorf("sent %v and was reset at %d, not at what it acknowledges, %d", s.Flags, o.Resets[0].Packet.TCP.Seq, s.Ack)
		}
	})
	bubble(t, "silence", func(t *testing.T) {
		b := start(t, with(func() middlebox.Box { return &middlebox.Dropper{Match: middlebox.Any} }), nil)
		ack := b.trial()
		ack.Stimulus = probe.Stimulus{Kind: probe.ACK}
		rec, o := b.one(ack)
		b.wantOutcome("nothing comes", o, probe.Drop, probe.StageSYN)
		if len(o.Sent) != 1 || o.Retries != 0 || rec.End != ack.Timeout {
			t.Errorf("%d packets sent, %d again, over after %v", len(o.Sent), o.Retries, rec.End)
		}
	})
}

// TestTriggerThenRead finds the place of a box from what becomes of a packet
// that it has nothing against.
func TestTriggerThenRead(t *testing.T) {
	for _, c := range []struct {
		name      string
		box       func() middlebox.Box
		read      probe.Reader
		innocent  probe.Outcome
		triggered probe.Outcome
	}{
		{"FIN into a black hole", blackhole, probe.ReadFIN, probe.Fin, probe.Drop},
		{"request into a black hole", blackhole, probe.ReadStimulus, probe.OK, probe.Drop},
		{"FIN to a server that was reset in our name", killer, probe.ReadFIN, probe.Fin, probe.Reset},
		{"request to a server that was reset in our name", killer, probe.ReadStimulus, probe.OK, probe.Reset},
	} {
		bubble(t, c.name, func(t *testing.T) {
			b := start(t, with(c.box), nil)
			reading := func(trial probe.Trial, ttls ...uint8) probe.Observation {
				trial.TTLs, trial.Reader, trial.Read, trial.Pause = ttls, c.read, b.trial().Stimulus, 2*rtt
				_, o := b.one(trial)
				if o.Reader == nil || o.Reader.Packet.TTL != 64 || ttls != nil && o.Reader.Packet.TCP.Seq != o.Stimulus.Packet.TCP.Seq {
					t.Fatalf("TTLs %v: reader %+v", ttls, o.Reader)
				}
				return o
			}
			for ttl := uint8(1); ttl < 6; ttl++ {
				want := c.innocent
				if ttl >= 3 {
					want = c.triggered
				}
				if got := reading(b.test(), ttl).Outcome; got != want {
					t.Errorf("after the name with TTL %d: %v, want %v", ttl, got, want)
				}
				if got := reading(b.trial(), ttl).Outcome; got != c.innocent {
					t.Errorf("after a control with TTL %d: %v, want %v", ttl, got, c.innocent)
				}
			}
			if got := reading(b.test(), 1, 2).Outcome; got != c.innocent {
				t.Errorf("after TTLs 1 and 2: %v, want %v", got, c.innocent)
			}
			if got := reading(b.test(), 1, 2, 3).Outcome; got != c.triggered {
				t.Errorf("after TTLs 1 to 3: %v, want %v", got, c.triggered)
			}
			if c.read == probe.ReadFIN {
				if o := reading(b.test()); o.Outcome != c.innocent || o.Stimulus != nil {
					t.Errorf("a reader alone: %v, and said %+v", o.Outcome, o.Stimulus)
				}
			}
		})
	}
}

// TestReadSYNACK hears from a server that knows of our SYN only.
func TestReadSYNACK(t *testing.T) {
	oneWay := func() middlebox.Box {
		return &middlebox.Flagged{Trigger: middlebox.NameIs(blocked), Box: &middlebox.Dropper{Match: middlebox.Any}}
	}
	for _, c := range []struct {
		name      string
		box       func() middlebox.Box
		triggered int // SYN-ACKs that come again behind a copy that the box saw
	}{
		{"all packets are dropped", blackhole, 0},
		{"it was reset in our name", killer, 0},
		{"our packets are dropped only", oneWay, 1},
	} {
		bubble(t, c.name, func(t *testing.T) {
			b := start(t, with(c.box), nil)
			for _, read := range []struct {
				trial probe.Trial
				ttl   uint8
				want  int
			}{{b.trial(), 5, 1}, {b.test(), 2, 1}, {b.test(), 5, c.triggered}} {
				read.trial.TTLs, read.trial.Reader, read.trial.Timeout = []uint8{read.ttl}, probe.ReadSYNACK, 2*time.Second
				if _, o := b.one(read.trial); o.SYNACKs != read.want || o.SYNACK == nil || o.Stimulus == nil {
					t.Errorf("%s with TTL %d: %d SYN-ACKs again, want %d", read.trial.Stimulus.Name, read.ttl, o.SYNACKs, read.want)
				}
			}
		})
	}
}

// TestFetch goes on behind a ClientHello to the end of a page.
func TestFetch(t *testing.T) {
	const body = 64 << 10
	top := topology
	top.Server.Body = body
	for name, c := range map[string]struct {
		box   middlebox.Box
		least int // bytes of the server's stream that come
		most  int
	}{
		"whole":        {nil, body, body + 4<<10},
		"cut at 20000": {&middlebox.Flagged{Trigger: middlebox.NameIs(blocked), Box: &middlebox.VolumeCut{After: 20_000}}, 15_000, 25_000},
	} {
		bubble(t, name, func(t *testing.T) {
			world := top
			if c.box != nil {
				world = with(func() middlebox.Box { return c.box })
				world.Server.Body = body
			}
			b := start(t, world, nil)
			trial := b.test()
			trial.Fetch, trial.Watch = "site.example", 3*time.Second
			_, o := b.one(trial)
			if o.Said < c.least || o.Said > c.most || (o.Short > 0) != (o.Said < body) {
				t.Errorf("%d bytes came, %d are missing", o.Said, o.Short)
			}
			if got, ok := payload.ServerName(o.Stimulus.Packet.TCP.Payload); !ok || got != blocked {
				t.Errorf("the stimulus says %q", got)
			}
			// The same behind a copy that the box sees and the server does not.
			trial.TTLs, trial.Reader, trial.Read = []uint8{5}, probe.ReadStimulus, b.trial().Stimulus
			if _, o := b.one(trial); o.Said < c.least || o.Said > c.most || (o.Short > 0) != (o.Said < body) {
				t.Errorf("as a reader: %d bytes came, %d are missing", o.Said, o.Short)
			}
		})
	}
}

// second is a box that resets on the second sight of a trigger.
type second struct {
	middlebox.Box
	match middlebox.Match
	seen  map[packet.Seq]int
}

func (s *second) Handle(dir middlebox.Direction, p packet.Packet) middlebox.Action {
	if s.match(p) {
		if s.seen[p.TCP.Ack]++; s.seen[p.TCP.Ack] < 2 {
			return middlebox.Action{}
		}
	}
	return s.Box.Handle(dir, p)
}

func TestTwice(t *testing.T) {
	bubble(t, "sweep", func(t *testing.T) {
		b := start(t, with(func() middlebox.Box {
			return &second{Box: resetter(), match: middlebox.NameIs(blocked), seen: map[packet.Seq]int{}}
		}), nil)
		sweep := b.test()
		sweep.TTLs, sweep.Timeout = []uint8{1, 2, 3, 4, 5}, 4*rtt
		if _, o := b.one(sweep); len(o.Resets) != 0 {
			t.Fatalf("once: %d resets", len(o.Resets))
		}
		sweep.Twice = true
		rec, o := b.one(sweep)
		var hit, expired []uint8
		for _, r := range o.Resets {
			hit = append(hit, r.Stamp)
		}
		for _, e := range o.Expired {
			expired = append(expired, e.Stamp)
		}
		if d := cmp.Diff([]uint8{3, 4, 5}, hit); d != "" {
			t.Errorf("resets by copy (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]uint8{1, 1, 2, 2, 3, 3, 4, 4, 5, 5}, expired); d != "" {
			t.Errorf("expired by copy (-want +got):\n%s", d)
		}
		for _, e := range rec.Packets(flow.Retransmitted) {
			if e.TTL == 0 || e.TTL != e.Packet.TTL {
				t.Errorf("a second sending with stamp %d and TTL %d", e.TTL, e.Packet.TTL)
			}
		}
		if o.Retries != 5 {
			t.Errorf("%d second sendings, want 5", o.Retries)
		}
	})
	bubble(t, "whole", func(t *testing.T) {
		b := start(t, with(func() middlebox.Box {
			return &second{Box: resetter(), match: middlebox.NameIs(blocked), seen: map[packet.Seq]int{}}
		}), nil)
		twice := b.test()
		twice.Twice = true
		_, o := b.one(twice)
		b.wantOutcome("a name said twice", o, probe.Reset, probe.StageData)
		twice.Stimulus.Name = "control.example"
		_, o = b.one(twice)
		b.wantOutcome("a control said twice", o, probe.OK, probe.StageResponse)
	})
}

func TestTTL(t *testing.T) {
	bubble(t, "stimulus", func(t *testing.T) {
		b := start(t, topology, nil)
		near := b.trial()
		near.TTL, near.Timeout = 3, time.Second
		_, o := b.one(near)
		b.wantOutcome("it dies on the way", o, probe.Drop, probe.StageData)
		for _, e := range o.Expired {
			if e.From() != topology.Router(3) {
				t.Errorf("expired at %v, want %v", e.From(), topology.Router(3))
			}
		}
		if n := len(o.Expired); n != 1+o.Retries || o.Retries == 0 {
			t.Errorf("%d expired, want the stimulus and %d retransmissions", n, o.Retries)
		}
		near.TTL = 6
		_, o = b.one(near)
		b.wantOutcome("it arrives", o, probe.OK, probe.StageResponse)
	})
	bubble(t, "SYN", func(t *testing.T) {
		b := start(t, topology, nil)
		syn := b.trial()
		syn.Stimulus, syn.TTL, syn.Timeout = probe.Stimulus{Kind: probe.SYN}, 2, rtt*2
		_, o := b.one(syn)
		if len(o.Expired) != 1 || o.Expired[0].From() != topology.Router(2) {
			t.Errorf("expired %+v", o.Expired)
		}
	})
}

func TestSplitInsideTheName(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		b := start(t, with(resetter), nil)
		whole := b.test()
		said, err := whole.Stimulus.Bytes(0)
		if err != nil {
			t.Fatal(err)
		}
		middle, ok := payload.NameMiddle(said, blocked)
		if !ok {
			t.Fatal("no middle")
		}
		_, o := b.one(whole)
		b.wantOutcome("whole", o, probe.Reset, probe.StageData)
		for _, gap := range []time.Duration{0, 200 * time.Millisecond} {
			split := whole
			split.Split, split.SplitGap = []int{middle}, gap
			rec, o := b.one(split)
			b.wantOutcome("split", o, probe.OK, probe.StageResponse)
			var at []time.Duration
			var sent []byte
			for _, e := range rec.Packets(flow.Sent) {
				if data := e.Packet.TCP.Payload; len(data) > 0 {
					at, sent = append(at, (e.At-rtt).Round(time.Millisecond)), append(sent, data...)
				}
			}
			if d := cmp.Diff([]time.Duration{0, gap}, at); d != "" || !bytes.Equal(sent, said) {
				t.Errorf("gap %v: segments after the handshake (-want +got):\n%s\n%d bytes", gap, d, len(sent))
			}
		}
	})
}

func TestUnconnected(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		b := start(t, with(resetter), nil)
		control, test := b.trial(), b.test()
		control.Unconnected, test.Unconnected = true, true
		rec, o := b.one(control)
		b.wantOutcome("a host without the connection", o, probe.Reset, probe.StageData)
		if len(o.Sent) != 1 || len(o.Resets) != 1 || rec.End != control.Timeout {
			t.Errorf("%d packets sent, %d resets, over after %v", len(o.Sent), len(o.Resets), rec.End)
		}
		if _, o := b.one(test); len(o.Resets) != 2 || o.Resets[0].Delay >= rtt || !about(o.Resets[1].Delay, rtt) {
			t.Errorf("resets %+v, want the box's and then the host's", o.Resets)
		}
	})
}

func TestSmallSegments(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		top := topology
		top.Server.Body = 5000
		b := start(t, top, nil)
		small := b.trial()
		small.Remote = netip.AddrPortFrom(top.ServerAddr(), 80)
		small.Stimulus.Kind, small.Stimulus.Length, small.MSS, small.Watch = probe.Host, 1300, 536, time.Second
		_, o := b.one(small)
		b.wantOutcome("an answer", o, probe.OK, probe.StageResponse)
		if mss, _ := o.Sent[0].Packet.TCP.MSS(); mss != 536 {
			t.Errorf("announced %d", mss)
		}
		for _, e := range o.Sent {
			if n := len(e.Packet.TCP.Payload); n > 536 {
				t.Errorf("sent %d bytes in one segment", n)
			}
		}
		for _, d := range o.Data {
			if n := len(d.Packet.TCP.Payload); n > 536 {
				t.Errorf("received %d bytes in one segment", n)
			}
		}
	})
}

// TestLargeAnswer takes a whole answer at the speed of a window per round
// trip, with and without loss.
func TestLargeAnswer(t *testing.T) {
	const size = 256 << 10
	for name, loss := range map[string]float64{"clean": 0, "lossy": 0.02} {
		bubble(t, name, func(t *testing.T) {
			top := topology
			top.Server.Body, top.Loss = size, loss
			b := start(t, top, nil)
			large := b.trial()
			large.Remote = netip.AddrPortFrom(top.ServerAddr(), 80)
			large.Stimulus.Kind, large.Watch = probe.Host, 2*time.Minute
			rec, o := b.one(large)
			if o.Said < size {
				t.Fatalf("%d bytes came in order, want at least %d: %v", o.Said, size, o.Outcome)
			}
			if took, fastest := o.Data[len(o.Data)-1].At-o.Data[0].At, (size/64000+1)*rtt; loss == 0 && took > fastest {
				t.Errorf("took %v, want a window per round trip, %v", took, fastest)
			}
			held := 0
			for _, e := range rec.Events {
				held += len(e.Packet.Raw)
			}
			if most := 100*len(rec.Events) + 40<<10; held > most {
				t.Errorf("the record holds %d bytes, want the headers of %d packets and the beginning of the stream", held, len(rec.Events))
			}
		})
	}
}

// TestSenseless: half a trial would be a lie.
func TestSenseless(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		b := start(t, topology, nil)
		for what, change := range map[string]func(*probe.Trial){
			"a sweep of ACKs":                       func(t *probe.Trial) { t.Stimulus.Kind, t.TTLs = probe.ACK, []uint8{1, 2} },
			"a reader after a SYN":                  func(t *probe.Trial) { t.Stimulus.Kind, t.Reader = probe.SYN, probe.ReadFIN },
			"a reader on nothing":                   func(t *probe.Trial) { t.Unconnected, t.Reader = true, probe.ReadFIN },
			"a SYN-ACK that ends with the stimulus": func(t *probe.Trial) { t.Reader = probe.ReadSYNACK },
			"a page behind a FIN":                   func(t *probe.Trial) { t.TTLs, t.Reader, t.Fetch = []uint8{1}, probe.ReadFIN, "a.example" },
			"a page behind copies":                  func(t *probe.Trial) { t.TTLs, t.Fetch = []uint8{1}, "a.example" },
			"a page of nobody":                      func(t *probe.Trial) { t.Fetch = "a b" },
			"a reader after steps":                  func(t *probe.Trial) { t.TTLs, t.Step, t.Reader = []uint8{1}, rtt, probe.ReadFIN },
			"a SYN without handshake":               func(t *probe.Trial) { t.Stimulus.Kind, t.Unconnected = probe.SYN, true },
			"copies that are split":                 func(t *probe.Trial) { t.TTLs, t.Split = []uint8{1}, []int{5} },
			"a reader of no name":                   func(t *probe.Trial) { t.Reader = "tarot" },
			"a reader with nothing to say": func(t *probe.Trial) {
				t.Reader, t.Read = probe.ReadStimulus, probe.Stimulus{Kind: probe.SYN}
			},
			"a reader that cannot be built": func(t *probe.Trial) {
				t.Reader, t.Read = probe.ReadStimulus, probe.Stimulus{Kind: probe.SNI, Length: 1}
			},
		} {
			trial := b.trial()
			change(&trial)
			if recs, err := b.Exchange(context.Background(), trial); err == nil || len(recs[0].Events) > 0 {
				t.Errorf("%s: error %v and %d events", what, err, len(recs[0].Events))
			}
		}
	})
}
