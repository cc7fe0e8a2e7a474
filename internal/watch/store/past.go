package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/state"
)

// ErrNoRun means that a run is not in the store.
var ErrNoRun = errors.New("it was never made, or it is older than what is kept")

// Names are those of all checks that were ever watched, ascending.
func (s *Store) Names() ([]string, error) {
	var out []string
	for name, err := range rowsOf(s.db, scanText, "SELECT check_name FROM states ORDER BY check_name") {
		if err != nil {
			return nil, fmt.Errorf("store: read the names of checks: %w", err)
		}
		out = append(out, name)
	}
	return out, nil
}

// Run is a run with its evidence; ErrNoRun: there is none.
func (s *Store) Run(id int64) (Run, error) {
	r, fail := Run{ID: id}, func(err error) (Run, error) { return Run{}, fmt.Errorf("store: read run %d: %w", id, err) }
	var started, ended int64
	var document []byte
	err := s.db.QueryRow("SELECT check_name, started, ended, retest, trouble, lookup, document FROM runs WHERE id = ?", id).
		Scan(&r.Check, &started, &ended, &r.Retest, &r.Trouble, &r.Lookup, &document)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoRun
	}
	if err != nil {
		return fail(err)
	}
	r.Started, r.Ended = timeOf(started), timeOf(ended)
	if r.Document, err = decompress(document); err != nil {
		return fail(err)
	}
	return r, nil
}

// Last is the last run of a check; ErrNoRun: none is kept.
func (s *Store) Last(check string) (Entry, error) {
	return s.entry(check, "check_name = ? ORDER BY id DESC", check)
}

// Before is the last run of a check that started before a time, and After the
// first one that did not; ErrNoRun: none is kept.
func (s *Store) Before(check string, t time.Time) (Entry, error) {
	return s.entry(check, "check_name = ? AND started < ? ORDER BY started DESC", check, t.UnixMicro())
}

// After is described at Before.
func (s *Store) After(check string, t time.Time) (Entry, error) {
	return s.entry(check, "check_name = ? AND started >= ? ORDER BY started", check, t.UnixMicro())
}

func (s *Store) entry(check, where string, args ...any) (Entry, error) {
	for e, err := range rowsOf(s.db, scanEntry, selectEntry+where+" LIMIT 1", args...) {
		if err != nil {
			return Entry{}, fmt.Errorf("store: read runs of %s: %w", check, err)
		}
		return e, nil
	}
	return Entry{}, fmt.Errorf("store: read runs of %s: %w", check, ErrNoRun)
}

// EntriesBetween are the runs of a check that started from one time on and
// before another; of more than limit, the last ones.
func (s *Store) EntriesBetween(check string, from, to time.Time, limit int) ([]Entry, error) {
	out, err := collect(rowsOf(s.db, scanEntry, selectEntry+"check_name = ? AND started >= ? AND started < ? ORDER BY started DESC LIMIT ?",
		check, from.UnixMicro(), to.UnixMicro(), limit))
	if err != nil {
		return nil, fmt.Errorf("store: read runs of %s: %w", check, err)
	}
	slices.Reverse(out)
	return out, nil
}

// ChangesBetween are the changes of a check that were sure from one time on and
// before another.
func (s *Store) ChangesBetween(check string, from, to time.Time) ([]Change, error) {
	return s.changes(check, "check_name = ? AND at >= ? AND at < ? ORDER BY at DESC, id DESC", check, from.UnixMicro(), to.UnixMicro())
}

func (s *Store) changes(check, where string, args ...any) ([]Change, error) {
	out, err := collect(rowsOf(s.db, scanChange, "SELECT run, change FROM changes WHERE "+where, args...))
	if err != nil {
		return nil, fmt.Errorf("store: read changes of %s: %w", check, err)
	}
	slices.Reverse(out)
	return out, nil
}

// Hours are the roll-ups of a check that overlap the time from one to another,
// ascending.
func (s *Store) Hours(check string, from, to time.Time) ([]period.Hour, error) {
	out, err := collect(rowsOf(s.db, scanHour, "SELECT hour, tally FROM rollups WHERE check_name = ? AND hour >= ? AND hour < ? ORDER BY hour",
		check, from.Truncate(time.Hour).UnixMicro(), to.UnixMicro()))
	if err != nil {
		return nil, fmt.Errorf("store: read roll-ups of %s: %w", check, err)
	}
	return out, nil
}

// Covered is a time in which there was something to know, without a pause.
type Covered struct {
	Kind     Kind           `json:"kind"`
	Question state.Question `json:"question"` // the zero value unless Kind is Told
	period.Interval
	patience time.Duration // for how long its last run stands if no other follows
}

// Coverage says when a check was covered, as far as that overlaps the time from
// one to another, ascending by kind and question. What ended before may still
// stand then.
func (s *Store) Coverage(check string, from, to time.Time) ([]Covered, error) {
	out, err := collect(rowsOf(s.db, scanCovered, "SELECT kind, question, begun, ended, patience FROM coverage WHERE check_name = ? AND ended + patience >= ? AND begun < ? ORDER BY kind, question, begun",
		check, from.UnixMicro(), to.UnixMicro()))
	if err != nil {
		return nil, fmt.Errorf("store: read the coverage of %s: %w", check, err)
	}
	return out, nil
}

// Stored is a run whose document is still JSON (report/schema.json).
type Stored struct {
	Entry
	Document json.RawMessage
}

// handful is how many runs EachRun holds at a time.
const handful = 50

// EachRun are the runs of a check that started from one time on and before
// another, ascending. They are read by the handful: while somebody reads, the
// log of the database only grows, and who takes them may take his time.
func (s *Store) EachRun(check string, from, to time.Time) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		for started, id := from.UnixMicro(), int64(0); ; {
			some, err := collect(rowsOf(s.db, scanStored, "SELECT id, started, ended, retest, verdict, summary, lookup, trouble, document FROM runs WHERE check_name = ? AND started < ? AND (started, id) > (?, ?) ORDER BY started, id LIMIT ?",
				check, to.UnixMicro(), started, id, handful))
			if err != nil {
				yield(Stored{}, fmt.Errorf("store: read runs of %s: %w", check, err))
				return
			}
			for _, x := range some {
				if started, id = x.Started.UnixMicro(), x.ID; !yield(x, nil) {
					return
				}
			}
			if len(some) < handful {
				return
			}
		}
	}
}

// What is selected, and how a row of it is read.

const selectEntry = "SELECT id, started, ended, retest, verdict, summary, lookup, trouble FROM runs WHERE "

func scanEntry(r *sql.Rows) (e Entry, err error) {
	err = e.scan(r)
	return e, err
}

// scan reads an entry and what stands behind it in its row.
func (e *Entry) scan(r *sql.Rows, more ...any) error {
	var started, ended int64
	err := r.Scan(append([]any{&e.ID, &started, &ended, &e.Retest, &e.Verdict, &e.Summary, &e.Lookup, &e.Trouble}, more...)...)
	e.Started, e.Took = timeOf(started), time.Duration(ended-started)*time.Microsecond
	return err
}

func scanStored(r *sql.Rows) (x Stored, err error) {
	var document []byte
	if err := x.scan(r, &document); err != nil {
		return x, err
	}
	x.Document, err = plain(document)
	return x, err
}

func scanCovered(r *sql.Rows) (x Covered, err error) {
	var begun, ended, patience int64
	var question string
	if err := r.Scan(&x.Kind, &question, &begun, &ended, &patience); err != nil {
		return x, err
	}
	x.From, x.To, x.patience = timeOf(begun), timeOf(ended), time.Duration(patience)*time.Microsecond
	err = x.Question.UnmarshalText([]byte(question))
	return x, err
}

func scanChange(r *sql.Rows) (c Change, err error) {
	var text string
	if err := r.Scan(&c.Run, &text); err != nil {
		return c, err
	}
	err = json.Unmarshal([]byte(text), &c.Change)
	return c, err
}

func scanHour(r *sql.Rows) (h period.Hour, err error) {
	var start int64
	var text string
	if err := r.Scan(&start, &text); err != nil {
		return h, err
	}
	h.Start = timeOf(start)
	err = json.Unmarshal([]byte(text), &h.Tally)
	return h, err
}

func scanText(r *sql.Rows) (text string, err error) {
	err = r.Scan(&text)
	return text, err
}

// rowsOf is what a query gives, row by row. Until it ends, the connection is
// taken: who writes has but one.
func rowsOf[T any](db *sql.DB, scan func(*sql.Rows) (T, error), query string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		rows, err := db.Query(query, args...)
		if err != nil {
			yield(none, err)
			return
		}
		defer rows.Close() //nolint:errcheck // only read
		for rows.Next() {
			v, err := scan(rows)
			if !yield(v, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(none, err)
		}
	}
}

// collect is a sequence as a slice; its first error ends it.
func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var out []T
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
