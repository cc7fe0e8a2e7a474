package diagnosis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// Run asks every question of cfg and puts the answers together. The result
// is valid whatever happens; an error says why something could not be
// measured at all. An interrupted run is no error: Result.Interrupted says so.
func Run(ctx context.Context, cfg Config) (Result, error) {
	s, err := newSession(ctx, cfg)
	if err != nil {
		return s.res, err
	}
	err = s.reach()
	for i, q := range cfg.Questions {
		if err != nil || s.ctx.Err() != nil {
			break
		}
		before := len(s.res.Attempts)
		err = s.answer(q)
		for k := range s.res.Attempts[before:] {
			s.res.Attempts[before+k].Question = i + 1
		}
	}
	return s.finish(err)
}

// Trace finds the path as the stimulus of the first question sees it; it
// gives no verdict.
func Trace(ctx context.Context, cfg Config) (Result, error) {
	cfg.Trace = TraceAlways
	s, err := newSession(ctx, cfg)
	if err != nil {
		return s.res, err
	}
	err = s.reach()
	if q := cfg.Questions[0]; err == nil && q.Kind != probe.SYN && s.serverTTL() > 1 {
		var recs []flow.Record
		recs, err = s.exchange([]probe.Trial{s.sweepTrial(s.stimulus(q, q.Name), probe.Test, s.grace())})
		s.test = append(s.test, sweeps(recs)...)
	}
	return s.finish(err)
}

// session is one run under way.
type session struct {
	ctx    context.Context
	cfg    Config
	res    Result
	remote netip.AddrPort

	rng   *rand.Rand
	steps steps

	syn      probe.SYNFindings
	budget   residual.Budget
	ledger   *residual.Ledger
	stray    []probe.Observation // genuine resets of the host; nil: not called for yet
	synSweep []traceroute.Sweep
	control  []traceroute.Sweep
	test     []traceroute.Sweep
	ports    []traceroute.PortSweep // sweeps by source port
	classes  []traceroute.Class     // nil: one path was seen
	classed  []traceroute.PortSweep // sweeps of SYNs by which the classes were told apart
	class    int                    // the one in use
	pins     int                    // trials pinned so far
	served   int                    // the smallest TTL at which a harmless request was answered, where SYNs cannot be swept; 0: not known
	sockets  bool                   // the records are of ordinary sockets
	rtt      time.Duration          // smallest handshake so far; 0 until there was one
}

func newSession(ctx context.Context, cfg Config) (*session, error) {
	if cfg.MaxTTL == 0 {
		cfg.MaxTTL = 30
	}
	if cfg.Repeat == 0 {
		cfg.Repeat = 3
	}
	if cfg.Trace == "" {
		cfg.Trace = TraceAuto
	}
	if cfg.Ledger == nil {
		cfg.Ledger = &residual.Ledger{}
	}
	if cfg.Progress == nil {
		cfg.Progress = func(Progress) {}
	}
	s := &session{
		ctx: ctx, cfg: cfg, ledger: cfg.Ledger, budget: residual.Budget{Max: cfg.MaxWait},
		rng:    rand.New(rand.NewPCG(cfg.Seed, 1)), //nolint:gosec // reproducible, not secret
		remote: netip.AddrPortFrom(cfg.Target.IP, cfg.Target.Port),
		res: Result{
			Target: cfg.Target, Started: time.Now(), Source: cfg.Source,
			Outcome: probe.OverallInconclusive, Tests: []Test{}, Path: traceroute.Path{Hops: []traceroute.Hop{}},
		},
	}
	if cfg.Exchanger == nil || !s.remote.IsValid() || len(cfg.Questions) == 0 {
		return s, errors.New("diagnosis: an exchanger, a resolved target and a question are needed")
	}
	return s, nil
}

// finish draws the path and the overall outcome.
func (s *session) finish(err error) (Result, error) {
	s.clock()
	s.res.Path = s.path()
	s.res.Duration, s.res.Waited = time.Since(s.res.Started), s.budget.Spent
	if s.ctx.Err() != nil {
		s.res.Interrupted, err = true, nil
	}
	s.res.Outcome, s.res.Summary = conclude(&s.res)
	if refused := (refusedError{}); errors.As(err, &refused) {
		if s.res.Outcome != probe.Interference {
			s.res.Outcome, s.res.Summary = probe.OverallUnreachable, refused.summary(s.cfg.Target)
		}
		err = nil // that is an answer
	}
	if err != nil {
		if s.res.Outcome != probe.Interference { // which stands, whatever came after it
			s.res.Outcome, s.res.Summary = probe.OverallInconclusive, fmt.Sprintf("The measurement broke off: %v.", err)
		}
		return s.res, fmt.Errorf("measuring %s: %w", s.cfg.Target.Input, err)
	}
	return s.res, nil
}

// exchange carries trials out at the same time, started in order. The
// records are in that order; those of an interrupted run are as far as they
// came.
func (s *session) exchange(trials []probe.Trial) ([]flow.Record, error) {
	for i := range trials {
		if trials[i].Stimulus.Kind != probe.SYN { // of which the patience is what is measured
			trials[i].RTO = s.rto()
		}
	}
	s.report(0)
	before := s.res.PacketsSent
	recs, err := s.cfg.Exchanger.Exchange(s.ctx, trials...)
	if s.ctx.Err() != nil {
		err = nil
	}
	for i, rec := range recs {
		s.learn(rec)
		if s.can(trials[i]) {
			s.res.Attempts = append(s.res.Attempts, Attempt{Trial: trials[i], Record: rec})
		}
	}
	if err == nil {
		err = s.refused(trials, recs)
	}
	step := &s.res.Steps[s.steps.now]
	step.Trials, step.Packets = step.Trials+len(trials), step.Packets+s.res.PacketsSent-before
	return recs, err
}

// can reports whether a trial can be carried out at all.
func (s *session) can(t probe.Trial) bool {
	choosy, ok := s.cfg.Exchanger.(probe.Choosy)
	return !ok || choosy.Able(t)
}

// seed is a fresh seed for the random fields of a stimulus.
func (s *session) seed() uint64 {
	return s.rng.Uint64()
}

// learn takes what every record tells about the network itself.
func (s *session) learn(rec flow.Record) {
	o := probe.Observe(rec)
	if o.RTT > 0 && (s.rtt == 0 || o.RTT < s.rtt) {
		s.rtt = o.RTT
	}
	s.sockets = rec.Source == flow.Kernel
	s.res.PacketsSent += len(o.Sent) + o.Retries
	s.res.PacketsLost += rec.Lost
}

// minRTT is the smallest handshake so far; 0 until there was one.
func (s *session) minRTT() time.Duration {
	return s.rtt
}

// grace is how long to listen after the first ending packet: forged resets
// come behind the ICMP error of the same packet, and behind the server's
// answer. Half a round trip, and never less than a scheduler's slice.
func (s *session) grace() time.Duration { return max(s.minRTT()/2, 20*time.Millisecond) }

// watch is how long an answered connection is watched for a late reset;
// injectors 300 ms late have been seen.
func (s *session) watch() time.Duration { return max(4*s.minRTT(), 500*time.Millisecond) }

// timeout is the silence limit of a trial.
func (s *session) timeout() time.Duration {
	if s.cfg.Timeout > 0 {
		return s.cfg.Timeout
	}
	return max(4*s.minRTT(), time.Second)
}

// rto is when a lost SYN goes again once the round trip is known, so that it
// does so within the timeout: that of one sample (RFC 6298 §2.2), and as little
// as Linux's TCP_RTO_MIN. 0: not known.
func (s *session) rto() time.Duration {
	if s.minRTT() == 0 {
		return 0
	}
	return max(3*s.minRTT(), 200*time.Millisecond)
}

// synTimeout leaves room for a lost SYN to be sent again.
func (s *session) synTimeout() time.Duration {
	if s.cfg.Timeout > 0 {
		return s.cfg.Timeout
	}
	return 2 * time.Second
}

func observe(recs []flow.Record) []probe.Observation {
	obs := make([]probe.Observation, 0, len(recs))
	for _, rec := range recs {
		if o := probe.Observe(rec); len(rec.Events) > 0 && !unfinished(o) {
			obs = append(obs, o)
		}
	}
	return obs
}

// unfinished reports whether a trial was stopped while nothing had answered
// it: its silence says nothing.
func unfinished(o probe.Observation) bool {
	return o.Cut && (o.Outcome == probe.Drop || o.Outcome == probe.Stall)
}

func sweeps(recs []flow.Record) []traceroute.Sweep {
	var out []traceroute.Sweep
	for _, rec := range recs {
		if len(rec.Events) > 0 {
			out = append(out, traceroute.Read(rec))
		}
	}
	return out
}

// ttls are first … last.
func ttls(first, last int) []uint8 {
	var out []uint8
	for ttl := first; ttl <= last; ttl++ {
		out = append(out, uint8(ttl)) //nolint:gosec // at most 64
	}
	return out
}
