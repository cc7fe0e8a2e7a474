package main

import (
	"strconv"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/internal/wire/engine"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// settings are the flags that the measurement depends on, for the result: all
// but what is asked, which its tests tell.
func (o options) settings() []report.Setting {
	var out []report.Setting
	add := func(flag, value, standard string) {
		out = append(out, report.Setting{Name: flag, Value: value, Given: value != standard})
	}
	text := func(set bool, value string) string {
		if set {
			return value
		}
		return ""
	}
	on := strconv.FormatBool(true)
	syn := synLinux
	if o.profile == probe.BareSYN {
		syn = synNone
	}
	if len(o.controls) == 0 {
		add("control", "", "")
	}
	for _, name := range o.controls {
		add("control", name, "")
	}
	add("control-address", text(o.controlAddress.IsValid(), o.controlAddress.String()), "")
	add("hello", string(o.shape), string(payload.Plain))
	add("syn-options", syn, synLinux)
	add("repeat", strconv.Itoa(o.repeat), strconv.Itoa(defaultRepeat))
	add("trace", string(o.trace), string(diagnosis.TraceAuto))
	add("max-ttl", strconv.Itoa(o.maxTTL), strconv.Itoa(defaultMaxTTL))
	add("flows", strconv.Itoa(o.flows), strconv.Itoa(defaultFlows))
	add("characterize", text(o.characterize, on), "")
	add("mode", text(o.mode != modeAuto, o.mode), "") // the document says what auto came to
	implied := o.family == familyOf(o.source) || o.family == familyOf(o.controlAddress)
	add("ipv4", text(o.family == 4 && !implied, on), "")
	add("ipv6", text(o.family == 6 && !implied, on), "")
	add("interface", o.iface, "")
	add("source", text(o.source.IsValid(), o.source.String()), "")
	add("rate", strconv.Itoa(o.rate), strconv.Itoa(engine.DefaultRate))
	add("timeout", text(o.timeout > 0, o.timeout.String()), "")
	add("max-wait", o.maxWait.String(), defaultMaxWait.String())
	out = append(out, report.Setting{Name: "seed", Value: strconv.FormatUint(o.seed, 10), Given: o.seedGiven})
	return out
}
