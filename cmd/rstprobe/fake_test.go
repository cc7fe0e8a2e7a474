package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/probe"
)

// fakeSystem is a world without packets. What a diagnosis finds depends on
// the name of the target; see outcomes.
type fakeSystem struct {
	env      map[string]string
	terminal bool
	openErr  error
	demos    []cases.Case
	lines    []string               // that the engine traces, one per diagnosis
	signal   func()                 // called when a target waits for the end of the context
	during   func(diagnosis.Config) // called in every diagnosis; nil: not

	configs []diagnosis.Config // of every diagnosis
	opened  []sessionConfig
	closed  int
}

// errBroken is what the diagnosis of broken.example fails with.
var errBroken = errors.New("engine: wire broke")

var outcomes = map[string]probe.Overall{
	"clean.example": probe.Clean, "blocked.example": probe.Interference, "closed.example": probe.ServerRefuses,
	"down.example": probe.OverallUnreachable, "unsure.example": probe.OverallInconclusive, "broken.example": probe.OverallInconclusive,
}

func (f *fakeSystem) system() system {
	return system{
		getenv:     func(k string) string { return f.env[k] },
		isTerminal: func(any) bool { return f.terminal },
		lookUp:     f.lookUp,
		checkLocal: checkLocal,
		sourceFor: func(dst netip.Addr, _ string) (netip.Addr, error) {
			if dst == netip.MustParseAddr("198.51.100.1") {
				return netip.Addr{}, errNoRoute
			}
			if dst.Is6() {
				return netip.MustParseAddr("2001:db8::100"), nil
			}
			return netip.MustParseAddr("192.0.2.100"), nil
		},
		open: f.open, diagnose: f.diagnose, trace: f.diagnose,
		reexec: func() error { return nil },
		lab:    func(lab.Topology) (emulated, error) { return fakeLab{}, nil },
		cases:  func() []cases.Case { return f.demos },
	}
}

func (f *fakeSystem) lookUp(ctx context.Context, network, name string) ([]netip.Addr, error) {
	switch {
	case name == "waiting.example":
		f.signal()
		<-ctx.Done()
		return nil, ctx.Err()
	case outcomes[name] == "" && name != "interrupted.example":
		return nil, errors.New("no such host")
	case network == "ip6":
		return []netip.Addr{netip.MustParseAddr("2001:db8::7")}, nil
	}
	return []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}, nil
}

func (f *fakeSystem) open(cfg sessionConfig) (*session, error) {
	if f.openErr != nil {
		return nil, f.openErr
	}
	f.opened = append(f.opened, cfg)
	return &session{exchanger: noExchanger{}, close: func() error { f.closed++; return nil }}, nil
}

func (f *fakeSystem) diagnose(ctx context.Context, cfg diagnosis.Config) (diagnosis.Result, error) {
	f.configs = append(f.configs, cfg)
	cfg.Progress("asking")
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
		Source: cfg.Source, Outcome: outcomes[cfg.Target.Name],
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
var errDenied = fmt.Errorf("rawsock: raw sockets need CAP_NET_RAW: %w", os.ErrPermission)

// brokenWriter fails, like a full disk.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
