package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// errNoName means that a name has no address of the kind asked for.
var errNoName = errors.New("there is no such name, or it has no address")

// resolver asks for names and addresses, and nobody but whom it stands for.
type resolver struct{ net.Resolver }

// systemResolver is the one that the system has configured. A connection of it
// ends with its context: package net by itself goes on waiting for an answer.
var systemResolver = &resolver{net.Resolver{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		context.AfterFunc(ctx, func() { _ = conn.Close() })
	}
	return conn, err
}}}

// lookUp finds the addresses of a name; network is ip, ip4 or ip6. Its error
// says for people why there are none and who was asked, but not the name
// again; it is errNoName if there just are none.
func (r *resolver) lookUp(ctx context.Context, network, name string) ([]netip.Addr, error) {
	addrs, err := r.LookupNetIP(ctx, network, name)
	if unsuitable := (*net.AddrError)(nil); errors.As(err, &unsuitable) { // there are some, of the other family
		return nil, errNoName
	}
	dns := (*net.DNSError)(nil)
	if !errors.As(err, &dns) {
		return addrs, err
	}
	switch {
	case dns.IsNotFound:
		err = errNoName
	case dns.IsTimeout:
		err = errors.New("the resolver did not answer in time")
	case dns.Err == "server misbehaving": // as package net words SERVFAIL, REFUSED and the like
		err = errors.New("the resolver could not find out (server failure)")
	default:
		err = errors.New(dns.Err)
	}
	if dns.Server != "" {
		err = fmt.Errorf("%w (asked %s)", err, dns.Server)
	}
	return nil, err
}

// namesOf finds the names of an address by reverse DNS.
func (r *resolver) namesOf(ctx context.Context, ip netip.Addr) ([]string, error) {
	return r.LookupAddr(ctx, ip.String())
}
