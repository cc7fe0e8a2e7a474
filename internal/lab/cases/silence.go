package cases

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/probe"
)

// noAddr matches any address.
var noAddr netip.Addr

// bigPage makes the server's pages large enough for a cut by volume.
func bigPage(t *lab.Topology) { t.Server.Body = 64 << 10 }

// silenceModels let the name pass, and act on what follows on its connection.
func silenceModels() []model {
	hushed := []probe.Outcome{probe.Stall, probe.Drop}
	return []model{
		{name: "rewrite", doc: "a box lets the name pass and turns what the server answers into resets", outcome: reset, authors: inPath, causes: []probe.Cause{"M5"},
			box: flagged(func() middlebox.Box { return middlebox.Rewriter{} })},
		{name: "mute", doc: "a box lets the name pass and drops all that follows", outcome: hushed, authors: inPath,
			box: flagged(func() middlebox.Box { return &middlebox.Cut{} })},
		{name: "mute-after-one", doc: "a box lets the name and one packet more pass and drops all that follows", outcome: hushed, authors: inPath, causes: []probe.Cause{"M7"},
			box: flagged(func() middlebox.Box { return &middlebox.Cut{Pass: 1} })},
		{name: "mute-server", doc: "a box lets the name pass and drops what the server says", outcome: hushed, authors: inPath,
			box: flagged(func() middlebox.Box {
				return &middlebox.OneWay{Box: &middlebox.Cut{}, Only: middlebox.ToClient}
			})},
		{name: "headless", only: probe.Host, doc: "a box lets the name pass and drops the first segment of a page of 3 KiB", outcome: []probe.Outcome{probe.Stall}, authors: inPath, causes: []probe.Cause{"M7"},
			world: func(t *lab.Topology) { t.Server.Body = 3 << 10 },
			box: flagged(func() middlebox.Box {
				return &middlebox.Dropper{Match: middlebox.Contains("HTTP/1.1 200"), On: middlebox.ToClient}
			})},
		{name: "volume-cut", doc: "a box drops a connection that said the name after 16 KiB", outcome: []probe.Outcome{probe.Stall}, authors: inPath, causes: []probe.Cause{"M14"}, world: bigPage,
			box: flagged(func() middlebox.Box { return &middlebox.VolumeCut{After: 16 << 10} })},
		{name: "throttle", doc: "a box holds a connection that said the name to 16 kB/s", outcome: []probe.Outcome{probe.Stall}, authors: inPath, causes: []probe.Cause{"M10"}, world: bigPage,
			box: flagged(func() middlebox.Box {
				return &middlebox.Policer{Rate: 16_000, Burst: 6_000, On: middlebox.ToClient}
			})},
	}
}

// memoryModels remember whom they have reset.
func memoryModels() []model {
	remember := func(r middlebox.Residual) func(lab.Topology) middlebox.Box {
		return always(func() middlebox.Box {
			one := r
			one.Box = fresh(tap)
			during := tap
			during.Match = middlebox.HasData
			one.During = &during
			return &one
		})
	}
	return []model{
		{name: "residual-flow", doc: "a tap resets, and for 75 s whatever follows between the same ports", outcome: reset, authors: onPath, scope: residual.FourTuple,
			box: remember(middlebox.Residual{For: 75 * time.Second, Flow: true})},
		{name: "residual-address", doc: "a tap resets, and for 60 s whatever follows to the same port of the server", only: probe.SNI, outcome: reset, authors: onPath, scope: residual.ThreeTuple, maxWait: 20 * time.Minute, simulated: true,
			box: remember(middlebox.Residual{For: 60 * time.Second})},
		{name: "residual-extended", doc: "the same, and every packet that is blocked starts the time anew", only: probe.SNI, outcome: reset, authors: onPath, scope: residual.ThreeTuple, maxWait: 20 * time.Minute, simulated: true,
			box: remember(middlebox.Residual{For: 60 * time.Second, Extend: true})},
	}
}
