package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// Defaults and limits of the flags of history.
const (
	defaultLast = 20
	maxLast     = 1_000_000
)

func historyFlags() []cli.Flag {
	return []cli.Flag{
		watchFileFlag("read the store that the watch file `FILE` names"),
		&cli.StringFlag{Name: "store", Category: groupWatch, Usage: "read the store `FILE` (default: that of --watch-file, else " + watchfile.DefaultStore + ")"},
		&cli.IntFlag{Name: "last", Category: groupWatch, Value: defaultLast, Usage: "show the last `N` changes and the last N runs of a check"},
		&cli.Int64Flag{Name: "run", Category: groupWatch, Usage: "print run number `N` with its evidence, as JSON for rstprobe report"},
		&cli.StringFlag{Name: "from", Category: groupWatch, Usage: "only what was from `TIME` on: " + momentForms},
		&cli.StringFlag{Name: "to", Category: groupWatch, Usage: "only what was until `TIME`; a day with all of it"},
		&cli.StringFlag{Name: "diff", Category: groupWatch, Usage: "say how two runs differ, in answers and in path: `RUN1,RUN2`"},
		&cli.BoolFlag{Name: "export", Category: groupWatch, Usage: "print all that is kept, runs with their evidence, as one JSON object per line, also for rstprobe report -"},
		&cli.BoolFlag{Name: "json", Category: groupOutput, Usage: "print one JSON object per check, or per change and run, and line"},
	}
}

// history is the history command. It may be used while watch runs.
func (p *program) history(c *cli.Context) (err error) {
	if err := misplaced(c); err != nil {
		return err
	}
	if c.IsSet("diff") {
		return p.historyDiff(c)
	}
	if c.NArg() > 1 {
		return usagef("history takes one check, not %q as well: write history %s", c.Args().Get(1), c.Args().First())
	}
	last := c.Int("last")
	if last < 1 || last > maxLast {
		return usagef("--last is %d: write a number from 1 to %d", last, maxLast)
	}
	from, to, err := periodFrom(c, time.Now())
	if err != nil {
		return err
	}
	s, path, err := p.openHistory(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if c.IsSet("run") {
		return p.printRun(s, c.Int64("run"))
	}
	if c.Bool("export") {
		names, err := wantedChecks(s, path, c.Args().Slice())
		if err != nil {
			return err
		}
		if !c.IsSet("to") {
			to = latest
		}
		return p.export(c.Context, s, names, from, to)
	}
	checks, err := s.Checks()
	if err != nil {
		return err
	}
	if c.NArg() == 0 {
		if wantsPeriod(c) {
			return usagef("history alone shows the present: write history CHECK --from TIME, or report --from TIME for what all checks were like")
		}
		return p.printChecks(checks, c.Bool("json"))
	}
	i := slices.IndexFunc(checks, func(sum store.Summary) bool { return sum.Check == c.Args().First() })
	if i < 0 {
		var names []string
		for _, sum := range checks {
			names = append(names, sum.Check)
		}
		return usagef("there is no check %q in %s%s", c.Args().First(), path, hint(c.Args().First(), names, "history alone lists them"))
	}
	changes, runs, err := past(s, checks[i].Check, from, to, last, wantsPeriod(c))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printEntriesJSON(checks[i].Check, changes, runs)
	}
	return p.printCheck(checks[i], changes, runs)
}

// latest is after all that is kept, also by a clock that was ahead.
var latest = time.Unix(1<<40, 0) // year 36812

// past are the last changes and runs of a check, of all or of a period.
func past(s *store.Store, check string, from, to time.Time, last int, bounded bool) ([]store.Change, []store.Entry, error) {
	if !bounded { // clocks that were set back put runs out of order
		changes, err := s.Changes(check, last)
		if err != nil {
			return nil, nil, err
		}
		runs, err := s.Entries(check, last)
		return changes, runs, err
	}
	changes, err := s.ChangesBetween(check, from, to)
	if err != nil {
		return nil, nil, err
	}
	runs, err := s.EntriesBetween(check, from, to, last)
	return changes[max(0, len(changes)-last):], runs, err
}

// openHistory opens the store that the flags name.
func (p *program) openHistory(c *cli.Context) (*store.Store, string, error) {
	path, err := p.storePath(c)
	if err != nil {
		return nil, "", err
	}
	s, err := store.OpenReadOnly(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, path, usagef("there is no store %s: write %s --store FILE, or -c with the file that watch was given", path, c.Command.Name)
	}
	return s, path, err
}

// storePath is that of the flags.
func (p *program) storePath(c *cli.Context) (string, error) {
	switch path := c.String("watch-file"); {
	case c.IsSet("store"):
		return c.String("store"), nil
	case path != "":
		f, err := (&watching{program: p, path: path}).read()
		if err != nil {
			return "", usagef("%s: %w", c.Command.Name, err)
		}
		return f.Store, nil
	}
	return watchfile.DefaultStore, nil
}

func (p *program) printRun(s *store.Store, id int64) error {
	doc, err := s.Document(id)
	if errors.Is(err, store.ErrNoRun) {
		return usagef("there is no run %d: %w; history CHECK lists those that are kept", id, store.ErrNoRun)
	}
	if err != nil {
		return err
	}
	line, err := doc.JSON()
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(append(line, '\n'))
	return err
}

// checkLine is a check as JSON.
type checkLine struct {
	Check     string         `json:"check"`
	Runs      int            `json:"runs"`
	First     time.Time      `json:"first_run_at"`
	Last      time.Time      `json:"last_run_at"`
	Verdict   probe.Overall  `json:"last_verdict"` // "": no run is kept
	Changes   int            `json:"changes"`
	Questions state.Machines `json:"questions"`
}

// entryLine is a change or a run as JSON.
type entryLine struct {
	Type  string `json:"type"` // change or run
	Check string `json:"check"`
	Run   int64  `json:"run"`
	*state.Change
	*runLine
}

type runLine struct {
	Started    time.Time     `json:"started_at"`
	DurationMS float64       `json:"duration_ms"`
	Retest     bool          `json:"retest"`
	Verdict    probe.Overall `json:"verdict"`
	Summary    string        `json:"summary"`
	Lookup     string        `json:"lookup_failure"`      // "": the name could be resolved
	Trouble    bool          `json:"own_network_trouble"` // to all that was known
}

func newRunLine(e store.Entry) *runLine {
	return &runLine{e.Started, float64(e.Took.Microseconds()) / 1000, e.Retest, e.Verdict, e.Summary, e.Lookup, e.Trouble}
}

func (p *program) printEntriesJSON(check string, changes []store.Change, runs []store.Entry) error {
	for _, c := range changes {
		if err := writeJSONLine(p.stdout, entryLine{Type: "change", Check: check, Run: c.Run, Change: &c.Change}); err != nil {
			return err
		}
	}
	for _, r := range runs {
		if err := writeJSONLine(p.stdout, entryLine{Type: "run", Check: check, Run: r.ID, runLine: newRunLine(r)}); err != nil {
			return err
		}
	}
	return nil
}

// timeFormat is how times are shown to people: in local time, with the zone,
// since an operator compares them with other logs.
const timeFormat = "2006-01-02 15:04:05 MST"

func (p *program) printChecks(checks []store.Summary, asJSON bool) error {
	if asJSON {
		for _, c := range checks {
			if err := writeJSONLine(p.stdout, checkLine{c.Check, c.Runs, c.First, c.Last, c.Verdict, c.Changes, c.State}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(checks) == 0 {
		_, err := fmt.Fprintln(p.stdout, "Nothing was watched yet.")
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CHECK\tQUESTION\tSTATE\tSINCE\tLAST RUN\tRUNS\tCHANGES")
	for _, c := range checks {
		name := c.Check
		for _, q := range questionsOf(c.State) {
			m := c.State[q]
			fmt.Fprintf(w, "%s\t%v\t%s\t%s\t%s\t%d\t%d\n", name, q, standing(m), when(m.Since), when(c.Last), c.Runs, c.Changes)
		}
	}
	return w.Flush()
}

func (p *program) printCheck(sum store.Summary, changes []store.Change, runs []store.Entry) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, q := range questionsOf(sum.State) {
		m := sum.State[q]
		fmt.Fprintf(w, "%v\t%s\tsince %s\n", q, standing(m), when(m.Since))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "\nChanges kept: %d\n", sum.Changes)
	for _, c := range changes {
		fmt.Fprintf(w, "  %s\trun %d\t%s\n", when(c.Since), c.Run, c.Change)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "\nRuns kept: %d\n", sum.Runs)
	for _, r := range runs {
		remark := ""
		if r.Retest {
			remark = " (re-test)"
		}
		if r.Lookup != "" {
			remark += " (name not resolved: " + report.Clean(r.Lookup) + ")"
		}
		if r.Trouble {
			remark += " (trouble of our own network)"
		}
		fmt.Fprintf(w, "  %s\trun %d\t%s\t%s%s\n", when(r.Started), r.ID, r.Verdict, report.Clean(r.Summary), remark)
	}
	return w.Flush()
}

func questionsOf(machines state.Machines) []state.Question {
	var out []state.Question
	for q := range machines {
		out = append(out, q)
	}
	slices.SortFunc(out, func(a, b state.Question) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// standing is what is known of a question, in words.
func standing(m state.Machine) string {
	s := m.Confirmed.String()
	if m.Flapping {
		s = "flapping, before: " + s
	}
	if c := m.Candidate; c != nil {
		s += fmt.Sprintf(" (perhaps now %v: %d of %d re-tests agree)", c.Axes, c.Agreed, c.Tested)
	}
	return s
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(timeFormat)
}
