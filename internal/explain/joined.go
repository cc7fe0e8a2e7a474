package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rstprobe/rstprobe/internal/explain/join"
	"github.com/rstprobe/rstprobe/probe"
)

// The rules of evidence from beside the capture.
const (
	kernelReason probe.RuleID = "kernel-reset-reason"
	socketState  probe.RuleID = "socket-state"
)

// Join makes Finish hold the resets against what the hosts' own kernels say of
// them.
func (e *Explainer) Join(r join.Reasons, s join.Sockets) { e.reasons, e.sockets = r, s }

// join adds to every reset what is known of it from beside the capture. A
// trace counts resets and does not number them: only if the kernel sent as
// many as there are, each is its own.
func (e *Explainer) join(flows []Flow) {
	seen := map[join.Direction][]*Reset{}
	of := map[*Reset]*Flow{}
	for i := range flows {
		for k := range flows[i].Resets {
			r := &flows[i].Resets[k]
			d := r.direction()
			seen[d], of[r] = append(seen[d], r), &flows[i]
		}
	}
	for d, resets := range seen {
		sent := e.reasons.Sent(d)
		for i, r := range resets {
			switch {
			case len(sent) == 0:
			case len(sent) < len(resets):
				r.partly(len(sent), len(resets))
			case len(sent) == len(resets):
				r.claimed(of[r], sent[i])
			default:
				r.claimed(of[r], common(sent))
			}
			r.attended(e.reasons.Received(d), e.sockets)
		}
	}
}

func (r *Reset) direction() join.Direction { return join.Direction{From: r.From, To: r.Toward} }

// common is the reason that all have, or "".
func common(reasons []string) string {
	if slices.ContainsFunc(reasons, func(s string) bool { return s != reasons[0] }) {
		return ""
	}
	return reasons[0]
}

// host is the author of what an end of the conversation sends itself.
func (f *Flow) host(r *Reset) probe.Author {
	if r.From == f.Server {
		return probe.Server
	}
	return probe.OwnSide
}

// claimed takes the word of the sending host's kernel for a reset. A kernel
// that knows no such connection also answers what comes after a box ended it:
// such a claim does not undo decisive evidence that this reset is another's.
func (r *Reset) claimed(f *Flow, reason string) {
	author, why := f.host(r), ""
	if reason != "" {
		why = ": " + reason
	}
	e := probe.Evidence{
		Rule: kernelReason, Supports: author, Packets: []int{r.Packet},
		Detail: fmt.Sprintf("the kernel of %s says that it sent a reset to %s itself%s", r.From, r.Toward, why),
	}
	if reason == join.NoSocket && blamesBox(r.Author) && decisive(r.Evidence) {
		e.Detail += "; that may be another reset than this one, in answer to what came after it"
		r.Against = append(r.Against, e)
		return
	}
	code := f.cause(r, author, reason)
	moved := code != r.Cause || author != r.Author
	switch {
	case blamesBox(r.Author), r.Cause == "":
		r.Evidence, r.Against = r.Against, r.Evidence
	case moved:
		r.retract()
	}
	r.Evidence = append([]probe.Evidence{e}, r.Evidence...)
	for i := range r.Evidence {
		r.Evidence[i].Supports = author
	}
	r.Author, r.Confidence, r.Next = author, probe.Proved, ""
	if moved {
		r.Cause, r.Pattern = code, pattern(code)
		r.Summary = fmt.Sprintf("packet %d: %s sent this reset itself, as its kernel says%s", r.Packet, r.From, why)
		r.Chinese = fmt.Sprintf("第 %d 号 RST:其内核记录表明由 %s 自身发出%s", r.Packet, r.From, why)
	}
}

// retract lets what supported the cause so far, and what is decisive, speak
// against.
func (r *Reset) retract() {
	kept := []probe.Evidence{}
	for _, e := range r.Evidence {
		if e.Decisive || string(e.Rule) == r.Pattern {
			r.Against = append(r.Against, e)
		} else {
			kept = append(kept, e)
		}
	}
	r.Evidence = kept
}

// cause is the code of a reset whose author's kernel gave a reason for it,
// after what the packets alone gave.
func (f *Flow) cause(r *Reset, author probe.Author, reason string) probe.Cause {
	codes := join.Causes(reason)
	known := r.Author == author && r.Cause != ""
	switch {
	case known && (len(codes) == 0 || author == probe.OwnSide || slices.Contains(codes, r.Cause)):
		return r.Cause
	case len(codes) == 0:
		return ""
	case author == probe.OwnSide && (strings.HasPrefix(reason, "TCP_ABORT_ON_") || reason == "TCP_DISCONNECT_WITH_DATA"):
		return "C4"
	case author == probe.OwnSide:
		return "" // the codes are those of servers
	case reason == join.NoSocket && f.Stage == probe.StageSYN:
		return "S1"
	}
	return codes[0]
}

// pattern is the first row of the table of causes with a code, or "".
func pattern(code probe.Cause) string {
	if i := slices.IndexFunc(causes, func(c Cause) bool { return c.Code == code }); i >= 0 {
		return causes[i].Pattern
	}
	return ""
}

// partly says that some of the resets are their host's own.
func (r *Reset) partly(sent, of int) {
	e := probe.Evidence{
		Rule: kernelReason, Supports: probe.Undetermined, Packets: []int{r.Packet},
		Detail: fmt.Sprintf("the kernel of %s says that it sent %d of these %d resets itself; the trace does not tell which", r.From, sent, of),
	}
	if blamesBox(r.Author) {
		r.Against = append(r.Against, e)
		return
	}
	r.Evidence = append(r.Evidence, e)
}

// attended adds what the hosts show of the connection, which decides nothing.
func (r *Reset) attended(received int, sockets join.Sockets) {
	note := func(format string, args ...any) {
		r.Evidence = append(r.Evidence, probe.Evidence{
			Rule: socketState, Supports: r.Author, Packets: []int{r.Packet}, Detail: fmt.Sprintf(format, args...),
		})
	}
	if received > 0 {
		note("the kernel of %s says that it received a reset from %s: it arrived, whoever sent it", r.Toward, r.From)
	}
	for _, d := range []join.Direction{r.direction(), {From: r.Toward, To: r.From}} {
		if s, ok := sockets.Of(d); ok {
			note("ss shows the socket of %s %s", d.From, s)
		}
	}
}
