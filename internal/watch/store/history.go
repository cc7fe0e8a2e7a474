package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

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
}

// Change is a change and the run that made it sure.
type Change struct {
	Run int64
	state.Change
}

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
	rows, err := s.db.Query("SELECT id, started, ended, retest, verdict, summary, lookup FROM runs WHERE check_name = ? ORDER BY id DESC LIMIT ?", check, limit)
	if err != nil {
		return nil, fmt.Errorf("store: read runs of %s: %w", check, err)
	}
	defer rows.Close() //nolint:errcheck // only read
	var out []Entry
	for rows.Next() {
		var e Entry
		var started, ended int64
		if err := rows.Scan(&e.ID, &started, &ended, &e.Retest, &e.Verdict, &e.Summary, &e.Lookup); err != nil {
			return nil, fmt.Errorf("store: read runs of %s: %w", check, err)
		}
		e.Started, e.Took = timeOf(started), time.Duration(ended-started)*time.Microsecond
		out = append(out, e)
	}
	slices.Reverse(out)
	return out, rows.Err()
}

// Changes are the last changes of a check, the oldest first; at most limit.
func (s *Store) Changes(check string, limit int) ([]Change, error) {
	rows, err := s.db.Query("SELECT run, change FROM changes WHERE check_name = ? ORDER BY id DESC LIMIT ?", check, limit)
	if err != nil {
		return nil, fmt.Errorf("store: read changes of %s: %w", check, err)
	}
	defer rows.Close() //nolint:errcheck // only read
	var out []Change
	for rows.Next() {
		var c Change
		var text string
		if err := rows.Scan(&c.Run, &text); err != nil {
			return nil, fmt.Errorf("store: read changes of %s: %w", check, err)
		}
		if err := json.Unmarshal([]byte(text), &c.Change); err != nil {
			return nil, fmt.Errorf("store: read changes of %s: %w", check, err)
		}
		out = append(out, c)
	}
	slices.Reverse(out)
	return out, rows.Err()
}

// Document is the result of a run, with its evidence.
func (s *Store) Document(run int64) (report.Document, error) {
	var b []byte
	if err := s.db.QueryRow("SELECT document FROM runs WHERE id = ?", run).Scan(&b); err != nil {
		return report.Document{}, fmt.Errorf("store: read run %d: %w", run, err)
	}
	doc, err := decompress(b)
	if err != nil {
		return report.Document{}, fmt.Errorf("store: read run %d: %w", run, err)
	}
	return doc, nil
}

func timeOf(micro int64) time.Time { return time.UnixMicro(micro).UTC() }
