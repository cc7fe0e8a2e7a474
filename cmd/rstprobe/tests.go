package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/probe"
)

// portHTTP is the port on which plain HTTP is tested without being asked.
const portHTTP = 80

// tlsPorts are the ports on which a client speaks first, and speaks TLS
// (IANA Service Name and Transport Protocol Port Number Registry: https,
// nntps, submissions, ldaps, domain-s, ftps, telnets, imaps, pop3s, sips,
// and the customary 8443).
var tlsPorts = []uint16{443, 465, 563, 636, 853, 990, 992, 993, 995, 5061, 8443}

// tests are the questions that the flags ask about every target.
type tests struct {
	syn       bool
	sni, host nameTest
}

// nameTest is --sni or --host.
type nameTest struct {
	own   bool     // the target's own name
	off   bool     // not even by default
	names []string // other names
}

func (n nameTest) given() bool { return n.own || len(n.names) > 0 }

func (p *program) testsFrom(c *cli.Context) (t tests, err error) {
	t.syn = c.Bool("syn")
	for _, f := range []struct {
		flag string
		to   *nameTest
	}{{"sni", &t.sni}, {"host", &t.host}} {
		v := argv.Opt(c, f.flag)
		names, err := p.names(v.Values)
		if err != nil {
			return t, usagef("--%s: %w", f.flag, err)
		}
		*f.to = nameTest{own: v.Bare, off: v.Off, names: names}
	}
	return t, nil
}

// defaults reports whether the flags leave the choice to us.
func (t tests) defaults() bool { return !t.syn && !t.sni.given() && !t.host.given() }

// questions are what is asked about one target: the tests given, else those
// that fit the port.
func (t tests) questions(target probe.Target) ([]diagnosis.Question, error) {
	var qs []diagnosis.Question
	add := func(kind probe.Kind, name string) {
		if q := (diagnosis.Question{Kind: kind, Name: name}); !slices.Contains(qs, q) {
			qs = append(qs, q)
		}
	}
	defaults := t.defaults()
	if t.syn || defaults {
		add(probe.SYN, "")
	}
	plain := target.HTTP || target.Port == portHTTP && !target.HTTPS
	for _, k := range []struct {
		kind    probe.Kind
		test    nameTest
		natural bool // asked by default
	}{
		{probe.SNI, t.sni, target.HTTPS || !plain && slices.Contains(tlsPorts, target.Port)},
		{probe.Host, t.host, plain},
	} {
		own := k.test.own
		if defaults && k.natural && !k.test.off && target.Name != "" {
			own = true
		}
		if own {
			if target.Name == "" {
				return nil, noName(k.kind, target)
			}
			add(k.kind, target.Name)
		}
		for _, name := range k.test.names {
			add(k.kind, name)
		}
	}
	return qs, nil
}

// traced is the one payload whose path is shown: the one given, else the one
// that fits the port best.
func (t tests) traced(target probe.Target) ([]diagnosis.Question, error) {
	qs, err := t.questions(target)
	if err != nil {
		return nil, err
	}
	if len(qs) > 1 && !t.defaults() {
		return nil, usagef("trace shows the path of one payload: write one of --syn, --sni=NAME and --host=NAME")
	}
	return qs[len(qs)-1:], nil
}

// noName is the error for a bare flag and a target without a name.
func noName(kind probe.Kind, t probe.Target) error {
	return usagef("--%s alone tests the target's own name, and %s has none: write --%s=NAME, or NAME:%d@%s",
		kind, t.Input, kind, t.Port, t.IP)
}

// checkControls refuses a control name that is tested: nothing would differ.
func checkControls(controls []string, qs []diagnosis.Question) error {
	for _, q := range qs {
		if q.Kind != probe.SYN && slices.Contains(controls, q.Name) {
			return usagef("--control=%s is also the test name, so nothing would differ: write another harmless name", q.Name)
		}
	}
	return nil
}
