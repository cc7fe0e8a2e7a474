package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// batch is how many rows go in one transaction, so that nobody who writes
// waits long.
const batch = 500

// Keep bounds what is kept.
type Keep struct {
	Now     time.Time
	Runs    time.Duration // runs that ended longer ago go
	Rollups time.Duration // roll-ups of hours that began longer ago go
	Bytes   int64         // of the database, at most
}

// Trim deletes what is older than it is to be kept, and then, until the
// database takes no more than so many bytes, messages that are done with, then
// the oldest runs, or the oldest roll-ups where those take more than half of the
// room; only when nothing else is left, changes and coverage. The room is given
// back to the file system. It returns how many runs it deleted, and stops early
// when ctx ends.
func (s *Store) Trim(ctx context.Context, k Keep) (deleted int64, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: delete what is old: %w", err)
		}
	}()
	for _, old := range []aged{{runs, k.Now.Add(-k.Runs)}, {rollups, k.Now.Add(-k.Rollups)}} {
		for n := int64(batch); n == batch && ctx.Err() == nil; {
			if n, err = s.remove(old, batch); err != nil {
				return deleted, err
			}
			if old.table == runs {
				deleted += n
			}
		}
	}
	left := []table{sent, runs, rollups, changes, coverage}
	for len(left) > 0 && ctx.Err() == nil {
		excess, err := s.excess(k.Bytes)
		if err != nil {
			return deleted, err
		}
		if excess <= 0 {
			break
		}
		from := left[0]
		if from == runs {
			size, err := s.rollupBytes()
			if err != nil {
				return deleted, err
			}
			if size > k.Bytes/2 {
				from = rollups
			}
		}
		most, err := s.share(from, excess)
		if err != nil {
			return deleted, err
		}
		n, err := s.remove(aged{from, dusk}, most)
		if err != nil {
			return deleted, err
		}
		if from == runs {
			deleted += n
		}
		if n == 0 {
			left = left[1:]
		}
	}
	return deleted, s.shrink()
}

// table is one whose rows may go, with the column of their time.
type table struct{ name, time string }

var (
	sent     = table{"outbox", "done"} // of messages that are not, that is NULL, and so not before any time
	runs     = table{"runs", "ended"}
	rollups  = table{"rollups", "hour"}
	changes  = table{"changes", "at"}
	coverage = table{"coverage", "ended"}
)

// aged are the rows of a table that are older than a time.
type aged struct {
	table  table
	before time.Time
}

// dusk is later than anything that is stored.
var dusk = time.Unix(1<<40, 0) // year 36812

// remove deletes at most limit rows, the oldest first.
func (s *Store) remove(a aged, limit int64) (int64, error) {
	query := fmt.Sprintf("DELETE FROM %[1]s WHERE id IN (SELECT id FROM %[1]s WHERE %[2]s < ? ORDER BY %[2]s LIMIT ?)", a.table.name, a.table.time)
	res, err := s.db.Exec(query, a.before.UnixMicro(), limit)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// rollupBytes is about how many bytes the roll-ups take, indexes included.
func (s *Store) rollupBytes() (int64, error) {
	rows, err := s.rows(rollups)
	if err != nil || rows == 0 {
		return 0, err
	}
	const beside = 100 // the name of the check, thrice, numbers and what pages leave free
	var mean float64
	err = s.db.QueryRow("SELECT avg(length(tally)) FROM (SELECT tally FROM rollups ORDER BY id DESC LIMIT 100)").Scan(&mean)
	return rows * (beside + int64(mean)), err
}

// rows is about how many rows a table has. The oldest go first, so numbers
// leave no great holes, and counting them would take long.
func (s *Store) rows(t table) (n int64, err error) {
	err = s.db.QueryRow(fmt.Sprintf("SELECT coalesce((SELECT max(id) FROM %[1]s) - (SELECT min(id) FROM %[1]s) + 1, 0)", t.name)).Scan(&n)
	return n, err
}

// excess is by how many bytes what is in use exceeds a limit.
func (s *Store) excess(limit int64) (int64, error) {
	var used int64
	err := s.db.QueryRow("SELECT (p.page_count - f.freelist_count) * z.page_size FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size z").Scan(&used)
	return used - limit, err
}

// share is how many rows to delete next: about those that the excess takes,
// by their mean size, so that not much more goes than must.
func (s *Store) share(t table, excess int64) (int64, error) {
	rows, err := s.rows(t)
	if err != nil {
		return 0, err
	}
	used, err := s.excess(0)
	if err != nil || used <= 0 {
		return 1, err
	}
	return min(batch, 1+int64(float64(rows)*float64(excess)/float64(used))), nil // the product of the first two may not fit
}

// shrink gives free pages back, and empties the log, unless somebody is reading:
// no run waits for that.
func (s *Store) shrink() (err error) {
	defer func() {
		_, again := s.db.Exec("PRAGMA " + busyTimeout)
		err = errors.Join(err, again)
	}()
	for _, pragma := range []string{"PRAGMA incremental_vacuum", "PRAGMA busy_timeout(0)", "PRAGMA wal_checkpoint(truncate)"} {
		rows, err := s.db.Query(pragma)
		if err != nil {
			return err
		}
		for rows.Next() { // a page goes with every step
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if err := rows.Close(); err != nil {
			return err
		}
	}
	return nil
}
