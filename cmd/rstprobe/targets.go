package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/probe"
)

// maxTargets is how many targets one run takes: days of probing, and all of
// them are checked before the first packet.
const maxTargets = 100_000

// maxBadLines is how many wrong lines of a list are shown.
const maxBadLines = 10

// aimed is a target and where it was written.
type aimed struct {
	probe.Target
	at string // "FILE:LINE"; "" for the command line
}

// blame says where the target stands that err is about.
func (t aimed) blame(err error) error { return blameAt(t.at, err) }

func (j job) blame(err error) error { return blameAt(j.at, err) }

func blameAt(at string, err error) error {
	if err == nil || at == "" {
		return err
	}
	return usagef("%s: %w", at, err)
}

// targets are those of the line, then those of the lists.
func (p *program) targets(words, lists []string) ([]aimed, error) {
	var out []aimed
	for _, w := range words {
		if w == "-" {
			return nil, usagef("- is no target: write -f - to read targets from standard input")
		}
		t, err := probe.ParseTarget(w)
		if err != nil {
			return nil, usageError{err}
		}
		out = append(out, aimed{Target: t})
	}
	for _, l := range lists {
		listed, err := p.listed(l)
		if err != nil {
			return nil, err
		}
		out = append(out, listed...)
	}
	if len(out) > maxTargets {
		return nil, usagef("%d targets are more than the %d of one run: split the list", len(out), maxTargets)
	}
	return out, nil
}

// listed are the targets of one list. The error names every wrong line, up to
// maxBadLines.
func (p *program) listed(path string) ([]aimed, error) {
	entries, err := p.readList(path)
	if err != nil {
		return nil, usagef("--file: %w", err)
	}
	var out []aimed
	var errs []error
	for _, e := range entries {
		t, err := probe.ParseTarget(e.text)
		if err != nil {
			errs = append(errs, e.blame(err))
			continue
		}
		out = append(out, aimed{t, e.at()})
	}
	if more := len(errs) - maxBadLines; more > 0 {
		errs = append(errs[:maxBadLines], fmt.Errorf("and %d more", more))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, usageError{err}
	}
	return out, nil
}

// noteRepeats tells of targets that are named more than once. Each is
// measured as often as it is named: the results are as many as the targets.
func (p *program) noteRepeats(targets []aimed) {
	seen := map[probe.Target]aimed{}
	repeats, which := 0, ""
	for _, t := range targets {
		key := t.Target
		key.Input = ""
		first, again := seen[key]
		if !again {
			seen[key] = t
			continue
		}
		if repeats++; repeats == 1 {
			where := func(t aimed) string { return cmp.Or(t.at, "command line") }
			which = fmt.Sprintf("%s (%s; before: %s)", t.Input, where(t), where(first))
		}
	}
	switch {
	case repeats == 1:
		fmt.Fprintf(p.stderr, "rstprobe: note: named before, and measured again: %s\n", which)
	case repeats > 1:
		fmt.Fprintf(p.stderr, "rstprobe: note: %d targets were named before, and are measured again; the first: %s\n", repeats, which)
	}
}

// addresses are those of a target: the one that was written, else the first of
// its name, or with --all-ips all of them, each once and in the order of the
// resolver.
func (r *measurement) addresses(ctx context.Context, t probe.Target) resolved {
	if t.IP.IsValid() {
		return resolved{addrs: []netip.Addr{t.IP}}
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	found, err := r.sys.lookUp(ctx, r.family.network(), t.Name)
	none := func(why diagnosis.LookupFailure, err error) resolved {
		found.Failure = why
		return resolved{lookup: &found, err: err}
	}
	if errors.Is(err, errNoName) && r.family != 0 {
		if others, otherErr := r.sys.lookUp(ctx, "ip", t.Name); otherErr == nil && len(others.Answers) > 0 {
			return none(diagnosis.NoAddress, fmt.Errorf("it has no IPv%d address, only %s", r.family, others.Answers[0]))
		}
	}
	if err != nil {
		return none(found.Failure, err)
	}
	var out, useless []netip.Addr
	for _, ip := range found.Answers {
		switch {
		case !probe.OneHost(ip):
			useless = append(useless, ip)
		case !slices.Contains(out, ip):
			out = append(out, ip)
		}
	}
	switch {
	case len(out) == 0 && len(useless) > 0:
		return none(diagnosis.UselessAddress, fmt.Errorf("the resolver gives %s, which is the address of no host; resolvers that block a name answer so", useless[0]))
	case len(out) == 0:
		return none(diagnosis.NoAddress, errNoName)
	case !r.allIPs:
		out = out[:1]
	}
	return resolved{out, &found, nil}
}

// resolved is what came of the name of a target.
type resolved struct {
	addrs  []netip.Addr      // to be probed
	lookup *diagnosis.Lookup // nil: none was needed
	err    error             // says for people why there is no address
}
