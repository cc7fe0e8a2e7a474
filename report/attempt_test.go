package report

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

func TestAttempts(t *testing.T) {
	test := diagnosis.Test{Kind: probe.Host, Name: "a.example"}
	never := record(false, 1, probe.Test, probe.Host, "a.example", 80, 0).over()
	beyond := record(false, 2, probe.Test, probe.Host, "b.example", 80, time.Second).syn().over()
	got := New(attempted(probe.Interference, test,
		record(false, 1, probe.Test, probe.Host, "a.example", 80, 1500*time.Microsecond).reset(), never, beyond,
		record(false, 1, probe.Control, probe.SNI, "c.example", 443, 0).swept(4),
	), meta).Attempts
	common := Attempt{Role: probe.Test, Kind: probe.Host, Path: "/", Manner: Ordinary, IP: server, Port: 80, LocalPort: 40000}
	reset, unanswered := common, common
	reset.ID, reset.Test, reset.Name, reset.StartedMS, reset.ConnectedMS, reset.EndedMS = 1, 1, "a.example", 1.5, offset(10*time.Millisecond), 20
	reset.Outcome, reset.Stage, reset.Failure, reset.BytesSent = probe.Reset, probe.StageData, ConnectionReset, len(said)
	reset.Resets = List[AttemptReset]{{Packet: 4, AtMS: 20, TTL: 61, Flags: "R."}}
	reset.Steps = List[AttemptedStep]{}
	unanswered.ID, unanswered.Name, unanswered.StartedMS = 2, "b.example", 1000 // its question has no test: interrupted
	unanswered.Outcome, unanswered.Stage, unanswered.Failure = probe.Drop, probe.StageSYN, TimeoutError
	unanswered.Resets, unanswered.Steps = List[AttemptReset]{}, List[AttemptedStep]{}
	same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(List[Attempt]{reset, unanswered}, got[:2], same); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	sweep := got[2]
	wantSteps := List[AttemptedStep]{
		{1, router(1), traceroute.TimeExceeded}, {2, router(2), traceroute.TimeExceeded}, {3, router(3), traceroute.TimeExceeded},
		{4, netip.Addr{}, traceroute.ResetAnswer}, {5, netip.Addr{}, traceroute.ResetAnswer}, {6, netip.Addr{}, traceroute.ResetAnswer},
	}
	if diff := cmp.Diff(wantSteps, sweep.Steps, same); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if sweep.Manner != SweptBurst || len(sweep.Resets) != 3 || len(got) != 3 {
		t.Errorf("manner %s, %d resets, %d attempts; want %s, 3, 3", sweep.Manner, len(sweep.Resets), len(got), SweptBurst)
	}
}

func TestManner(t *testing.T) {
	for want, trial := range map[Manner]probe.Trial{
		Ordinary:    {},
		Segmented:   {Split: []int{5}},
		Repeated:    {Twice: true},
		Limited:     {TTL: 60},
		SweptBurst:  {TTLs: []uint8{1}, Twice: true},
		SweptTimed:  {TTLs: []uint8{1}, Step: time.Second},
		ThenRead:    {TTLs: []uint8{1}, Reader: probe.ReadFIN},
		Ahead:       {Ahead: 1},
		Unconnected: {Stimulus: probe.Stimulus{Kind: probe.ACK}},
	} {
		if got := manner(trial); got != want {
			t.Errorf("%+v is %s, want %s", trial, got, want)
		}
	}
	if got := manner(probe.Trial{Unconnected: true}); got != Unconnected {
		t.Errorf("without a handshake: %s", got)
	}
}

// TestFailure: what is seen, and what is written (df-007-errors).
func TestFailure(t *testing.T) {
	on := func(kind probe.Kind) *tape { return record(false, 1, probe.Test, kind, "a.example", 443, 0) }
	unreachable := func(code uint8) diagnosis.Attempt {
		return on(probe.SYN).syn().icmp(router(2), packet.Unreachable, code).over()
	}
	unreachable6 := func(code uint8) diagnosis.Attempt {
		return record(true, 1, probe.Test, probe.SYN, "", 443, 0).syn().icmp(addr6(2), packet.Unreachable, code).over()
	}
	stopped := on(probe.SNI).asked().over()
	stopped.Record.Cut = true
	for _, tt := range []struct {
		name string
		a    diagnosis.Attempt
		want Failure
	}{
		{"SYN answered", on(probe.SYN).connected().over(), NoFailure},
		{"ServerHello", on(probe.SNI).answered(sayHello), NoFailure},
		{"page", on(probe.Host).answered(sayPage), NoFailure},
		{"reset in answer to the SYN", on(probe.SYN).syn().hear(58, packet.Segment{Ack: ourISS.Add(1), Flags: packet.RST | packet.ACK}).over(), ConnectionRefused},
		{"reset later", on(probe.SNI).reset(), ConnectionReset},
		{"closed", on(probe.SNI).asked().hear(58, packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1), Flags: packet.FIN | packet.ACK}).over(), EOFError},
		{"silence", on(probe.SNI).asked().silent(), TimeoutError},
		{"no SYN-ACK", on(probe.SNI).syn().silent(), TimeoutError},
		{"stopped", stopped, Interrupted},
		{"alert", on(probe.SNI).answered(sayAlert), FailedHandshake},
		{"page for a ClientHello", on(probe.SNI).answered(sayPage), FailedHandshake},
		{"no page for a request", on(probe.Host).answered("SSH-2.0"), MalformedHTTP},
		{"net", unreachable(0), NetworkUnreachable},
		{"host", unreachable(1), HostUnreachable},
		{"port", unreachable(3), ConnectionRefused},
		{"net prohibited", unreachable(9), NetworkUnreachable},
		{"prohibited", unreachable(13), HostUnreachable},
		{"IPv6 no route", unreachable6(0), NetworkUnreachable},
		{"IPv6 prohibited", unreachable6(1), HostUnreachable},
		{"IPv6 address", unreachable6(3), HostUnreachable},
		{"IPv6 port", unreachable6(4), ConnectionRefused},
	} {
		if got := failure(tt.a.Trial.Stimulus.Kind, probe.Observe(tt.a.Record)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestEndedAfterItStood: a reset that overtook the SYN-ACK did not end the
// connection before it began.
func TestEndedAfterItStood(t *testing.T) {
	a := record(false, 1, probe.Test, probe.SNI, "a.example", 443, 0).syn().
		hear(61, packet.Segment{Flags: packet.RST}).
		hear(58, packet.Segment{Seq: theirISS, Ack: ourISS.Add(1), Flags: packet.SYN | packet.ACK}).over()
	a.Record.Events = append(a.Record.Events, flow.Event{At: 3 * rtt, Kind: flow.Expired})
	got := newAttempt(1, diagnosis.Result{Started: base}, a)
	if got.EndedMS != 20 || *got.ConnectedMS != 20 {
		t.Errorf("connected after %v ms, ended after %v, want 20 both", *got.ConnectedMS, got.EndedMS)
	}
}
