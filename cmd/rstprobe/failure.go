package main

import (
	"errors"
	"fmt"
	"os"
)

// The exit codes that are not those of a measurement (report.ExitCode).
const (
	exitOK          = 0
	exitFailure     = 1   // rstprobe itself failed
	exitUsage       = 2   // the command line cannot be carried out as it is
	exitPrivilege   = 3   // the mode asked for needs a privilege
	exitInterrupted = 130 // 128 + SIGINT, also after SIGTERM
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
