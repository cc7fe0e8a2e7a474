package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/state"
)

// tally is what a roll-up has of a run. That its machines noted the reading of
// a question last means that it told something.
func tally(r Run, after state.Machines) period.Tally {
	return period.TallyOf(r.Document, period.Run{
		Ended: r.Ended, Retest: r.Retest, LookupFailed: r.Lookup != "", Trouble: r.Trouble,
		Told: func(q state.Question) bool { return after[q].LastAt.Equal(r.Ended) },
	})
}

// rollUp adds a run to its hour.
func rollUp(tx *sql.Tx, r Run, after state.Machines) error {
	sum := tally(r, after)
	hour := r.Started.Truncate(time.Hour).UnixMicro()
	var id int64
	var text string
	err := tx.QueryRow("SELECT id, tally FROM rollups WHERE check_name = ? AND hour = ?", r.Check, hour).Scan(&id, &text)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		b, err := json.Marshal(sum)
		if err != nil {
			return err
		}
		_, err = tx.Exec("INSERT INTO rollups (check_name, hour, tally) VALUES (?, ?, ?)", r.Check, hour, string(b))
		return err
	case err != nil:
		return err
	}
	var before period.Tally
	if err := json.Unmarshal([]byte(text), &before); err != nil {
		return fmt.Errorf("the roll-up of %s: %w", timeOf(hour), err)
	}
	b, err := json.Marshal(before.Plus(sum))
	if err != nil {
		return err
	}
	_, err = tx.Exec("UPDATE rollups SET tally = ? WHERE id = ?", string(b), id)
	return err
}

// Kind is a kind of coverage.
type Kind string

// The kinds of coverage.
const (
	Ran     Kind = "ran"     // the check was run
	Trouble Kind = "trouble" // our own network was in trouble
	Told    Kind = "told"    // a question was answered
)

// A run stands for the time until the next one. Two that fail to come, or that
// tell nothing, are no pause yet: runs are delayed, wait for each other, and
// get lost.
const (
	stands        = 3           // intervals
	leastPatience = time.Minute // runs may take longer than a short interval
)

// stretch is a row of the table of coverage; the zero value is none.
type stretch struct{ id, begun, ended, patience int64 }

// cover notes what a run covers.
func cover(tx *sql.Tx, r Run, after state.Machines) error {
	before, err := lastStretch(tx, r.Check, Ran, "")
	if err != nil {
		return err
	}
	waits := max(before.patience, patience(r))
	if err := extend(tx, r, Ran, "", waits); err != nil {
		return err
	}
	for q, m := range after {
		if m.LastAt.Equal(r.Ended) {
			if err := extend(tx, r, Told, q.String(), waits); err != nil {
				return err
			}
		}
	}
	if !r.Trouble {
		return nil
	}
	sinceLast := r.Ended.UnixMicro() - before.ended // one run without trouble ends it
	return extend(tx, r, Trouble, "", min(waits, sinceLast))
}

func patience(r Run) int64 { return max(stands*r.Interval, leastPatience).Microseconds() }

func lastStretch(tx *sql.Tx, check string, kind Kind, question string) (s stretch, err error) {
	err = tx.QueryRow("SELECT id, begun, ended, patience FROM coverage WHERE check_name = ? AND kind = ? AND question = ? ORDER BY id DESC LIMIT 1",
		check, kind, question).Scan(&s.id, &s.begun, &s.ended, &s.patience)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return s, err
}

// extend makes the last stretch of a kind longer, or begins another one if that
// ended longer ago than waits, or the clock was set back.
func extend(tx *sql.Tx, r Run, kind Kind, question string, waits int64) error {
	s, err := lastStretch(tx, r.Check, kind, question)
	if err != nil {
		return err
	}
	at := r.Ended.UnixMicro()
	if s.id > 0 && s.begun <= at && at-s.ended <= waits {
		_, err = tx.Exec("UPDATE coverage SET ended = ?, patience = ? WHERE id = ?", max(s.ended, at), patience(r), s.id)
		return err
	}
	_, err = tx.Exec("INSERT INTO coverage (check_name, kind, question, begun, ended, patience) VALUES (?, ?, ?, ?, ?, ?)",
		r.Check, kind, question, at, at, patience(r))
	return err
}
