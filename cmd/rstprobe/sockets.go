package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/rstprobe/rstprobe/internal/wire/kernelconn"
	"github.com/rstprobe/rstprobe/probe"
)

// openSessions opens a session for each configuration in the mode that was
// asked for: raw sockets, or ordinary ones, or these where those are not
// allowed.
func (r *measurement) openSessions(cfgs []sessionConfig, drop func() error) ([]*session, error) {
	if r.mode != modeKernel {
		sessions, err := r.sys.open(cfgs, drop)
		if r.mode == modeRaw || !errors.Is(err, os.ErrPermission) {
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
