package page

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
)

// rank orders what there is to know of a check, the worst first. Its words
// are those of addresses and of the style sheet.
type rank int

const (
	interfered rank = iota // something between us and the server is to blame
	broken                 // not well, and nobody on the path is to blame
	flapping
	suspected  // a change waits for confirmation
	unmeasured // the last run is too long ago, failed, or had no address
	unknown    // nothing was made sure yet
	fine
	ranks // how many there are
)

// rankWords are for addresses, for people, and how a rank is drawn: tone is
// the colour, sign the form, so that neither is needed without the other.
var rankWords = [ranks]struct{ key, text, tone, sign string }{
	interfered: {"interference", "interference", "bad", "interference"},
	broken:     {"failing", "failing", "warn", "unreachable"},
	flapping:   {"flapping", "flapping", "warn", "flapping"},
	suspected:  {"suspected", "perhaps changed", "warn", "suspected"},
	unmeasured: {"unmeasured", "not measured well", "warn", "inconclusive"},
	unknown:    {"unknown", "not known yet", "none", "unknown"},
	fine:       {"ok", "ok", "good", "clean"},
}

func (r rank) key() string  { return rankWords[r].key }
func (r rank) Text() string { return rankWords[r].text }
func (r rank) Tone() string { return rankWords[r].tone }
func (r rank) Sign() string { return rankWords[r].sign }

// Mark is the sign as it is drawn.
func (r rank) Mark() template.HTML { return marks[r] }

// marks are drawn once: a page has thousands.
var marks = func() (out [ranks]template.HTML) {
	for r := range ranks {
		var b strings.Builder
		if err := pages.ExecuteTemplate(&b, "mark", r); err != nil { // it is part of the program
			panic(err)
		}
		out[r] = template.HTML(b.String()) //nolint:gosec // nothing of it comes from elsewhere
	}
	return out
}()

// rankOf is the rank of axes alone.
func rankOf(a state.Axes) rank {
	switch {
	case !a.Known():
		return unknown
	case a.Fine():
		return fine
	case a.Interferes():
		return interfered
	}
	return broken
}

// rankOfVerdict is that of one run alone.
func rankOfVerdict(v probe.Overall) rank {
	switch v {
	case probe.Clean:
		return fine
	case probe.Interference:
		return interfered
	case probe.ServerRefuses, probe.OverallUnreachable:
		return broken
	case probe.OverallInconclusive:
	}
	return unmeasured
}

// verdictWords are short ones for one run.
var verdictWords = map[probe.Overall]string{
	probe.Clean: "clean", probe.Interference: "interference", probe.ServerRefuses: "server refuses",
	probe.OverallUnreachable: "unreachable", probe.OverallInconclusive: "inconclusive",
}

var outcomeWords = map[probe.Outcome]string{
	probe.OK: "ok", probe.Reset: "reset", probe.Fin: "closed", probe.Drop: "dropped", probe.Stall: "stalls",
	probe.InjectedResponse: "forged answer", probe.Alert: "TLS alert", probe.Refused: "refused",
	probe.Unreachable: "unreachable", probe.Inconclusive: "inconclusive",
}

var triggerWords = map[probe.Trigger]string{
	probe.TriggerAddress: "for its address", probe.TriggerPort: "for its port", probe.TriggerSYN: "at the SYN", probe.TriggerProtocol: "for the protocol",
	probe.TriggerSNI: "for the name (SNI)", probe.TriggerHost: "for the name (Host)", probe.TriggerPath: "for the URL",
	probe.TriggerVolume: "after some volume", probe.TriggerHistory: "for what came before",
}

var authorWords = map[probe.Author]string{
	probe.Server: "by the server itself", probe.ServerSide: "by gear in front of the server", probe.OnPath: "by a box beside the path",
	probe.InPath: "by a box in the path", probe.OnOrInPath: "by a box on the path", probe.OwnSide: "by our own side",
	probe.Undetermined: "by whom is not known",
}

// Kinds of questions as they head columns.
var kindWords = map[probe.Kind]string{probe.SYN: "bare SYN", probe.SNI: "TLS name (SNI)", probe.Host: "HTTP name (Host)"}

// outcomeOf is the outcome in one or two words.
func outcomeOf(a state.Axes) string {
	if !a.Known() {
		return "not known yet"
	}
	if w := outcomeWords[a.Outcome]; w != "" {
		return w
	}
	return string(a.Outcome)
}

// blameOf says why and who, where something is wrong.
func blameOf(a state.Axes) string {
	if !a.Known() || a.Fine() {
		return ""
	}
	return joined(", ", triggerWords[a.Trigger], authorWords[a.Author])
}

// placeOf says where; "": it is not known.
func placeOf(p state.Place) string {
	if p.AtTTL == 0 {
		return ""
	}
	return p.String()
}

// axesWords are all of it in a line.
func axesWords(a state.Axes) string {
	return joined(", ", joined(" ", outcomeOf(a), blameOf(a)), placeOf(a.Place))
}

// changeWords says what changed, without the question.
func changeWords(c state.Change) string {
	switch {
	case c.Flapping:
		return "began to flap, lately " + axesWords(c.To)
	case len(c.Axes) == 1 && c.Axes[0] == state.Stability:
		return "no longer flaps: " + axesWords(c.To)
	case c.Relocated():
		return fmt.Sprintf("the box moved from %v to %v", c.From.Place, c.To.Place)
	case !c.From.Known():
		return axesWords(c.To) + " from the beginning"
	}
	return axesWords(c.To) + "; before: " + axesWords(c.From)
}

// joined are the parts that are not empty.
func joined(sep string, parts ...string) string {
	out := ""
	for _, p := range parts {
		if p != "" && out != "" {
			out += sep
		}
		out += p
	}
	return out
}

// age is a duration as exact as it matters for how long ago something was.
func age(d time.Duration) string {
	switch {
	case d > 7*24*time.Hour:
		d = d.Truncate(24 * time.Hour)
	case d > time.Minute:
		d = d.Truncate(time.Minute)
	}
	return period.Lasting(d)
}

// count is a number of things.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
