package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/report"
)

// Period says what a check was like from one time on and before another, which
// should not be later than now. It goes by changes, roll-ups and coverage, so
// that it does not matter how long ago that was, and reads two documents at
// most. visit, unless nil, sees these.
func (s *Store) Period(check string, from, to time.Time, visit func(report.Document)) (c period.Check, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: read the past of %s: %w", check, err)
		}
	}()
	f := period.Facts{Check: check, From: from, To: to}
	if f.Now, err = s.state(check); err != nil {
		return c, err
	}
	if f.Coverage, err = s.coverage(check, from, to); err != nil {
		return c, err
	}
	if f.Changes, err = s.changesAround(check, from, to); err != nil {
		return c, err
	}
	if f.Hours, err = s.Hours(check, from, to); err != nil {
		return c, err
	}
	if f.Path, err = s.path(f, visit); err != nil {
		return c, err
	}
	return f.Derive(), nil
}

// state is what is known of a check now; nil: nothing.
func (s *Store) state(check string) (state.Machines, error) {
	var out state.Machines
	for text, err := range rowsOf(s.db, scanText, "SELECT state FROM states WHERE check_name = ?", check) {
		if err == nil {
			err = json.Unmarshal([]byte(text), &out)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// changesAround are the changes that say what was confirmed in a period; see
// period.Facts.
func (s *Store) changesAround(check string, from, to time.Time) ([]Change, error) {
	out, err := s.ChangesBetween(check, from, to)
	if err != nil {
		return nil, err
	}
	questions, err := collect(rowsOf(s.db, scanText, "SELECT DISTINCT question FROM changes WHERE check_name = ?", check))
	if err != nil {
		return nil, err
	}
	for _, q := range questions {
		for _, x := range []struct {
			where string
			at    time.Time
		}{{"at < ? ORDER BY at DESC, id DESC LIMIT 1", from}, {"at >= ? ORDER BY at, id LIMIT 1", to}} {
			one, err := s.changes(check, "check_name = ? AND question = ? AND "+x.where, check, q, x.at.UnixMicro())
			if err != nil {
				return nil, err
			}
			out = append(out, one...)
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int { return a.At.Compare(b.At) })
	return out, nil
}

// coverage is that of a period. What the last run showed holds until the next
// one, unless that fails to come.
func (s *Store) coverage(check string, from, to time.Time) (period.Coverage, error) {
	out := period.Coverage{Told: map[state.Question][]period.Interval{}}
	last, waits := time.Time{}, time.Duration(0) // of all runs
	rows, err := s.Coverage(check, from, to)
	if err != nil {
		return out, err
	}
	for _, x := range rows {
		switch x.Kind {
		case Ran:
			out.Ran = joined(out.Ran, x.Interval)
			last, waits = x.To, x.patience
		case Trouble:
			out.Trouble = joined(out.Trouble, x.Interval)
		case Told:
			out.Told[x.Question] = joined(out.Told[x.Question], x.Interval)
		}
	}
	if to.Sub(last) > waits {
		return out, nil
	}
	all := [][]period.Interval{out.Ran, out.Trouble}
	for _, list := range out.Told {
		all = append(all, list)
	}
	for _, list := range all {
		if n := len(list); n > 0 && list[n-1].To.Equal(last) && last.Before(to) {
			list[n-1].To = to
		}
	}
	return out, nil
}

// joined is a list with one more interval, which begins no earlier than the
// last one. They overlap where the clock was set back.
func joined(list []period.Interval, i period.Interval) []period.Interval {
	if n := len(list); n > 0 && !i.From.After(list[n-1].To) {
		if i.To.After(list[n-1].To) {
			list[n-1].To = i.To
		}
		return list
	}
	return append(list, i)
}

// path compares the run that made the last change of a period sure with the
// last one before that change was seen; where nothing changed, the first and
// the last run. Those that found nothing out do not count. nil: they are not
// kept.
func (s *Store) path(f period.Facts, visit func(report.Document)) (*period.Diff, error) {
	for _, c := range slices.Backward(f.Changes) {
		if c.At.Before(f.From) || !c.At.Before(f.To) {
			continue
		}
		before, err := s.entry(f.Check, "check_name = ?1 AND started < ?2 AND ended < ?2 AND verdict <> 'inconclusive' ORDER BY started DESC", f.Check, c.Since.UnixMicro())
		if errors.Is(err, ErrNoRun) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return s.compare(before.ID, c.Run, visit)
	}
	first, err := s.entry(f.Check, "check_name = ? AND started >= ? AND verdict <> 'inconclusive' ORDER BY started", f.Check, f.From.UnixMicro())
	if errors.Is(err, ErrNoRun) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	last, err := s.entry(f.Check, "check_name = ? AND started < ? AND verdict <> 'inconclusive' ORDER BY started DESC", f.Check, f.To.UnixMicro())
	if errors.Is(err, ErrNoRun) || err == nil && last.ID <= first.ID {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.compare(first.ID, last.ID, visit)
}

// compare compares two runs; nil: one of them is not kept any more.
func (s *Store) compare(before, after int64, visit func(report.Document)) (*period.Diff, error) {
	var docs [2]report.Document
	for i, id := range []int64{before, after} {
		doc, err := s.Document(id)
		if errors.Is(err, ErrNoRun) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if visit != nil {
			visit(doc)
		}
		docs[i] = doc
	}
	d := period.Compare(before, after, docs[0], docs[1])
	return &d, nil
}
