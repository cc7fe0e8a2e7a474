package report

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/explain/sweep"
)

// Sweep is a TTL-limited sweep held against its control.
type Sweep struct {
	ControlFile string         `json:"control_file"` // as typed
	Server      netip.AddrPort `json:"server"`
	Test        Test           `json:"test"`
	Path        Path           `json:"path"`
	Hits        List[Hits]     `json:"hits"` // ascending by TTL
	Rounds      int            `json:"rounds"`
	Controls    int            `json:"controls"`
	Ignored     int            `json:"ignored"` // connections that belong to neither sweep
}

// SweepLocation is where a captured sweep places a box.
type SweepLocation struct {
	Location
	Hits List[Hits] `json:"hits"`
}

// Hits is what the copies with one TTL met.
type Hits struct {
	TTL            int `json:"ttl"`
	Copies         int `json:"copies"`
	Hits           int `json:"hits"`
	Expired        int `json:"expired"`
	Served         int `json:"served"`
	ControlCopies  int `json:"control_copies"`
	ControlHits    int `json:"control_hits"`
	ControlExpired int `json:"control_expired"`
	ControlServed  int `json:"control_served"`
}

// WithSweep is c with what it and a control show together. The verdict is
// then about the sweep: a control says more than any single reset.
func (c Capture) WithSweep(res sweep.Result, controlFile string) Capture {
	d := New(diagnosis.Result{
		Outcome: res.Outcome, Summary: res.Summary, Path: res.Path,
		Tests: []diagnosis.Test{{
			Kind: res.Kind, Name: res.Name, ControlNames: []string{res.Control},
			Verdict: res.Verdict, Location: res.Location, Boxes: res.Boxes,
		}},
	}, Meta{})
	s := Sweep{
		ControlFile: controlFile, Server: res.Server, Test: d.Tests[0], Path: d.Path,
		Hits: List[Hits]{}, Rounds: res.Rounds, Controls: res.Controls, Ignored: res.Ignored,
	}
	if s.Path.ServerTTL > 0 {
		s.Path.ServerIP = s.Server.Addr()
	}
	for _, t := range res.Steps {
		s.Hits = append(s.Hits, Hits{
			TTL: t.TTL, Copies: t.Test.Copies, Hits: t.Test.Hits, Expired: t.Test.Expired, Served: t.Test.Served,
			ControlCopies: t.Control.Copies, ControlHits: t.Control.Hits, ControlExpired: t.Control.Expired, ControlServed: t.Control.Served,
		})
	}
	c.Sweep, c.Location = &s, nil
	if l := s.Test.Location; l != nil {
		c.Location = &SweepLocation{Location: *l, Hits: s.Hits}
	}
	c.Verdict = CaptureVerdict{Outcome: d.Verdict.Outcome, Summary: d.Verdict.Summary, SummaryZH: res.Chinese}
	return c
}

// document is the sweep as the live diagnosis that it stands for, so that
// both read alike.
func (s *Sweep) document() Document { return Document{Tests: List[Test]{s.Test}, Path: s.Path} }

// title names the sweep.
func (s *Sweep) title() string {
	return fmt.Sprintf("Sweep to %s: %s; %s, %s of the control %s", s.Server, s.Test.title(),
		count(s.Rounds, "run", "runs"), count(s.Controls, "run", "runs"), s.ControlFile)
}

// hits says at which TTLs copies were hit.
func (s *Sweep) hits() string {
	var test, control []int
	for _, h := range s.Hits {
		if h.Hits > 0 {
			test = append(test, h.TTL)
		}
		if h.ControlHits > 0 {
			control = append(control, h.TTL)
		}
	}
	at := func(ttls []int) string {
		if len(ttls) == 0 {
			return "at no TTL"
		}
		return "at TTL " + ranges(ttls)
	}
	return "test copies " + at(test) + "; control copies " + at(control)
}

// fields is what to say about the sweep beside its path.
func (s *Sweep) fields() []field {
	return append([]field{{"hits", []string{s.hits()}}}, s.Test.fields(false)...)
}

func (p *printer) sweep(s *Sweep) {
	p.newline()
	p.wrap("", "  ", s.title(), "")
	for _, f := range s.fields() {
		p.field(f)
	}
	p.path(s.document())
}

func markdownSweep(b *strings.Builder, s *Sweep) {
	fmt.Fprintf(b, "## %s\n\n", escape(s.title()))
	for _, f := range s.fields() {
		markdownField(b, f)
	}
	b.WriteByte('\n')
	markdownPath(b, s.document())
}
