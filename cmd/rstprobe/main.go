// Command rstprobe finds out which packets a network resets, drops or
// answers itself, says who does it and at which hop.
//
// This package is wiring: it reads the command line, chooses how packets are
// exchanged (env.go, and only there) and writes results. Standard output
// holds the result and nothing else.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// Files are written even when nobody reads standard output any more, so
	// writing to it is an error instead.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the run in order, a second one at once.
	context.AfterFunc(ctx, stop)
	// So does a terminal that is closed, unless it was started by nohup; but
	// that is often told twice, by the system and by the shell.
	stopHearing := func() {}
	if !signal.Ignored(syscall.SIGHUP) {
		ctx, stopHearing = signal.NotifyContext(ctx, syscall.SIGHUP)
	}
	code := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr, thisMachine())
	stopHearing()
	os.Exit(code)
}
