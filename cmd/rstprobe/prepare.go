package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

const (
	lookUps  = 16              // names that are looked up at a time
	patience = 7 * time.Second // with one name: 5 s are those of a server that is down, and the next one may know
)

// session is an open way to send packets from one address.
type session struct {
	exchanger probe.Exchanger
	close     func() error
}

// prepare does for all jobs what must be done before privileges are given up,
// and so before the first packet: it finds out the addresses of the targets
// and ours toward them, and opens a session for each of ours. drop is called
// when all sockets are open and nothing was read from them. What is returned
// has a job for each address.
func (r *measurement) prepare(ctx context.Context, jobs []job, drop func() error) ([]job, error) {
	var (
		work  sync.WaitGroup
		done  atomic.Int32
		slots = make(chan struct{}, lookUps)
		found = make([]resolved, len(jobs))
	)
	for i := range jobs {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			found[i] = r.addresses(ctx, jobs[i].target)
			r.bar.show(fmt.Sprintf("looked up %d of %d targets", done.Add(1), len(jobs)))
		})
	}
	work.Wait()
	aimed := make([][]job, len(jobs))
	for i, j := range jobs { // here, since the network namespace is that of this thread
		var err error
		if aimed[i], err = r.aim(ctx, j, found[i]); err != nil {
			return nil, err
		}
	}
	jobs = slices.Concat(aimed...)
	var cfgs []sessionConfig
	for _, j := range jobs {
		if _, ok := r.sessions[j.source]; !ok && j.settled == nil {
			r.sessions[j.source] = nil
			cfgs = append(cfgs, r.sessionConfig(j.source))
		}
	}
	sessions, err := r.openSessions(cfgs, drop)
	if err != nil {
		clear(r.sessions)
		return nil, openError{err}
	}
	for i, cfg := range cfgs {
		r.sessions[cfg.source] = sessions[i]
	}
	return jobs, nil
}

// aim gives a job for each address of a target; or one with the result, if
// there is none.
func (r *measurement) aim(ctx context.Context, j job, found resolved) ([]job, error) {
	j.lookup = found.lookup
	if err := found.err; err != nil {
		j.settled = noAnswer(ctx, j, probe.OverallInconclusive, "The name %s could not be resolved: %v.", j.target.Name, err)
		return []job{j}, nil
	}
	var out []job
	var errs []error
	for _, ip := range found.addrs {
		j.target.IP = ip
		toward, err := r.toward(ctx, j)
		out, errs = append(out, toward), append(errs, err)
	}
	return out, errors.Join(errs...)
}

// toward finds out our address toward that of a target, or the result if there
// is none. An error means that the line is wrong.
func (r *measurement) toward(ctx context.Context, j job) (job, error) {
	ip := j.target.IP
	if ip == r.controlAddress {
		return j, j.blame(usagef("--control-address %s is the address of %s itself: write that of another host, which is known to answer", ip, j.target.Input))
	}
	var err error
	j.source, err = r.sys.sourceFor(ip, r.source, r.iface)
	if r.source.IsValid() {
		j.source = r.source
	}
	switch {
	case errors.Is(err, errNoRoute):
		j.settled = noAnswer(ctx, j, probe.OverallUnreachable, "This machine has no route to %s%s.", ip, whyNoRoute(r.iface))
	case errors.Is(err, errBroadcast) && j.lookup == nil:
		return j, j.blame(usagef("target %s is the broadcast address of a network here, which is no host: write the address of one", j.target.Input))
	case err != nil:
		j.settled = noAnswer(ctx, j, probe.OverallInconclusive, "It could not be found out how this machine reaches %s: %v.", ip, err)
	}
	return j, nil
}

// noAnswer is the result for a target to which no packet will be sent: looking
// it up is all that took time. An interrupted lookup has failed for no reason
// of its own.
func noAnswer(ctx context.Context, j job, o probe.Overall, format string, args ...any) *diagnosis.Result {
	res := &diagnosis.Result{Target: j.target}
	if l := j.lookup; l != nil {
		res.Started, res.Duration = l.Started, l.Duration
	}
	if ctx.Err() == nil {
		res.Outcome, res.Summary = o, fmt.Sprintf(format, args...)
	}
	return res
}

func (r *measurement) sessionConfig(source netip.Addr) sessionConfig {
	cfg := sessionConfig{source: source, iface: r.iface, rate: r.rate, seed: r.seed, packets: r.packets}
	if r.ledger != nil {
		cfg.shun = func(k packet.Key) bool {
			until, _ := r.ledger.Until(time.Now(), k)
			return !until.IsZero()
		}
	}
	if r.verbose {
		cfg.trace = func(line string) { fmt.Fprintln(r.stderr, line) }
	}
	return cfg
}

// confine carries a step of package privilege out. A build that cannot is
// worth a warning, and no reason not to measure.
func (p *program) confine(step func() error) error {
	err := step()
	if errors.Is(err, errors.ErrUnsupported) {
		p.warn(err)
		return nil
	}
	return err
}

// drop gives up all privileges but what the files of the run take.
func (r *measurement) drop() error {
	paths := r.files
	if r.waiting.ledger != "" {
		paths = append([]string{r.waiting.ledger}, paths...)
	}
	err := r.sys.drop(paths...)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil // confine has warned already
	}
	return err
}

// keep is the drop of a session in an emulated path, which is torn down with
// the privileges that set it up.
func keep() error { return nil }
