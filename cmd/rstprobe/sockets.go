package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/rstprobe/rstprobe/internal/doctor"
	"github.com/rstprobe/rstprobe/internal/wire/kernelconn"
	"github.com/rstprobe/rstprobe/internal/wire/rawsock"
	"github.com/rstprobe/rstprobe/probe"
)

// openSessions opens a session for each configuration in the mode that was
// asked for: raw sockets, or ordinary ones, or these where those are not
// allowed.
func (r *measurement) openSessions(cfgs []sessionConfig, drop func() error) ([]*session, error) {
	if r.mode != modeKernel {
		sessions, err := r.sys.open(cfgs, drop)
		denied := errors.Is(err, os.ErrPermission)
		if denied {
			err = permissionError{err}
		}
		if r.mode == modeRaw || !denied && !errors.Is(err, rawsock.ErrFiles) && !errors.Is(err, errors.ErrUnsupported) {
			return sessions, err
		}
		r.bar.clear()
		fmt.Fprintf(r.stderr, "rstprobe: ordinary sockets are used, which show less (--mode kernel), since %v\n", err)
	}
	if r.profile == probe.BareSYN {
		return nil, usagef("--syn-options none needs raw sockets: the options of an ordinary socket's SYN are the system's")
	}
	for _, path := range r.files {
		if strings.HasSuffix(path, ".pcapng") {
			r.warn(fmt.Errorf("%s will hold no packets: ordinary sockets show none", path))
		}
	}
	r.sink.meta.Mode = modeKernel
	return r.sys.openKernel(cfgs, drop)
}

// permissionError is a raw socket that the system refused to open. The command
// that mends it stands last, on a line of its own, to be copied.
type permissionError struct{ error }

func (e permissionError) Unwrap() error { return e.error }

func (e permissionError) Error() string {
	program, err := os.Executable()
	if err != nil {
		program = "/path/to/rstprobe"
	}
	reason := os.ErrPermission
	if errno := syscall.Errno(0); errors.As(e.error, &errno) {
		reason = errno
	}
	return fmt.Sprintf("raw sockets need CAP_NET_RAW (%v): run as root, or once:\n  %s", reason, doctor.Setcap(program))
}

// openKernel opens an exchanger on ordinary sockets for each address.
func openKernel(cfgs []sessionConfig, drop func() error) ([]*session, error) {
	if err := drop(); err != nil {
		return nil, err
	}
	var sessions []*session
	for _, cfg := range cfgs {
		x, err := kernelconn.New(kernelconn.Config{
			Source: cfg.source, Interface: cfg.iface, Rate: cfg.rate, Shun: cfg.shun, Trace: cfg.trace,
		})
		if err != nil {
			return nil, err
		}
		sessions = append(sessions, &session{exchanger: x, close: func() error { return nil }})
	}
	return sessions, nil
}
