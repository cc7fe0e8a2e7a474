package cases

import (
	"fmt"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/probe"
)

// model is a box, to be placed.
type model struct {
	name, doc string
	question  diagnosis.Question
	only      probe.Kind // the one question that makes sense; "": a server name and a Host
	after     bool       // acts behind the router's TTL check
	box       func(lab.Topology) middlebox.Box
	rule      *lab.KernelRule     // instead of a box; netlab only
	world     func(*lab.Topology) // what else is there
	elsewhere bool
	silent    bool // swallows the stimulus
	simulated bool
	repeat    int
	maxWait   time.Duration
	outcome   []probe.Outcome
	authors   []probe.Author
	causes    []probe.Cause
	scope     residual.Scope
	// change adapts what is expected to where the box stands; nil: nothing
	// to adapt.
	change func(w *Want, router, routers int)
}

// at places a model's box into a router.
func (m model) at(router, n int, ipv6 bool) Case {
	top := topology(n, ipv6)
	if m.world != nil {
		m.world(&top)
	}
	if m.rule != nil {
		rule := *m.rule
		rule.Router = router
		top.Kernel = []lab.KernelRule{rule}
	} else {
		top.Boxes = append(top.Boxes, lab.Placement{Router: router, AfterTTL: m.after, New: func() middlebox.Box { return m.box(top) }})
	}
	first := lab.Placement{Router: router, AfterTTL: m.after}.First()
	c := Case{
		Name: m.name, Doc: fmt.Sprintf("%s, at router %d of %d", m.doc, router, n),
		Topology: top, Question: m.question, Elsewhere: m.elsewhere,
		Repeat: m.repeat, MaxWait: m.maxWait, Simulated: m.simulated,
		Want: Want{
			Overall: []probe.Overall{probe.Interference}, Outcome: m.outcome, Authors: m.authors, Causes: m.causes,
			After: first - 1, At: first, Device: router, Scope: m.scope,
		},
	}
	if m.change != nil {
		m.change(&c.Want, router, n)
	}
	return c
}
