package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/doctor"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// fakeSystem is a world without packets. What a diagnosis finds depends on
// the name of the target; see outcomes.
type fakeSystem struct {
	env      map[string]string
	terminal bool
	openErr  error
	demos    []cases.Case
	lines    []string                                            // that the engine traces, one per diagnosis
	signal   func()                                              // called when a target waits for the end of the context
	during   func(diagnosis.Config)                              // called in every diagnosis; nil: not
	hops     []traceroute.Hop                                    // of every path
	names    func(context.Context, netip.Addr) ([]string, error) // reverse DNS; nil: knows none

	databases []string // directories with databases of networks

	facts doctor.Facts // of the machine

	configs  []diagnosis.Config // of every diagnosis
	examined doctor.Config
	opened   []sessionConfig
	closed   int
}

// errBroken is what the diagnosis of broken.example fails with.
var errBroken = errors.New("engine: wire broke")

var outcomes = map[string]probe.Overall{
	"clean.example": probe.Clean, "blocked.example": probe.Interference, "closed.example": probe.ServerRefuses,
	"v4only.example": probe.Clean, "many.example": probe.Clean, "sinkhole.example": probe.Clean,
	"down.example": probe.OverallUnreachable, "unsure.example": probe.OverallInconclusive, "broken.example": probe.OverallInconclusive,
}

func (f *fakeSystem) system() system {
	return system{
		getenv: func(k string) string { return f.env[k] },
		environ: func() (out []string) {
			for k, v := range f.env {
				out = append(out, k+"="+v)
			}
			return out
		},
		isTerminal:  func(any) bool { return f.terminal },
		columns:     func(any) int { return 80 },
		lookUp:      f.lookUp,
		namesOf:     f.namesOf,
		databases:   func() []string { return f.databases },
		checkLocal:  checkLocal,
		untilHangup: func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} },
		onLink:      func(netip.Addr) bool { return true },
		sourceFor: func(dst, _ netip.Addr, _ string) (netip.Addr, error) {
			switch dst {
			case netip.MustParseAddr("198.51.100.1"):
				return netip.Addr{}, errNoRoute
			case netip.MustParseAddr("198.51.100.3"):
				return netip.Addr{}, errBroken
			}
			if dst.Is6() {
				return netip.MustParseAddr("2001:db8::100"), nil
			}
			return netip.MustParseAddr("192.0.2.100"), nil
		},
		examine: func(_ context.Context, cfg doctor.Config) (doctor.Facts, error) {
			f.examined = cfg
			return f.facts, nil
		},
		lower: func() error { return nil }, drop: func(...string) error { return nil }, open: f.open, openKernel: f.openKernel, diagnose: f.diagnose, trace: f.diagnose,
		reexec: func() error { return nil },
		lab:    func(lab.Topology) (emulated, error) { return fakeLab{}, nil },
		cases:  func() []cases.Case { return f.demos },
	}
}

// lookUp takes 250 ms and asks 192.0.2.53.
func (f *fakeSystem) lookUp(ctx context.Context, network, name string) (diagnosis.Lookup, error) {
	addrs, err := f.resolve(ctx, network, name)
	found := diagnosis.Lookup{
		Started: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), Duration: 250 * time.Millisecond,
		Resolver: netip.MustParseAddrPort("192.0.2.53:53"), Answers: addrs,
	}
	switch {
	case errors.Is(err, errNoName):
		found.Failure = diagnosis.NoSuchName
	case err != nil:
		found.Failure = diagnosis.ResolverSilent
	}
	return found, err
}

func (f *fakeSystem) resolve(ctx context.Context, network, name string) ([]netip.Addr, error) {
	switch {
	case name == "waiting.example":
		f.signal()
		<-ctx.Done()
		return nil, ctx.Err()
	case name == "slow.example":
		return nil, errors.New("the resolver did not answer in time (asked 192.0.2.53:53)")
	case outcomes[name] == "" && name != "interrupted.example":
		return nil, errNoName
	case name == "sinkhole.example":
		return []netip.Addr{netip.IPv4Unspecified()}, nil
	case name == "v4only.example" && network != "ip6":
		return []netip.Addr{netip.MustParseAddr("192.0.2.8")}, nil
	case name == "v4only.example":
		return nil, errNoName
	case name == "many.example":
		return []netip.Addr{
			netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("192.0.2.9"),
			netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("192.0.2.10"),
		}, nil
	case network == "ip6":
		return []netip.Addr{netip.MustParseAddr("2001:db8::7")}, nil
	}
	return []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}, nil
}

func (f *fakeSystem) namesOf(ctx context.Context, ip netip.Addr) ([]string, error) {
	if f.names == nil {
		return nil, errNoName
	}
	return f.names(ctx, ip)
}

func (f *fakeSystem) open(cfgs []sessionConfig, _ func() error) ([]*session, error) {
	if f.openErr != nil {
		return nil, f.openErr
	}
	return f.openKernel(cfgs, nil)
}

func (f *fakeSystem) openKernel(cfgs []sessionConfig, _ func() error) ([]*session, error) {
	var sessions []*session
	for _, cfg := range cfgs {
		f.opened = append(f.opened, cfg)
		sessions = append(sessions, &session{exchanger: noExchanger{}, close: func() error { f.closed++; return nil }})
	}
	return sessions, nil
}

func (f *fakeSystem) diagnose(ctx context.Context, cfg diagnosis.Config) (diagnosis.Result, error) {
	f.configs = append(f.configs, cfg)
	cfg.Progress(diagnosis.Progress{Step: diagnosis.StepTests})
	if f.during != nil {
		f.during(cfg)
	}
	if trace := f.opened[0].trace; trace != nil {
		for _, l := range f.lines {
			trace(l)
		}
	}
	res := diagnosis.Result{
		Target: cfg.Target, Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Duration: time.Second,
		Source: cfg.Source, Outcome: outcomes[cfg.Target.Name], Path: traceroute.Path{Hops: f.hops},
	}
	for _, q := range cfg.Questions {
		res.Tests = append(res.Tests, diagnosis.Test{Kind: q.Kind, Name: q.Name})
	}
	switch cfg.Target.Name {
	case "interrupted.example":
		f.signal()
		<-ctx.Done()
		return res, ctx.Err()
	case "broken.example":
		return res, errBroken
	}
	return res, nil
}

type noExchanger struct{}

func (noExchanger) Exchange(_ context.Context, trials ...probe.Trial) ([]flow.Record, error) {
	return make([]flow.Record, len(trials)), errors.New("no network in this test")
}

type fakeLab struct{}

func (fakeLab) Client(f func() error) error { return f() }
func (fakeLab) Close() error                { return nil }

// ran is what one run of the command line did.
type ran struct {
	code           int
	stdout, stderr string
}

func (f *fakeSystem) run(ctx context.Context, stdin string, args ...string) ran {
	var out, errs bytes.Buffer
	code := run(ctx, append([]string{"rstprobe"}, args...), strings.NewReader(stdin), &out, &errs, f.system())
	return ran{code, out.String(), errs.String()}
}

// errDenied is what rawsock.Open says without CAP_NET_RAW.
var errDenied = fmt.Errorf("rawsock: open a raw socket: %w", syscall.EPERM)

// brokenWriter fails, like a full disk.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
