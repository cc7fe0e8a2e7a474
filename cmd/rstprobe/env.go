package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/internal/lab/netlab"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire/engine"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/internal/wire/rawsock"
)

// guardedPorts is how many local ports a session keeps the kernel from
// answering on. Flows to one server lease one port each, and as boxes and
// servers remember flows, none is used twice as long as there are others.
const guardedPorts = 256

// system is the world outside the program; tests bring their own.
type system struct {
	getenv     func(string) string
	isTerminal func(stream any) bool
	lookUp     func(ctx context.Context, network, name string) ([]netip.Addr, error)
	checkLocal func(iface string, source netip.Addr) error            // --interface and --source
	sourceFor  func(dst netip.Addr, iface string) (netip.Addr, error) // errNoRoute when there is none
	open       func(sessionConfig) (*session, error)
	diagnose   ask
	trace      ask
	reexec     func() error // makes sure that lab may be called; see netlab.Reexec
	lab        func(lab.Topology) (emulated, error)
	cases      func() []cases.Case // the first is the default
}

// sessionConfig is how packets are to leave.
type sessionConfig struct {
	source  netip.Addr
	iface   string
	rate    int // packets per second
	seed    uint64
	packets *pcapio.Log
	shun    func(packet.Key) bool // flows that the ledger has as blocked
	trace   func(line string)     // told every packet; nil: nobody
}

// emulated is a path in network namespaces; see netlab.Net.
type emulated interface {
	Client(func() error) error
	Close() error
}

var errNoRoute = errors.New("no route")

// thisMachine is the real system. It is the only place that picks an
// exchanger.
func thisMachine() system {
	return system{
		getenv: os.Getenv,
		isTerminal: func(stream any) bool {
			f, ok := stream.(*os.File)
			return ok && term.IsTerminal(int(f.Fd())) //nolint:gosec // a descriptor fits
		},
		lookUp:     lookUp,
		checkLocal: checkLocal,
		sourceFor: func(dst netip.Addr, iface string) (netip.Addr, error) {
			ip, err := rawsock.SourceFor(dst, iface)
			if errors.Is(err, rawsock.ErrNoRoute) {
				err = fmt.Errorf("%w: %w", errNoRoute, err)
			}
			return ip, err
		},
		open:     openRaw,
		diagnose: diagnosis.Run,
		trace:    diagnosis.Trace,
		reexec:   netlab.Reexec,
		lab:      func(top lab.Topology) (emulated, error) { return netlab.New(top) },
		cases:    cases.All,
	}
}

// lookUp asks the system's resolver. Its error says why and whom it asked,
// but not the name again.
func lookUp(ctx context.Context, network, name string) ([]netip.Addr, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, network, name)
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		err = errors.New(dns.Err)
		if dns.Server != "" {
			err = fmt.Errorf("%s (asked %s)", dns.Err, dns.Server)
		}
	}
	return addrs, err
}

// openRaw opens raw sockets and an engine over them.
func openRaw(cfg sessionConfig) (*session, error) {
	conn, err := rawsock.Open(rawsock.Config{Source: cfg.source, Interface: cfg.iface, Ports: guardedPorts})
	if err != nil {
		return nil, err
	}
	e, err := engine.New(engine.Config{
		Wire: conn, Source: cfg.source, Ports: conn.Ports(),
		Rate: cfg.rate, Seed: cfg.seed, Shun: cfg.shun, Log: cfg.packets, Trace: cfg.trace,
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &session{exchanger: e, close: e.Close}, nil
}

// checkLocal refuses an interface or a source address that this machine does
// not have.
func checkLocal(iface string, source netip.Addr) error {
	if iface != "" {
		if _, err := net.InterfaceByName(iface); err != nil {
			all, listErr := net.Interfaces()
			if listErr != nil {
				return listErr
			}
			var names []string
			for _, i := range all {
				names = append(names, i.Name)
			}
			return usagef("--interface: there is no %q: write one of %s", iface, strings.Join(names, ", "))
		}
	}
	if !source.IsValid() {
		return nil
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == source.WithZone("") {
			return nil
		}
	}
	return usagef("--source: %s is not an address of this machine", source)
}
