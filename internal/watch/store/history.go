package store

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// Summary is what the store holds of one check.
type Summary struct {
	Check   string
	Runs    int       // kept
	First   time.Time // when the first of them started; zero: none is kept
	Last    time.Time // when the last of them started; likewise
	Verdict probe.Overall
	Changes int // kept
	State   state.Machines
}

// Entry is a run without its evidence.
type Entry struct {
	ID      int64
	Started time.Time
	Took    time.Duration
	Retest  bool
	Verdict probe.Overall
	Summary string
	Lookup  string // why the name could not be resolved; "": it could
	Trouble bool   // our own network was in trouble, to all that was known
}

// Change is a change and the run that made it sure.
type Change = period.Change

// Checks are all checks that were ever watched, by name.
func (s *Store) Checks() ([]Summary, error) {
	states, err := s.States()
	if err != nil {
		return nil, err
	}
	var out []Summary
	for check, machines := range states {
		sum := Summary{Check: check, State: machines}
		var first, last sql.NullInt64
		err := s.db.QueryRow("SELECT count(*), min(started), max(started), (SELECT count(*) FROM changes WHERE check_name = ?1) FROM runs WHERE check_name = ?1", check).
			Scan(&sum.Runs, &first, &last, &sum.Changes)
		if err != nil {
			return nil, fmt.Errorf("store: read runs of %s: %w", check, err)
		}
		if sum.Runs > 0 {
			sum.First, sum.Last = timeOf(first.Int64), timeOf(last.Int64)
			err := s.db.QueryRow("SELECT verdict FROM runs WHERE check_name = ? ORDER BY id DESC LIMIT 1", check).Scan(&sum.Verdict)
			if err != nil {
				return nil, fmt.Errorf("store: read the last run of %s: %w", check, err)
			}
		}
		out = append(out, sum)
	}
	slices.SortFunc(out, func(a, b Summary) int { return strings.Compare(a.Check, b.Check) })
	return out, nil
}

// Entries are the last runs of a check, the oldest first; at most limit.
func (s *Store) Entries(check string, limit int) ([]Entry, error) {
	out, err := collect(rowsOf(s.db, scanEntry, selectEntry+"check_name = ? ORDER BY id DESC LIMIT ?", check, limit))
	if err != nil {
		return nil, fmt.Errorf("store: read runs of %s: %w", check, err)
	}
	slices.Reverse(out)
	return out, nil
}

// Changes are the last changes of a check, the oldest first; at most limit.
func (s *Store) Changes(check string, limit int) ([]Change, error) {
	return s.changes(check, "check_name = ? ORDER BY at DESC, id DESC LIMIT ?", check, limit)
}

// Document is the result of a run, with its evidence; ErrNoRun: there is none.
func (s *Store) Document(run int64) (report.Document, error) {
	r, err := s.Run(run)
	return r.Document, err
}

func timeOf(micro int64) time.Time { return time.UnixMicro(micro).UTC() }
