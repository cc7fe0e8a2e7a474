package page

import (
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// stretch is a time up to now.
type stretch struct {
	key, text string
	length    time.Duration
}

// stretches are those that a check's page offers.
var stretches = []stretch{
	{"24h", "24 hours", 24 * time.Hour}, {"7d", "7 days", 7 * 24 * time.Hour},
	{"30d", "30 days", 30 * 24 * time.Hour}, {"400d", "400 days", 400 * 24 * time.Hour},
}

// What a check's page lists of its runs.
const (
	shownRuns  = 20
	searchRuns = 500 // in which it looks for the last bad one
)

// checkView is the page of a check.
type checkView struct {
	frame
	Name, Target string
	Watched      bool
	Labels       []string
	Interval     string
	Trouble      bool
	Standings    []standing
	Last         lastView
	Lookup       string
	Ranges       []rangeLink
	Span         string
	Past         pastView
	Pictures     []picture
	Compare      string // where the runs of both pictures are compared
	Runs         []runView
	Badge        string
}

type rangeLink struct {
	Text, URL string
	Current   bool
}

// picture is the path of one run.
type picture struct {
	What    string
	ID      int64
	At      moment
	Verdict string
	Rank    rank
	Path    template.HTML
}

// runView is a run in a list.
type runView struct {
	ID              int64
	At              moment
	Took            string
	Verdict         string
	Rank            rank
	Summary, Lookup string
	Retest          bool
	Before          int64 // the run before it, to compare with; 0: there is none
}

// check answers with all about one check.
func (p *Page) check(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if name == "" {
		name = r.URL.Query().Get("name")
	}
	over := stretches[1]
	if key := r.URL.Query().Get("range"); key != "" {
		i := slices.IndexFunc(stretches, func(s stretch) bool { return s.key == key })
		if i < 0 {
			return badRequest(fmt.Sprintf("%q is none of the stretches of time there are: 24h, 7d, 30d, 400d.", key))
		}
		over = stretches[i]
	}
	v, err := p.checkView(name, over)
	if err != nil {
		return err
	}
	return p.write(w, r, http.StatusOK, "check", v)
}

func (p *Page) checkView(name string, over stretch) (checkView, error) {
	now := p.now()
	c, trouble, watched := p.board.one(name)
	entries, err := p.history.Entries(name, searchRuns)
	if err != nil {
		return checkView{}, err
	}
	if !watched && len(entries) == 0 {
		if names, err := p.history.Names(); err != nil || !slices.Contains(names, name) {
			return checkView{}, p.noCheck(name)
		}
	}
	v := checkView{
		frame: p.frame(name + " – rstprobe"), Name: name, Watched: watched, Trouble: trouble, Span: over.text, Badge: badgeURL(name),
	}
	v.Live, v.Check = true, name
	if watched {
		v.Target, v.Labels, v.Interval = c.check.Target.Input, labelsOf(c), period.Lasting(c.check.Interval)
		v.Standings, v.Last, v.Lookup = p.standings(c), p.lastView(c, now), c.last.lookup
	}
	for _, s := range stretches {
		u := checkURL(name)
		if strings.Contains(u, "?") {
			u += "&range=" + s.key
		} else {
			u += "?range=" + s.key
		}
		v.Ranges = append(v.Ranges, rangeLink{s.text, u, s == over})
	}
	past, err := p.history.Period(name, now.Add(-over.length), now, nil)
	if err != nil {
		return v, err
	}
	v.Past = writer{now, p.zone, true}.past(past)
	if err := p.pictures(&v, entries, past.Changes); err != nil {
		return v, err
	}
	for i := len(entries) - 1; i >= 0 && len(v.Runs) < shownRuns; i-- {
		e := p.runView(entries[i])
		if i > 0 {
			e.Before = entries[i-1].ID
		}
		v.Runs = append(v.Runs, e)
	}
	return v, nil
}

// pictures draws the path of the last run; beside it, where a box acts now, the
// one before it came, and else the last one in which a box acted.
func (p *Page) pictures(v *checkView, entries []store.Entry, changes []period.Change) error {
	if len(entries) == 0 {
		return nil
	}
	last := entries[len(entries)-1]
	if err := p.picture(v, "The last run", last.ID, true); err != nil {
		return err
	}
	what, other := "The last run with interference", int64(0)
	for _, c := range changes {
		if c.To.Interferes() {
			other = c.Run
		}
	}
	wanted := probe.Interference
	if last.Verdict == wanted {
		what, other, wanted = "The last clean run", 0, probe.Clean
	}
	for _, e := range entries {
		if e.Verdict == wanted {
			other = e.ID
		}
	}
	if other == 0 || other == last.ID {
		return nil
	}
	// Of clean runs the path is traced on demand only; to say so once is enough.
	if err := p.picture(v, what, other, wanted == probe.Interference); err != nil {
		return err
	}
	if len(v.Pictures) == 2 {
		v.Compare = diffURL(other, last.ID)
	}
	return nil
}

// picture adds the path of a run, if the run is still kept; without always,
// only if there is a path.
func (p *Page) picture(v *checkView, what string, id int64, always bool) error {
	run, ok, err := p.kept(id)
	if err != nil || !ok {
		return err
	}
	path, err := run.Document.PathPicture()
	if err != nil || path == "" && !always {
		return err
	}
	verdict := run.Document.Verdict.Outcome
	v.Pictures = append(v.Pictures, picture{what, id, p.moment(run.Started), verdictWords[verdict], rankOfVerdict(verdict), path})
	return nil
}

func (p *Page) runView(e store.Entry) runView {
	if strings.Contains(e.Summary, e.Lookup) { // where there is no address at all, that is the result
		e.Lookup = ""
	}
	return runView{
		ID: e.ID, At: p.moment(e.Started), Took: tookWords(e.Took), Verdict: verdictWords[e.Verdict], Rank: rankOfVerdict(e.Verdict),
		Summary: report.Clean(e.Summary), Lookup: e.Lookup, Retest: e.Retest,
	}
}

// tookWords is how long a run took.
func tookWords(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", 1000*d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return period.Lasting(d)
}
