package main

import (
	"encoding/json"
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
		&cli.BoolFlag{Name: "json", Category: groupOutput, Usage: "print one JSON object per check, or per change and run, and line"},
	}
}

// history is the history command. It may be used while watch runs.
func (p *program) history(c *cli.Context) (err error) {
	if err := misplaced(c); err != nil {
		return err
	}
	if c.NArg() > 1 {
		return usagef("history takes one check, not %q as well: write history %s", c.Args().Get(1), c.Args().First())
	}
	last := c.Int("last")
	if last < 1 || last > maxLast {
		return usagef("--last is %d: write a number from 1 to %d", last, maxLast)
	}
	path, err := p.storePath(c)
	if err != nil {
		return err
	}
	s, err := store.OpenReadOnly(path)
	if errors.Is(err, os.ErrNotExist) {
		return usagef("there is no store %s: write history --store FILE, or -c with the file that watch was given", path)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if c.IsSet("run") {
		return p.printRun(s, c.Int64("run"))
	}
	checks, err := s.Checks()
	if err != nil {
		return err
	}
	if c.NArg() == 0 {
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
	changes, err := s.Changes(checks[i].Check, last)
	if err != nil {
		return err
	}
	runs, err := s.Entries(checks[i].Check, last)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printEntriesJSON(changes, runs)
	}
	return p.printCheck(checks[i], changes, runs)
}

// storePath is that of the flags.
func (p *program) storePath(c *cli.Context) (string, error) {
	switch path := c.String("watch-file"); {
	case c.IsSet("store"):
		return c.String("store"), nil
	case path != "":
		f, err := (&watching{program: p, path: path}).read()
		if err != nil {
			return "", usagef("history: %w", err)
		}
		return f.Store, nil
	}
	return watchfile.DefaultStore, nil
}

func (p *program) printRun(s *store.Store, id int64) error {
	doc, err := s.Document(id)
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
	Type string `json:"type"` // change or run
	Run  int64  `json:"run"`
	*state.Change
	*runLine
}

type runLine struct {
	Started    time.Time     `json:"started_at"`
	DurationMS float64       `json:"duration_ms"`
	Retest     bool          `json:"retest"`
	Verdict    probe.Overall `json:"verdict"`
	Summary    string        `json:"summary"`
	Lookup     string        `json:"lookup_failure"` // "": the name could be resolved
}

func (p *program) printEntriesJSON(changes []store.Change, runs []store.Entry) error {
	out := json.NewEncoder(p.stdout)
	for _, c := range changes {
		if err := out.Encode(entryLine{Type: "change", Run: c.Run, Change: &c.Change}); err != nil {
			return err
		}
	}
	for _, r := range runs {
		line := runLine{r.Started, float64(r.Took.Microseconds()) / 1000, r.Retest, r.Verdict, r.Summary, r.Lookup}
		if err := out.Encode(entryLine{Type: "run", Run: r.ID, runLine: &line}); err != nil {
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
		out := json.NewEncoder(p.stdout)
		for _, c := range checks {
			if err := out.Encode(checkLine{c.Check, c.Runs, c.First, c.Last, c.Verdict, c.Changes, c.State}); err != nil {
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
			remark += " (name not resolved: " + r.Lookup + ")"
		}
		fmt.Fprintf(w, "  %s\trun %d\t%s\t%s%s\n", when(r.Started), r.ID, r.Verdict, r.Summary, remark)
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
