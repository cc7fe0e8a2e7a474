package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
)

// resolverOver is a resolver that reaches its servers by dial.
func resolverOver(dial func(context.Context) (net.Conn, error)) *resolver {
	return &resolver{net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}}
}

// TestSilentResolver: a server that never answers is silent, by the timeout of
// package net for one attempt, and by that for the whole; often, since which
// of two things comes first at the same time is left to chance.
func TestSilentResolver(t *testing.T) {
	refuse := resolverOver(func(context.Context) (net.Conn, error) { return nil, errBroken })
	_, _ = refuse.lookUp(t.Context(), "ip", "x.example.") // package net keeps a configuration, which must not be of a bubble
	for _, within := range []bool{false, true} {
		for range 20 {
			synctest.Test(t, func(t *testing.T) {
				r := resolverOver(func(ctx context.Context) (net.Conn, error) {
					ours, theirs := net.Pipe()
					go func() {
						_, _ = io.Copy(io.Discard, theirs) // until ours is closed
						_ = theirs.Close()
					}()
					endWith(ctx, ours)
					return ours, nil
				})
				ctx := t.Context()
				if within {
					var stop context.CancelFunc
					ctx, stop = context.WithTimeout(ctx, patience)
					defer stop()
				}
				found, err := r.lookUp(ctx, "ip", "silent.example.")
				if err == nil || !strings.HasPrefix(err.Error(), "the resolver did not answer in time") || found.Failure != diagnosis.ResolverSilent {
					t.Errorf("%v (%v), want silence", err, found.Failure)
				}
				if within && found.Duration > patience {
					t.Errorf("it took %v, want at most %v", found.Duration, patience)
				}
			})
		}
	}
}

// TestNoResolver: what the system says of its sockets, in words.
func TestNoResolver(t *testing.T) {
	t.Parallel()
	for errno, want := range map[syscall.Errno]string{
		syscall.ECONNREFUSED: "nothing answers DNS at the resolver's address (connection refused)",
		syscall.ENETUNREACH:  "this machine has no route to the resolver",
		syscall.EPERM:        "this machine forbids to ask the resolver",
	} {
		r := resolverOver(func(context.Context) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "udp", Err: fmt.Errorf("connect: %w", errno)}
		})
		if _, err := r.lookUp(t.Context(), "ip", "host.example."); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v: %v, want %q", errno, err, want)
		}
	}
}
