package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/doctor"
	"github.com/rstprobe/rstprobe/internal/hopinfo"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/internal/lab/netlab"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/privilege"
	"github.com/rstprobe/rstprobe/internal/wire/engine"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/internal/wire/rawsock"
)

// guardedPorts is how many local ports a session keeps the kernel from
// answering on, where it may open as many files. Flows to one server lease one port each, and as boxes and
// servers remember flows, none is used twice as long as there are others.
const guardedPorts = 256

// system is the world outside the program; tests bring their own.
type system struct {
	getenv     func(string) string
	environ    func() []string // NAME=VALUE
	isTerminal func(stream any) bool
	columns    func(stream any) int // of a terminal, now
	lookUp     func(ctx context.Context, network, name string) (diagnosis.Lookup, error)
	namesOf    func(context.Context, netip.Addr) ([]string, error) // reverse DNS
	databases  func() []string                                     // directories; see hopinfo.Dirs
	checkLocal func(iface string, source netip.Addr) error         // --interface and --source
	// sourceFor is our address toward dst; from is that address where it is
	// chosen already. errNoRoute and errBroadcast say why there is none.
	sourceFor func(dst, from netip.Addr, iface string) (netip.Addr, error)
	lower     func() error // see package privilege
	drop      func(paths ...string) error
	// open opens one session for each; it calls drop when all sockets are
	// open and nothing was read from them yet.
	untilHangup func(context.Context) (context.Context, context.CancelFunc) // ends with a closed terminal, too
	onLink      func(netip.Addr) bool                                       // it is in a network that this machine is attached to
	open        func(cfgs []sessionConfig, drop func() error) ([]*session, error)
	openKernel  func(cfgs []sessionConfig, drop func() error) ([]*session, error) // likewise, on ordinary sockets
	examine     func(context.Context, doctor.Config) (doctor.Facts, error)
	diagnose    ask
	trace       ask
	reexec      func() error // makes sure that lab may be called; see netlab.Reexec
	lab         func(lab.Topology) (emulated, error)
	cases       func() []cases.Case // the first is the default

	systemConfig string // path of the configuration file of all users; "": none
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

var (
	errNoRoute   = errors.New("no route")
	errBroadcast = errors.New("a broadcast address")
)

// thisMachine is the real system. It is the only place that picks an
// exchanger.
func thisMachine() system {
	return system{
		getenv:  os.Getenv,
		environ: os.Environ,
		isTerminal: func(stream any) bool {
			f, ok := stream.(*os.File)
			return ok && term.IsTerminal(int(f.Fd())) //nolint:gosec // a descriptor fits
		},
		columns:    columns,
		lookUp:     systemResolver.lookUp,
		namesOf:    systemResolver.namesOf,
		databases:  func() []string { return hopinfo.Dirs(os.Getenv) },
		checkLocal: checkLocal,
		sourceFor: func(dst, from netip.Addr, iface string) (netip.Addr, error) {
			ip, err := rawsock.SourceFor(dst, from, iface)
			switch {
			case errors.Is(err, rawsock.ErrNoRoute):
				err = fmt.Errorf("%w: %w", errNoRoute, err)
			case errors.Is(err, rawsock.ErrBroadcast):
				err = fmt.Errorf("%w: %w", errBroadcast, err)
			}
			return ip, err
		},
		lower:       privilege.Lower,
		drop:        privilege.Drop,
		untilHangup: untilHangup,
		onLink:      onLink,
		open:        openRaw, openKernel: openKernel,
		examine:  examineMachine,
		diagnose: diagnosis.Run,
		trace:    diagnosis.Trace,
		reexec:   netlab.Reexec,
		lab:      func(top lab.Topology) (emulated, error) { return netlab.New(top) },
		cases:    cases.All,

		systemConfig: systemConfigPath,
	}
}

// columns is the width of a terminal; 80 where it does not tell, as a serial
// line does not.
func columns(stream any) int {
	if f, ok := stream.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 { //nolint:gosec // a descriptor fits
			return width
		}
	}
	return 80
}

// openRaw opens raw sockets and an engine over those of each address.
func openRaw(cfgs []sessionConfig, drop func() error) (_ []*session, err error) {
	var closers []io.Closer
	defer func() {
		if err != nil {
			for _, c := range closers {
				err = errors.Join(err, c.Close())
			}
		}
	}()
	if len(cfgs) == 0 {
		return nil, drop()
	}
	ports, err := rawsock.Room(guardedPorts, len(cfgs))
	if err != nil {
		return nil, err // before privileges are given up: there is another mode
	}
	conns := make([]*rawsock.Conn, len(cfgs))
	err = privilege.Raise(func() (err error) {
		for i, cfg := range cfgs {
			conns[i], err = rawsock.Open(rawsock.Config{Source: cfg.source, Interface: cfg.iface, Ports: ports})
			if err != nil {
				return err
			}
			closers = append(closers, conns[i])
		}
		return nil
	})
	if err = errors.Join(err, drop()); err != nil {
		return nil, err
	}
	sessions := make([]*session, len(cfgs))
	for i, cfg := range cfgs {
		e, err := engine.New(engine.Config{
			Wire: conns[i], Source: cfg.source, Ports: conns[i].Ports(),
			Rate: cfg.rate, Seed: cfg.seed, Shun: cfg.shun, Log: cfg.packets, Trace: cfg.trace,
		})
		if err != nil {
			return nil, err
		}
		closers[i] = e // closes its wire, too
		sessions[i] = &session{exchanger: e, close: e.Close}
	}
	return sessions, nil
}

// onLink reports whether an address is in one of the networks that this
// machine is attached to, or cannot be said not to be.
func onLink(ip netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		return true
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Masked().Contains(ip)
	})
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
