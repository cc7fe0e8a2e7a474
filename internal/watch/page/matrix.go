package page

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
)

// matrixView is all checks, with a column for each kind of question.
type matrixView struct {
	frame
	Trouble bool // of our own network
	Checks  int  // all of them
	Tiles   []tile
	Filter  filter
	Labels  []string // that a filter can ask for, as NAME=VALUE
	Kinds   []string
	Rows    []row
}

// tile counts the checks of a rank.
type tile struct {
	rank
	Count   int
	URL     string
	Current bool // only they are shown
}

// row is a check.
type row struct {
	Name, Target string // Target: "" if the name is it
	Rank         rank
	Labels       []string
	Cells        [][]standing // by kind
	Spark        spark
	Last         lastView
}

// standing is what is known of a question, in words.
type standing struct {
	Rank                  rank
	Kind                  probe.Kind
	KindText              string
	Name                  string // that is asked for; "": none, or the target's own
	Outcome, Blame, Place string
	Since                 moment
	Suspicion             string // "": none
}

// Unnamed is the same where its name stands above.
func (s standing) Unnamed() standing {
	s.Name = ""
	return s
}

// lastView is the last run.
type lastView struct {
	At      moment
	Verdict string
	Rank    rank
	Trouble []string // that concerns how it was made
}

// filter chooses checks.
type filter struct{ Text, Label, State string }

// Empty reports whether all checks pass.
func (f filter) Empty() bool { return f == filter{} }

// url is the matrix with the filter.
func (f filter) url() string {
	v := url.Values{}
	for _, x := range []struct{ key, value string }{{"q", f.Text}, {"label", f.Label}, {"state", f.State}} {
		if x.value != "" {
			v.Set(x.key, x.value)
		}
	}
	if len(v) == 0 {
		return "/"
	}
	return "/?" + v.Encode()
}

// passes reports whether a check has the text somewhere, and the label.
func (f filter) passes(p present) bool {
	if f.Label != "" && !slices.Contains(labelsOf(p), f.Label) {
		return false
	}
	if f.Text == "" {
		return true
	}
	hay := append([]string{p.check.Name, p.check.Target.Input}, labelsOf(p)...)
	for _, q := range p.check.Questions {
		hay = append(hay, q.Name)
	}
	needle := strings.ToLower(f.Text)
	return slices.ContainsFunc(hay, func(s string) bool { return strings.Contains(strings.ToLower(s), needle) })
}

func labelsOf(p present) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.check.Labels)) {
		out = append(out, name+"="+p.check.Labels[name])
	}
	return out
}

// matrix answers with the present of all checks.
func (p *Page) matrix(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	return p.write(w, r, http.StatusOK, "matrix", p.matrixView(filter{strings.TrimSpace(q.Get("q")), q.Get("label"), q.Get("state")}))
}

func (p *Page) matrixView(f filter) matrixView {
	now := p.now()
	all, trouble := p.board.all()
	v := matrixView{frame: p.frame("rstprobe"), Trouble: trouble, Checks: len(all), Filter: f}
	v.Live = true
	var (
		counts [ranks]int
		shown  []ranked
		labels = map[string]bool{}
		kinds  []probe.Kind
	)
	for _, c := range all {
		for _, l := range labelsOf(c) {
			labels[l] = true
		}
		if !f.passes(c) {
			continue
		}
		rank := c.rank(now)
		counts[rank]++
		if f.State != "" && rank.key() != f.State {
			continue
		}
		one := ranked{c, rank, time.Time{}}
		if rank != fine { // those that are well stay in the order of their names
			one.since = c.since()
		}
		shown = append(shown, one)
		for _, q := range c.check.Questions {
			if !slices.Contains(kinds, q.Kind) {
				kinds = append(kinds, q.Kind)
			}
		}
	}
	order := []probe.Kind{probe.SYN, probe.SNI, probe.Host}
	slices.SortFunc(kinds, func(a, b probe.Kind) int { return cmp.Compare(slices.Index(order, a), slices.Index(order, b)) })
	slices.SortStableFunc(shown, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.rank, b.rank), b.since.Compare(a.since)) })
	v.Labels = slices.Sorted(maps.Keys(labels))
	v.Tiles = tiles(counts, f)
	v.Title = titleOf(counts, len(all))
	for _, k := range kinds {
		v.Kinds = append(v.Kinds, kindWords[k])
	}
	for _, c := range shown {
		v.Rows = append(v.Rows, p.row(c, kinds, now))
	}
	return v
}

// ranked is a check with what it is sorted by.
type ranked struct {
	present
	rank  rank
	since time.Time // of the worst; zero: that does not matter
}

// titleOf tells the worst in the words of a tab.
func titleOf(counts [ranks]int, checks int) string {
	for r := interfered; r < unknown; r++ {
		if counts[r] > 0 {
			return fmt.Sprintf("%d × %s – rstprobe", counts[r], r.Text())
		}
	}
	return fmt.Sprintf("%s – rstprobe", count(checks, "check", "checks"))
}

func tiles(counts [ranks]int, f filter) []tile {
	var out []tile
	for r := range ranks {
		current := f.State == r.key()
		if counts[r] == 0 && !current && r != interfered && r != fine {
			continue
		}
		g := f
		if g.State = r.key(); current {
			g.State = ""
		}
		out = append(out, tile{r, counts[r], g.url(), current})
	}
	return out
}

func (p *Page) row(c ranked, kinds []probe.Kind, now time.Time) row {
	out := row{Name: c.check.Name, Rank: c.rank, Labels: labelsOf(c.present), Spark: c.day.spark(now), Last: p.lastView(c.present, now)}
	if c.check.Target.Input != c.check.Name {
		out.Target = c.check.Target.Input
	}
	standings := p.standings(c.present)
	for _, k := range kinds {
		var cell []standing
		for _, s := range standings {
			if s.Kind == k {
				cell = append(cell, s)
			}
		}
		out.Cells = append(out.Cells, cell)
	}
	return out
}

// standings are what is known of the questions of a check.
func (p *Page) standings(c present) []standing {
	var out []standing
	for _, q := range c.check.Questions {
		s := p.standing(state.Question{Kind: q.Kind, Name: q.Name}, c.state[state.Question{Kind: q.Kind, Name: q.Name}])
		if q.Name == c.check.Target.Name {
			s.Name = ""
		}
		out = append(out, s)
	}
	return out
}

// standing puts a machine into words.
func (p *Page) standing(q state.Question, m state.Machine) standing {
	s := standing{
		Rank: machineRank(m), Kind: q.Kind, KindText: kindWords[q.Kind], Name: q.Name,
		Outcome: outcomeOf(m.Confirmed), Blame: blameOf(m.Confirmed), Place: placeOf(m.Confirmed.Place),
		Since: p.moment(m.Since),
	}
	if m.Flapping {
		s.Outcome, s.Place, s.Blame = "flapping", "", "lately "+axesWords(m.Last)
		s.Since = p.moment(m.Turns[0])
	}
	if c := m.Candidate; c != nil {
		s.Suspicion = fmt.Sprintf("perhaps now %s, since %s; ", axesWords(c.Axes), p.moment(c.First).Short)
		if c.Tested == 0 {
			s.Suspicion += "to be tested again"
		} else {
			s.Suspicion += fmt.Sprintf("%d of %s agree", c.Agreed, count(c.Tested, "re-test", "re-tests"))
		}
	}
	return s
}

// lastView is the last run of a check.
func (p *Page) lastView(c present, now time.Time) lastView {
	v := lastView{At: p.moment(c.last.ended), Verdict: verdictWords[c.last.verdict], Rank: rankOfVerdict(c.last.verdict)}
	if c.last.lookup != "" {
		v.Trouble = append(v.Trouble, "name not resolved")
	}
	if c.last.failed != "" {
		v.Trouble = append(v.Trouble, c.last.failed)
	}
	if c.late(now) {
		v.Trouble = append(v.Trouble, "no run since")
	}
	if since := c.silent(); !since.IsZero() {
		v.Trouble = append(v.Trouble, "tells nothing since "+p.moment(since).Short)
	}
	return v
}
