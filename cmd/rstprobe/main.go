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
	os.Exit(run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr, thisMachine()))
}

// untilHangup ends with a closed terminal as well, unless the program was
// started by nohup. That is often told twice, by the system and by the shell.
func untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return ctx, func() {}
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}
