package cases_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/capture"
	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/internal/lab/simnet"
	"github.com/rstprobe/rstprobe/internal/wire/engine"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/probe"
)

// TestReplay runs every case on the simulated path, saves its packets as the
// command does, and reads them back as any capture: what is observed of each
// trial must be the same.
func TestReplay(t *testing.T) {
	for _, family := range []struct {
		name string
		v6   bool
	}{{"ipv4", false}, {"ipv6", true}} {
		t.Run(family.name, func(t *testing.T) {
			for _, c := range cases.Matrix(family.v6) {
				if c.RealKernel() {
					continue
				}
				t.Run(c.Name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						live, file := recorded(t, c)
						compare(t, live, conversations(t, file))
					})
				})
			}
		})
	}
}

// carried is a trial and the record that was made of it live.
type carried struct {
	trial probe.Trial
	rec   flow.Record
}

// recorder keeps what an exchanger does.
type recorder struct {
	probe.Exchanger
	done []carried
}

func (r *recorder) Exchange(ctx context.Context, trials ...probe.Trial) ([]flow.Record, error) {
	recs, err := r.Exchanger.Exchange(ctx, trials...)
	for i, rec := range recs {
		r.done = append(r.done, carried{trials[i], rec})
	}
	return recs, err
}

// recorded diagnoses a case and returns the records of its trials, and the
// capture file of the run.
func recorded(t *testing.T, c cases.Case) ([]carried, []byte) {
	t.Helper()
	var log pcapio.Log
	ports := make([]uint16, 64)
	for i := range ports {
		ports[i] = uint16(40000 + i)
	}
	e, err := engine.New(engine.Config{
		Wire: simnet.New(c.Topology, 1), Source: c.Topology.Client(), Ports: ports, Seed: 1, Log: &log,
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := c.Config()
	r := recorder{Exchanger: e}
	ask.Exchanger = &r
	if _, err := diagnosis.Run(t.Context(), ask); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := pcapio.Write(&file, log.Frames(), "a run"); err != nil {
		t.Fatal(err)
	}
	return r.done, file.Bytes()
}

// conversations are those of a capture file, as the explain command makes
// them.
func conversations(t *testing.T, file []byte) []flow.Conversation {
	t.Helper()
	in, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var found []flow.Conversation
	table := flow.NewTable(flow.Config{Yield: func(c *flow.Conversation) { found = append(found, *c) }})
	for {
		f, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		table.Add(f.N, f.At, &f.Packet)
	}
	table.Flush()
	return found
}

// compare holds the live records against the conversations of the capture
// that their packets are in. Mostly that is one each. But the SYNs of a sweep
// each open another connection in a capture, for their numbers differ; and
// what is sent to a connection that an earlier trial opened belongs to it.
// Such records, or conversations, are taken together.
func compare(t *testing.T, live []carried, found []flow.Conversation) {
	t.Helper()
	in := map[int]int{} // the conversation of a packet
	for i, c := range found {
		for _, e := range c.Events {
			in[e.N] = i
		}
	}
	type share struct {
		live     []carried
		replayed map[int]bool
	}
	var shares []*share
	for _, l := range live {
		s := &share{live: []carried{l}, replayed: map[int]bool{}}
		for _, e := range l.rec.Events {
			i, ok := in[e.N]
			if ok {
				s.replayed[i] = true
			} else if e.N > 0 {
				t.Errorf("packet %d of the run is in no conversation", e.N)
			}
		}
		shares = slices.DeleteFunc(shares, func(o *share) bool {
			for i := range o.replayed {
				if s.replayed[i] {
					s.live = append(o.live, s.live...)
					maps.Copy(s.replayed, o.replayed)
					return true
				}
			}
			return false
		})
		shares = append(shares, s)
	}
	for _, s := range shares {
		var records, replayed []flow.Record
		for _, l := range s.live {
			records = append(records, l.rec)
		}
		for _, i := range slices.Sorted(maps.Keys(s.replayed)) {
			// A SYN into a conversation that may still be open is in both.
			rec := found[i].Record
			rec.Events = slices.DeleteFunc(slices.Clone(rec.Events), func(e flow.Event) bool { return !s.replayed[in[e.N]] })
			replayed = append(replayed, rec)
		}
		want, got := joined(records), joined(replayed)
		got.Events = slices.DeleteFunc(got.Events, func(e flow.Event) bool { return late(t, records, got, e) })
		restamp(t, want, got)
		if diff := cmp.Diff(essentials(want), essentials(got), microsecond); diff != "" {
			t.Errorf("%d records, the first of a %s of %s with TTLs %v, in %d conversations (-live +replayed):\n%s",
				len(records), s.live[0].trial.Role, s.live[0].trial.Stimulus.Kind, s.live[0].trial.TTLs, len(replayed), diff)
		}
	}
}

// late reports whether a packet arrived after the trials of its conversation
// were over, before their ports were given back.
func late(t *testing.T, records []flow.Record, replayed flow.Record, e flow.Event) bool {
	t.Helper()
	at := replayed.Start.Add(e.At + time.Microsecond)
	over := true
	for _, rec := range records {
		if slices.ContainsFunc(rec.Events, func(own flow.Event) bool { return own.N == e.N }) {
			return false
		}
		over = over && !at.Before(rec.Start.Add(rec.End))
	}
	if !over || e.Kind != flow.Received {
		t.Errorf("packet %d is in no record of the run, and came in its time", e.N)
	}
	return true
}

// microsecond lets times differ by the rounding of both ends of a span.
var microsecond = cmp.Comparer(func(a, b time.Duration) bool { return max(a-b, b-a) <= 2*time.Microsecond })

// joined makes one record of several, without deadlines.
func joined(list []flow.Record) flow.Record {
	var all flow.Record
	for _, rec := range list {
		if all.Start.IsZero() || rec.Start.Before(all.Start) && !rec.Start.IsZero() {
			all.Key, all.Start = rec.Key, rec.Start
		}
	}
	for _, rec := range list {
		for _, e := range rec.Events {
			if e.Kind != flow.Expired {
				e.At += rec.Start.Sub(all.Start)
				all.Events = append(all.Events, e)
			}
		}
	}
	slices.SortFunc(all.Events, func(a, b flow.Event) int { return a.N - b.N })
	if n := len(all.Events); n > 0 {
		all.End = all.Events[n-1].At
	}
	return all
}

// restamp gives the copies of a sweep their stamps, which are their TTLs: a
// capture at the client shows those, and not that the numbers follow them.
func restamp(t *testing.T, live, replayed flow.Record) {
	t.Helper()
	stamps := map[int]uint8{}
	for _, e := range live.Events {
		if e.TTL > 0 {
			stamps[e.N] = e.TTL
		}
	}
	for i := range replayed.Events {
		e := &replayed.Events[i]
		if stamp := stamps[e.N]; stamp > 0 {
			if e.TTL = e.Packet.TTL; e.TTL != stamp {
				t.Errorf("packet %d has TTL %d in the capture and the stamp %d", e.N, e.TTL, stamp)
			}
		}
	}
}

// observed is what a capture shows of a trial as well as the run itself did. A
// capture has no stamps, which the run knows from what it sent; no deadlines,
// so that nothing tells for how long a silence was listened to, nor that it
// was cut short (Quiet, Cut, and a late packet, which counts in a capture);
// nor what the kernel dropped before it could be captured (Lost).
type observed struct {
	Outcome                          probe.Outcome
	Stage                            probe.Stage
	RTT                              time.Duration
	Sent                             []int
	SYNACK                           int
	Stimulus                         string
	Resets, FINs, Data, Errors, Died []string
	Acks                             int
	Acked                            bool
	Said, Repeated, Retries          int
}

// copies is how soon a packet of a capture follows that which it is a copy of
// (flow.Event.Copy).
const copies = 5 * time.Millisecond

func essentials(rec flow.Record) observed {
	o := probe.Observe(rec)
	// What a box says twice because we did, a capture shows as one packet.
	o.Data = slices.CompactFunc(o.Data, func(a, b probe.Seen) bool {
		x, y := a.Packet, b.Packet
		return b.At-a.At < copies && x.ID == y.ID && x.TCP.Seq == y.TCP.Seq && x.TCP.Ack == y.TCP.Ack && x.TCP.Size() == y.TCP.Size()
	})
	out := observed{
		Outcome: o.Outcome, Stage: o.Stage, RTT: o.RTT,
		Resets: packets(o.Resets), FINs: packets(o.FINs), Data: packets(o.Data), Errors: packets(o.Errors), Died: packets(o.Expired),
		Acks: len(o.Acks), Acked: o.Acked, Said: o.Said, Repeated: o.Repeated, Retries: o.Retries,
	}
	for _, e := range o.Sent {
		if e.Copy > 0 {
			out.Retries++ // to a capture, what is sent twice at once is captured twice
			continue
		}
		out.Sent = append(out.Sent, e.N)
	}
	if o.SYNACK != nil {
		out.SYNACK = o.SYNACK.N
	}
	if o.Stimulus != nil {
		out.Stimulus = packets([]probe.Seen{*o.Stimulus})[0]
	}
	return out
}

// packets words packets: by number, header and size.
func packets(list []probe.Seen) []string {
	var out []string
	for _, s := range list {
		p := s.Packet
		if p.ICMP.Kind != 0 {
			q := p.ICMP.Quote
			out = append(out, fmt.Sprintf("%d: %v %v from %v about %v > %v %d %v", s.N, p.ICMP.Kind, p.TTL, p.Src, q.Src, q.Dst, q.Seq, q.ID))
			continue
		}
		out = append(out, fmt.Sprintf("%d: TTL %d ID %d %v %d %d window %d, %d bytes", s.N, p.TTL, p.ID, p.TCP.Flags, p.TCP.Seq, p.TCP.Ack, p.TCP.Window, p.TCP.Size()))
	}
	return out
}
