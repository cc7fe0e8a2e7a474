package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
)

// errNoName means that a name has no address of the kind asked for.
var errNoName = errors.New("there is no such name, or it has no address")

// resolver asks for names and addresses, and nobody but whom it stands for.
type resolver struct{ net.Resolver }

// systemResolver is the one that the system has configured.
var systemResolver = &resolver{net.Resolver{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		endWith(ctx, conn)
	}
	return conn, err
}}}

// endWith ends a connection with its context: package net by itself goes on
// waiting for an answer. It does keep deadlines, and to close the connection
// then as well would make of some of them errors of a closed connection.
func endWith(ctx context.Context, conn net.Conn) {
	context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			_ = conn.Close()
		}
	})
}

// lookUp finds the addresses of a name, IPv4 ones as such; network is ip, ip4
// or ip6. Its error says for people why there are none and who was asked, but not the name
// again; it is errNoName if there just are none.
func (r *resolver) lookUp(ctx context.Context, network, name string) (diagnosis.Lookup, error) {
	var asked atomic.Value // netip.AddrPort; IPv4 and IPv6 addresses are asked for at the same time
	noting := net.Resolver{PreferGo: r.PreferGo, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := r.Dial(ctx, network, address)
		if err == nil {
			if server, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
				asked.Store(server)
			}
		}
		return conn, err
	}}
	found := diagnosis.Lookup{Started: time.Now()}
	addrs, err := noting.LookupNetIP(ctx, network, name)
	found.Duration = time.Since(found.Started)
	found.Resolver, _ = asked.Load().(netip.AddrPort)
	for _, a := range addrs {
		found.Answers = append(found.Answers, a.Unmap())
	}
	if err == nil {
		return found, nil
	}
	found.Failure, err = whyNot(ctx, err)
	return found, err
}

// whyNot is why package net did not resolve a name, for machines and for
// people.
func whyNot(ctx context.Context, err error) (diagnosis.LookupFailure, error) {
	if unsuitable := (*net.AddrError)(nil); errors.As(err, &unsuitable) { // there are some, of the other family
		return diagnosis.NoAddress, errNoName
	}
	dns := (*net.DNSError)(nil)
	if !errors.As(err, &dns) {
		dns = &net.DNSError{Err: err.Error()}
	}
	failure := diagnosis.LookupFails
	switch {
	case dns.IsNotFound:
		failure, err = diagnosis.NoSuchName, errNoName
	case dns.IsTimeout:
		failure, err = diagnosis.ResolverSilent, errors.New("the resolver did not answer in time")
	case dns.Err == "server misbehaving": // as package net words SERVFAIL, REFUSED and the like
		failure, err = diagnosis.ResolverFails, errors.New("the resolver could not find out (server failure)")
	case errors.Is(ctx.Err(), context.Canceled):
		failure, err = diagnosis.LookupInterrupted, ctx.Err()
	default:
		err = errors.New(plainly(dns.Err))
	}
	if dns.Server != "" {
		err = fmt.Errorf("%w (asked %s)", err, dns.Server)
	}
	return failure, err
}

// plainly puts what package net says of its sockets, which is text only, into
// words for people.
func plainly(said string) string {
	for errno, words := range map[syscall.Errno]string{
		syscall.ECONNREFUSED: "nothing answers DNS at the resolver's address (connection refused): see /etc/resolv.conf, or write name:port@address",
		syscall.ENETUNREACH:  "this machine has no route to the resolver: see /etc/resolv.conf, or write name:port@address",
		syscall.EHOSTUNREACH: "this machine has no route to the resolver: see /etc/resolv.conf, or write name:port@address",
		syscall.EPERM:        "this machine forbids to ask the resolver (operation not permitted): see sudo nft list ruleset",
	} {
		if strings.HasSuffix(said, errno.Error()) {
			return words
		}
	}
	return said
}

// namesOf finds the names of an address by reverse DNS.
func (r *resolver) namesOf(ctx context.Context, ip netip.Addr) ([]string, error) {
	return r.LookupAddr(ctx, ip.String())
}
