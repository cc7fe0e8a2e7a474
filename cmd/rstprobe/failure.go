package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// The exit codes that are not those of a measurement (report.ExitCode).
const (
	exitOK          = 0
	exitFailure     = 1   // rstprobe itself failed
	exitUsage       = 2   // the command line cannot be carried out as it is
	exitPrivilege   = 3   // the mode asked for needs a privilege
	exitInterrupted = 130 // 128 + SIGINT, also after SIGTERM and SIGHUP
)

// usageError is an error of the command line. It has no ExitCode method, on
// which urfave/cli would call os.Exit.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// openError means that there is no way to send packets, or no lab to send
// them in. A missing privilege is in the chain as os.ErrPermission.
type openError struct{ error }

func (e openError) Unwrap() error { return e.error }

// warn tells of what is no reason not to go on.
func (p *program) warn(err error) { fmt.Fprintf(p.stderr, "rstprobe: warning: %v\n", err) }

// interruptible reads a stream that may never say anything, until the context
// ends. It is for standard input, which ends with the process: a Read that was
// given up goes on.
type interruptible struct {
	ctx context.Context //nolint:containedctx // of the one run that reads
	r   io.Reader
	buf []byte // what is read into, since a Read that was given up may write later
}

func (i *interruptible) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	if len(i.buf) < len(b) {
		i.buf = make([]byte, len(b))
	}
	var n int
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		n, err = i.r.Read(i.buf[:len(b)])
	}()
	select {
	case <-done:
		return copy(b, i.buf[:n]), err
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	}
}

// checkWritable refuses a file in a directory in which none can be made. A full
// one is no reason not to measure: results are printed all the same.
func checkWritable(path string) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".rstprobe-*")
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("cannot write %q: no file can be made in %s: %w", path, filepath.Dir(path), errors.Unwrap(err))
	}
	if err != nil {
		return nil //nolint:nilerr // writing the result will tell, if it is still so
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// whyNoRoute is what is known about there being no route, for the end of a
// sentence.
func whyNoRoute(iface string) string {
	all, err := net.Interfaces()
	if err != nil {
		return ""
	}
	up := func(i net.Interface) bool { return i.Flags&net.FlagUp != 0 }
	if iface == "" {
		if !slices.ContainsFunc(all, func(i net.Interface) bool { return up(i) && i.Flags&net.FlagLoopback == 0 }) {
			return ": no interface is up"
		}
		return ""
	}
	if slices.ContainsFunc(all, func(i net.Interface) bool { return i.Name == iface && !up(i) }) {
		return " by interface " + iface + ": it is down"
	}
	return " by interface " + iface
}

// exitCode is the code for an error that ended the run.
func exitCode(err error) int {
	var usage usageError
	var open openError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &open) && errors.Is(open, os.ErrPermission):
		return exitPrivilege
	}
	return exitFailure
}
