package main

import (
	"context"
	"net/netip"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/watch/exporter"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// probeOnce answers a request of /probe: within seconds, so the path is not
// searched and nothing is waited for, and when it is the turn of the target.
// It is one of the runs that may be under way at a time, and so no more packets
// leave than without it.
func (w *watching) probeOnce(ctx context.Context, r exporter.Request) (doc report.Document, err error) {
	o := w.options
	o.controls, o.controlAddress = r.Check.Controls, r.Check.ControlAddress
	o.trace, o.maxWait, o.characterize, o.flows, o.reverse = diagnosis.TraceNever, 0, false, 1, false
	if turn := w.watcher.Alone(ctx, r.Check.Target.Host, func() {
		var refused error
		doc, err = w.carryOut(ctx, r.Check, o, admitted(w.sys.lookUp, r.Admit, &refused))
		if refused != nil {
			err = refused
		}
	}); turn != nil {
		return doc, exporter.ErrBusy
	}
	if err == nil {
		w.metrics.Probed(doc)
	}
	return doc, err
}

// admitted asks like ask, and gives only addresses that may be probed. If that
// leaves none of them, refused is why.
func admitted(ask lookUpFunc, admit func(netip.Addr) error, refused *error) lookUpFunc {
	return func(ctx context.Context, network, name string) (diagnosis.Lookup, error) {
		found, err := ask(ctx, network, name)
		var allowed []netip.Addr
		for _, ip := range found.Answers {
			if why := admit(ip); why != nil && probe.OneHost(ip) { // of others, the run itself says what they mean
				*refused = why
				continue
			}
			allowed = append(allowed, ip)
		}
		if len(allowed) > 0 {
			*refused = nil
		}
		found.Answers = allowed
		return found, err
	}
}
