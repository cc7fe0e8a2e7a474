package main

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// The option sets of our SYN.
const (
	synLinux = "linux"
	synNone  = "none"
)

// The modes of exchange.
const (
	modeAuto   = "auto" // raw where that is allowed, and else kernel
	modeRaw    = "raw"
	modeKernel = "kernel"
)

// outputFormats are the extensions of --output, for the help.
const outputFormats = ".html .json .jsonl .md .ooni.jsonl .pcapng .txt"

// output says where results go.
type output struct {
	json    bool
	files   []string
	quiet   bool
	verbose bool // every packet, and in the result all that is known
	plan    bool // also why the packets are sent
	explain bool // also how the verdict came about
	noColor bool
	redact  *report.Redactor // nil: nothing is hidden
}

// options are the flags of a measurement, checked.
type options struct {
	output
	depth
	waiting
	naming
	tests          tests
	controls       []string
	controlAddress netip.Addr // invalid: none
	trace          diagnosis.TraceMode
	maxTTL         int
	repeat         int
	timeout        time.Duration // 0: derived from the round trip
	shape          payload.Shape
	profile        probe.Profile
	family         family
	allIPs         bool // probe every address of a name
	mode           string
	iface          string
	source         netip.Addr // invalid: as the system routes
	rate           int
	seed           uint64
	seedGiven      bool // rather than random
}

// outputFrom reads the output flags; check refuses files that could not be
// written.
func outputFrom(c *cli.Context, check func(path string) error) (output, error) {
	o := output{
		json: c.Bool("json"), files: c.StringSlice("output"),
		quiet: c.Bool("quiet"), noColor: c.Bool("no-color"), explain: c.Bool("explain"),
		plan: c.Bool("very-verbose"), verbose: c.Bool("verbose") || c.Bool("very-verbose"),
	}
	if c.IsSet("redact") {
		n := c.Int("redact")
		if n < 0 || n > maxMaxTTL {
			return o, usagef("--redact is %d: write how many hops to hide, from 0 (our own address only) to %d", n, maxMaxTTL)
		}
		o.redact = report.NewRedactor(n)
	}
	for _, path := range o.files {
		if err := cmp.Or(check(path), checkWritable(path)); err != nil {
			return o, usagef("--output: %w", err)
		}
	}
	return o, nil
}

// apart refuses to write over a file that is read: a capture or a result may be
// the only one there is. Links and other spellings are the same file.
func (o output) apart(inputs ...string) error {
	for _, path := range o.files {
		out, err := os.Stat(path)
		if err != nil {
			continue // it is yet to be made
		}
		for _, name := range inputs {
			if in, err := os.Stat(name); err == nil && name != "-" && os.SameFile(in, out) {
				return usagef("-o %s would replace %s, which is read: write another name", path, name)
			}
		}
	}
	return nil
}

// optionsFrom reads the flags of a measurement.
func (p *program) optionsFrom(c *cli.Context) (o options, err error) {
	if o.output, err = outputFrom(c, report.CheckPath); err != nil {
		return o, err
	}
	if o.tests, err = p.testsFrom(c); err != nil {
		return o, err
	}
	if o.controls, err = p.names(c.StringSlice("control")); err != nil {
		return o, usagef("--control: %w", err)
	}
	if o.controlAddress, err = address(c, "control-address"); err != nil {
		return o, err
	}
	if o.source, err = address(c, "source"); err != nil {
		return o, err
	}
	if o.family, err = familyFrom(c, o.source, o.controlAddress); err != nil {
		return o, err
	}
	o.allIPs = c.Bool("all-ips")
	o.iface = c.String("interface")
	if err := p.sys.checkLocal(o.iface, o.source); err != nil {
		return o, err
	}
	if o.shape, err = oneOf[payload.Shape](c, "hello"); err != nil {
		return o, err
	}
	synOptions, err := oneOf[string](c, "syn-options")
	if err != nil {
		return o, err
	}
	if synOptions == synNone {
		o.profile = probe.BareSYN
	}
	o.trace = diagnosis.TraceAlways // the trace command has no --trace
	if c.Command.Name != "trace" {
		if o.trace, err = oneOf[diagnosis.TraceMode](c, "trace"); err != nil {
			return o, err
		}
	}
	for _, n := range []struct {
		flag string
		to   *int
		max  int
	}{{"max-ttl", &o.maxTTL, maxMaxTTL}, {"repeat", &o.repeat, maxRepeat}, {"rate", &o.rate, maxRate}} {
		if *n.to = c.Int(n.flag); *n.to < 1 || *n.to > n.max {
			return o, usagef("--%s is %d: write a number from 1 to %d", n.flag, *n.to, n.max)
		}
	}
	if o.timeout = c.Duration("timeout"); o.timeout < 0 || (o.timeout == 0 && c.IsSet("timeout")) {
		return o, usagef("--timeout is %v: write a positive time such as 500ms or 2s", o.timeout)
	}
	if o.depth, err = depthFrom(c); err != nil {
		return o, err
	}
	if o.waiting, err = p.waitingFrom(c); err != nil {
		return o, err
	}
	if o.naming, err = p.namingFrom(c); err != nil {
		return o, err
	}
	o.seed, o.seedGiven = seed(c)
	o.mode, err = oneOf[string](c, "mode")
	return o, err
}

// seed is the one asked for, or a random one.
func seed(c *cli.Context) (seed uint64, given bool) {
	if c.IsSet("seed") {
		return c.Uint64("seed"), true
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return binary.NativeEndian.Uint64(b[:]), false
}

// address reads a flag that holds an address; invalid when it is not given.
func address(c *cli.Context, flag string) (netip.Addr, error) {
	s := c.String(flag)
	if !c.IsSet(flag) {
		return netip.Addr{}, nil
	}
	ip, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil || ip.IsUnspecified() || ip.IsMulticast() {
		return netip.Addr{}, usagef("--%s: %q is not the address of a host: write one such as 192.0.2.1 or 2001:db8::1", flag, s)
	}
	return ip.Unmap(), nil
}

// oneOf reads a flag that takes one of some words, an argv.WordFlag.
func oneOf[T ~string](c *cli.Context, flag string) (T, error) {
	got := c.String(flag)
	known := wordsOf(c.Command.Flags, flag)
	if slices.Contains(known, got) {
		return T(got), nil
	}
	hint := ""
	if near := argv.Nearest(got, known); near != "" {
		hint = "did you mean " + near + "? "
	}
	last := len(known) - 1
	return "", usagef("--%s: %q is not known: %swrite %s or %s", flag, got, hint, strings.Join(known[:last], ", "), known[last])
}

// family is an IP version; 0 leaves it to the system.
type family int

func familyOf(ip netip.Addr) family {
	switch {
	case ip.Is4():
		return 4
	case ip.Is6():
		return 6
	}
	return 0
}

// network is the family as the resolver of package net calls it.
func (f family) network() string {
	switch f {
	case 4:
		return "ip4"
	case 6:
		return "ip6"
	}
	return "ip"
}

// familyFrom is the IP version that -4 and -6 ask for, or that an address
// among the flags implies.
func familyFrom(c *cli.Context, source, control netip.Addr) (family, error) {
	f := family(0)
	switch v4, v6 := c.Bool("ipv4"), c.Bool("ipv6"); {
	case v4 && v6:
		return 0, usagef("-4 and -6 exclude each other: write one of them, or neither")
	case v4:
		f = 4
	case v6:
		f = 6
	}
	for _, a := range []struct {
		flag string
		ip   netip.Addr
	}{{"source", source}, {"control-address", control}} {
		implied := familyOf(a.ip)
		if implied != 0 && f != 0 && implied != f {
			return 0, usagef("--%s %s is no IPv%d address, which another flag asks for", a.flag, a.ip, f)
		}
		f = cmp.Or(f, implied)
	}
	return f, nil
}

// admits refuses a target whose address the flags do not fit.
func (o options) admits(t probe.Target) error {
	got := familyOf(t.IP)
	if o.family != 0 && got != 0 && got != o.family {
		return usagef("target %s is IPv%d, but the flags ask for IPv%d (-%d, or the address of --source or --control-address)", t.Input, got, o.family, o.family)
	}
	if got == 6 && t.IP.IsLinkLocalUnicast() && o.iface == "" {
		return usagef("target %s is reached by one interface only: write --interface NAME", t.Input)
	}
	return nil
}
