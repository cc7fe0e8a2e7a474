package period

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// Style says how a period is written for people.
type Style struct {
	Zone *time.Location // in which times are shown; nil: UTC
}

// when is a time, with the zone, since people compare it with other logs.
func (s Style) when(t time.Time) string {
	zone := cmp.Or(s.Zone, time.UTC)
	return t.In(zone).Format("2006-01-02 15:04:05 MST")
}

func (s Style) between(i Interval) string { return s.when(i.From) + " to " + s.when(i.To) }

// words are the standings in words, and the letter of each in a line of Cells.
var words = map[Standing]struct {
	letter byte
	text   string
}{
	OK: {'.', "ok"}, Interference: {'X', "interference"}, Failing: {'!', "failing"}, Flapping: {'~', "flapping"},
	Unknown: {'?', "not known"}, Trouble: {'n', "own network in trouble"}, Unwatched: {'-', "not watched"},
}

// String is a standing in words.
func (s Standing) String() string { return cmp.Or(words[s].text, string(s)) }

// legend explains the letters.
func legend() string {
	var out []string
	for _, s := range Standings() {
		out = append(out, fmt.Sprintf("%c %s", words[s].letter, s))
	}
	return strings.Join(out, ", ")
}

// weight is how much a standing matters where several share a cell.
var weight = map[Standing]int{Unwatched: 0, OK: 1, Unknown: 2, Trouble: 3, Flapping: 4, Failing: 5, Interference: 6}

// Cells is the time line of a question in n cells of equal length, each with
// what matters most of what was in it. n is 1 at least.
func (q Question) Cells(n int) []Standing {
	out := make([]Standing, n)
	if len(q.Spans) == 0 {
		for i := range out {
			out[i] = Unwatched
		}
		return out
	}
	from, whole := q.Spans[0].From, q.Spans[len(q.Spans)-1].To.Sub(q.Spans[0].From)
	for _, s := range q.Spans {
		first := int(int64(s.From.Sub(from)) / max(1, int64(whole)/int64(n)))
		last := int((int64(s.To.Sub(from)) - 1) / max(1, int64(whole)/int64(n)))
		for i := min(first, n-1); i <= min(last, n-1); i++ {
			if out[i] == "" || weight[s.Standing] > weight[out[i]] {
				out[i] = s.Standing
			}
		}
	}
	return out
}

// line is a time line as text.
func (q Question) line(n int) string {
	b := make([]byte, n)
	for i, s := range q.Cells(n) {
		b[i] = words[s].letter
	}
	return string(b)
}

// Lasting is a duration of 0 at least as people say it, in two units at most:
// "6 d 22 h".
func Lasting(d time.Duration) string {
	units := []struct {
		name   string
		length time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for i, u := range units[:len(units)-1] {
		smaller := units[i+1]
		rounded := d.Round(smaller.length)
		if rounded < u.length {
			continue
		}
		s := fmt.Sprintf("%d %s", rounded/u.length, u.name)
		if rest := rounded % u.length / smaller.length; rest > 0 {
			s += fmt.Sprintf(" %d %s", rest, smaller.name)
		}
		return s
	}
	if d < time.Second {
		return "less than 1 s"
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Percent is a share with as many digits as availabilities are told apart by;
// what is not all of it is never rounded up to that, nor anything to nothing.
func Percent(share float64) string {
	switch {
	case share < 1 && share > 0.9999:
		return "99.99 %"
	case share > 0 && share < 0.0001:
		return "less than 0.01 %"
	}
	return fmt.Sprintf("%.4g %%", 100*share)
}

// Text is the availability in one sentence.
func (a Availability) Text() string {
	if a.Share == nil {
		return "nothing is known of it" + a.rest()
	}
	s := fmt.Sprintf("%s ok of %s that are known", Percent(*a.Share), Lasting(seconds(a.KnownS)))
	if a.ByRuns != nil {
		s += fmt.Sprintf("; by runs %s, %d of %d", Percent(*a.ByRuns), a.Fine, a.Told)
	}
	return s + a.rest()
}

// rest is how long it was anything but well.
func (a Availability) rest() string {
	s := ""
	for _, x := range Standings() {
		if d := a.Seconds[x]; d >= 1 && x != OK {
			s += fmt.Sprintf("; %s for %s", x, Lasting(seconds(d)))
		}
	}
	return s
}

// Text is the runs in one sentence.
func (r Runs) Text() string {
	if r.Total == 0 {
		return "no run"
	}
	var of []string
	for _, x := range []struct {
		n    int
		what string
	}{
		{r.Retests, plural(r.Retests, "re-test", "re-tests")}, {r.Interrupted, fmt.Sprint(r.Interrupted, " cut short")},
		{r.Lookups, fmt.Sprint(r.Lookups, " whose name did not resolve")}, {r.Trouble, fmt.Sprint(r.Trouble, " in trouble of our own network")},
	} {
		if x.n > 0 {
			of = append(of, x.what)
		}
	}
	s := plural(r.Total, "run", "runs")
	if len(of) > 0 {
		s += " (" + strings.Join(of, ", ") + ")"
	}
	for _, v := range []probe.Overall{probe.Clean, probe.Interference, probe.ServerRefuses, probe.OverallUnreachable, probe.OverallInconclusive} {
		if n := r.Verdicts[v]; n > 0 {
			s += fmt.Sprintf("; %s %d", v, n)
		}
	}
	if r.Duration != nil {
		s += "; a run took " + r.Duration.Text()
	}
	if r.Connect != nil {
		s += "; a handshake took " + r.Connect.Text()
	}
	return s + fmt.Sprintf("; %s sent; counted by whole hours (UTC)", plural(r.Packets, "packet", "packets"))
}

// Text is the durations in a few words.
func (s Summary) Text() string {
	if s.Min == s.Max {
		return milliseconds(s.Min)
	}
	return fmt.Sprintf("%s to %s, median %s", milliseconds(s.Min), milliseconds(s.Max), milliseconds(s.Median))
}

// milliseconds is a duration with three digits that matter, or all of those in
// front of the point; none is below 1 µs.
func milliseconds(ms float64) string {
	digits := 3
	for above := 10 * ms; digits > 0 && above >= 10; above /= 10 {
		digits--
	}
	return strconv.FormatFloat(ms, 'f', digits, 64) + " ms"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// section is a part of what is told of a check.
type section struct {
	title string
	lines []string
	table [][]string // the first row has the titles; nil: none
}

// maxRows is how many rows of a table are shown; JSON has them all.
const maxRows = 60

// newest are the last rows of a table, and a line that says how many others
// there are.
func newest(title string, table [][]string) section {
	s := section{title: title, table: table}
	if more := len(table) - 1 - maxRows; more > 0 {
		s.table = append([][]string{table[0]}, table[1+more:]...)
		s.lines = []string{fmt.Sprintf("%d earlier ones are left out here; -o FILE.json has them all.", more)}
	}
	return s
}

// sections are what is told of a check, but for its time lines.
func (c Check) sections(st Style) []section {
	var out []section
	add := func(s section) {
		if len(s.table) != 1 {
			out = append(out, s)
		}
	}
	for _, q := range c.Questions {
		states := [][]string{{"from", "to", "for", "state"}}
		for _, s := range q.Spans {
			states = append(states, []string{st.when(s.From), st.when(s.To), Lasting(s.To.Sub(s.From)), s.text()})
		}
		add(newest("States of "+q.Question.String(), states))
	}
	for _, q := range c.Questions {
		boxes := [][]string{{"box", "first seen", "last seen", "runs"}}
		for _, b := range q.Boxes {
			boxes = append(boxes, []string{b.Axes.String(), st.when(b.First), st.when(b.Last), fmt.Sprint(b.Runs)})
		}
		add(newest("Boxes seen by "+q.Question.String(), boxes))
	}
	changes := [][]string{{"since", "sure at", "run", "change"}}
	for _, x := range c.Changes {
		changes = append(changes, []string{st.when(x.Since), st.when(x.At), fmt.Sprint(x.Run), x.String()})
	}
	add(newest("Changes", changes))
	if c.Path != nil {
		out = append(out, c.Path.sections(st)...)
	}
	return out
}

// text is a span in words.
func (s Span) text() string {
	switch {
	case s.Standing == Flapping:
		return fmt.Sprintf("flapping, lately %v", s.Axes)
	case s.Standing == OK || !s.Standing.Known():
		return s.Standing.String()
	}
	return s.Axes.String()
}

// sections are what is told of two runs.
func (d Diff) sections(st Style) []section {
	s := section{title: fmt.Sprintf("Run %d against run %d", d.Before.Run, d.After.Run)}
	for _, x := range []Side{d.Before, d.After} {
		s.lines = append(s.lines, fmt.Sprintf("run %d, %s: %s: %s", x.Run, st.when(x.StartedAt), x.Verdict, report.Clean(x.Summary)))
	}
	if d.Before.IP != d.After.IP {
		s.lines = append(s.lines, fmt.Sprintf("the address probed: %v before, %v after", address(d.Before.IP), address(d.After.IP)))
	}
	answers := section{table: [][]string{{"question", "before", "after", "changed"}}}
	for _, t := range d.Tests {
		var axes []string
		for _, a := range t.Changed {
			axes = append(axes, string(a))
		}
		answers.table = append(answers.table, []string{t.Question.String(), asked(t.Before), asked(t.After), cmp.Or(strings.Join(axes, ", "), "-")})
	}
	path := section{title: "Path"}
	switch {
	case len(d.Hops) == 0:
		path.lines = []string{d.untraced()}
	case d.Diverges == 0:
		path.lines = []string{"Every router that answered in both runs is the same."}
	default:
		path.lines = []string{fmt.Sprintf("The paths part at TTL %d.", d.Diverges)}
	}
	if len(d.Hops) > 0 {
		path.table = [][]string{{"", "before", "after", ""}}
	}
	for _, h := range d.Hops {
		path.table = append(path.table, []string{signs[h.Change], h.Before.text(), h.After.text(), changeText[h.Change]})
	}
	return []section{s, answers, path}
}

// untraced says why there are no hops.
func (d Diff) untraced() string {
	var runs []string
	for _, s := range []Side{d.Before, d.After} {
		if !s.Traced {
			runs = append(runs, fmt.Sprint(s.Run))
		}
	}
	return "Not compared: run " + strings.Join(runs, " and ") + " did not trace the path, which is done only where something interferes, or always by watch --trace always."
}

// signs mark hops as a difference of two files does.
var signs = map[HopChange]string{Same: "", Moved: ">", Changed: "!", Came: "+", Went: "-", Unclear: "?"}

var changeText = map[HopChange]string{
	Same: "", Moved: "moved", Changed: "another router", Came: "came", Went: "went", Unclear: "silent in one of the runs",
}

// text is a hop in words; nil: there is none.
func (h *Hop) text() string {
	switch {
	case h == nil:
		return ""
	case h.Server:
		return fmt.Sprintf("%d server", h.TTL)
	case !h.IP.IsValid():
		return fmt.Sprintf("%d *", h.TTL)
	case h.Name != "":
		return fmt.Sprintf("%d %v (%s)", h.TTL, h.IP, report.Clean(h.Name))
	}
	return fmt.Sprintf("%d %v", h.TTL, h.IP)
}
