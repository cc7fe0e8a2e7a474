package diagnosis

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/probe"
)

// Variant is one way of saying the name, or of sending it, and what became of
// it: a row of the matrix that shows what exactly triggers.
type Variant struct {
	Name  string // a word for scripts, such as "upper_case"
	Doc   string // what was sent
	Acted int    // trials that met another end than the control in the same form
	Total int    // trials that tell something: those in which they, or the control in the same form, were answered somehow
	Ends  []probe.Outcome
}

// variant is a row still to be filled.
type variant struct {
	name, doc string
	change    func(t *probe.Trial, name string) // makes the trial of it from a usual one
	// says is the name that it says; nil: the test name itself. The control
	// says something of the same form.
	says func(name string) string
}

// characterize tries the test name in every form, each against a control of
// the same form; nil where each trial would be in the way of the next one.
func (n *nameQuestion) characterize() ([]Variant, error) {
	if n.lasting() || n.poisoned() {
		return nil, nil
	}
	n.begin(StepForms)
	var trials []probe.Trial
	variants := n.variants()
	for _, v := range variants {
		for i := range n.cfg.Repeat + 1 {
			name, role := n.q.Name, probe.Test
			if i == n.cfg.Repeat {
				name, role = n.controls[0], probe.Control
			}
			if v.says != nil {
				name = v.says(name)
			}
			st := n.stimulus(n.q, name) // of its natural length: the forms differ in theirs
			t := n.trial(n.remote, st, role)
			t.Watch = n.grace()
			v.change(&t, name)
			trials = append(trials, t)
		}
	}
	recs, err := n.exchange(trials)
	if err != nil || n.ctx.Err() != nil {
		return nil, err
	}
	var rows []Variant
	for i, v := range variants {
		of := recs[i*(n.cfg.Repeat+1) : (i+1)*(n.cfg.Repeat+1)]
		row := Variant{Name: v.name, Doc: v.doc, Ends: []probe.Outcome{}}
		control := observe(of[n.cfg.Repeat:])
		tests := observe(of[:n.cfg.Repeat])
		for _, o := range tests {
			if len(control) == 0 || silent(control[0]) && silent(o) {
				continue // silence on both sides tells nothing
			}
			row.Total++
			row.Ends = append(row.Ends, o.Outcome)
			if metOtherEnd(o, control[0]) {
				row.Acted++
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// silent reports whether nothing came that a test could be held against.
func silent(o probe.Observation) bool { return o.Outcome == probe.Drop || o.Outcome == probe.Stall }

// metOtherEnd reports whether a trial ended otherwise than its control: in
// another way, or by packets from another distance.
func metOtherEnd(o, control probe.Observation) bool {
	from := func(o probe.Observation) []uint8 {
		var ttls []uint8
		for _, s := range slices.Concat(o.Resets, o.FINs) {
			ttls = append(ttls, s.Packet.TTL)
		}
		slices.Sort(ttls)
		return slices.Compact(ttls)
	}
	if worked(o) != worked(control) || o.Outcome != control.Outcome && !worked(o) {
		return true
	}
	return !worked(o) && !slices.Equal(from(o), from(control))
}

// variants are the rows that make sense for the question.
func (n *nameQuestion) variants() []variant {
	form := func(f probe.Form) func(*probe.Trial, string) {
		return func(t *probe.Trial, _ string) { t.Stimulus.Form = f }
	}
	plain := func(*probe.Trial, string) {}
	all := []variant{
		{"exact", "the name as it is", plain, nil},
		{string(probe.UpperCase), "in capitals", form(probe.UpperCase), nil},
		{string(probe.TrailingDot), "with the root's dot", form(probe.TrailingDot), nil},
		{"subdomain", "a name below it", plain, func(s string) string { return "www." + s }},
		{"glued", "a name that merely ends in it", plain, func(s string) string { return "x" + s }},
		{"prefix", "a name that begins with it", plain, func(s string) string { return s + ".example.net" }},
		{"two_segments", "cut inside the name into two TCP segments", n.cut(0), nil},
		{"two_segments_slow", "the same, the second 200 ms later", n.cut(200 * time.Millisecond), nil},
		{"no_handshake", "without a handshake", func(t *probe.Trial, _ string) { t.Unconnected = true }, nil},
		{"twice", "sent again at once, as a retransmission", func(t *probe.Trial, _ string) { t.Twice = true }, nil},
		{"bare_syn", "on a connection opened without TCP options", func(t *probe.Trial, _ string) { t.Profile = probe.BareSYN }, nil},
		{"other_port", fmt.Sprintf("to port %d, in the manner of that port", n.otherPort().Port()), func(t *probe.Trial, _ string) {
			t.Remote, t.Stimulus.Kind = n.otherPort(), probe.SNI
			if t.Remote.Port() == 80 {
				t.Stimulus.Kind = probe.Host
			}
		}, nil},
	}
	switch n.q.Kind {
	case probe.SNI:
		all = append(all,
			variant{string(probe.TLSRecords), "cut inside the name into two TLS records", form(probe.TLSRecords), nil},
			variant{string(probe.InPadding), "in the padding, under a control's server name", form(probe.InPadding), nil},
			variant{"as_host", "as the Host of an HTTP request to the same port", kind(probe.Host), nil})
	case probe.Host:
		all = append(all,
			variant{string(probe.NameInPath), "in the path, under a control's Host", form(probe.NameInPath), nil},
			variant{string(probe.AbsoluteForm), "as an absolute request target", form(probe.AbsoluteForm), nil},
			variant{"as_sni", "as the server name of a ClientHello to the same port", kind(probe.SNI), nil})
	case probe.SYN, probe.ACK:
	}
	if a := n.cfg.ControlAddress; a.IsValid() {
		to := netip.AddrPortFrom(a, n.remote.Port())
		all = append(all, variant{"other_address", "to the control address", func(t *probe.Trial, _ string) { t.Remote = to }, nil})
	}
	return slices.DeleteFunc(all, func(v variant) bool {
		return v.says != nil && payload.CheckName(v.says(n.q.Name)) != nil
	})
}

func kind(k probe.Kind) func(*probe.Trial, string) {
	return func(t *probe.Trial, _ string) { t.Stimulus.Kind = k }
}

// cut splits the stimulus in the middle of the name.
func (n *nameQuestion) cut(gap time.Duration) func(*probe.Trial, string) {
	return func(t *probe.Trial, name string) {
		b, err := t.Stimulus.Bytes(0)
		if err != nil {
			return // the trial reports it
		}
		if at, ok := payload.NameMiddle(b, name); ok {
			t.Split, t.SplitGap = []int{at}, gap
		}
	}
}
