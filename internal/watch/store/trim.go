package store

import (
	"context"
	"fmt"
	"time"
)

// batch is how many runs go in one transaction, so that nobody who writes
// waits long.
const batch = 500

// Trim deletes the runs that ended before a time, and then the oldest ones
// until the database takes no more than so many bytes; only when none is left,
// the oldest changes. The room is given back to the file system. It returns
// how many runs it deleted, and stops early when ctx ends.
func (s *Store) Trim(ctx context.Context, before time.Time, limit int64) (deleted int64, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: delete what is old: %w", err)
		}
	}()
	for ctx.Err() == nil {
		n, err := s.remove("DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE ended < ? ORDER BY ended LIMIT ?)", before.UnixMicro(), batch)
		if deleted += n; err != nil {
			return deleted, err
		}
		if n < batch {
			break
		}
	}
	for _, table := range []string{"runs", "changes"} {
		for ctx.Err() == nil {
			excess, err := s.excess(limit)
			if err != nil {
				return deleted, err
			}
			if excess <= 0 {
				break
			}
			n, err := s.remove("DELETE FROM "+table+" WHERE id IN (SELECT id FROM "+table+" ORDER BY id LIMIT ?)", s.share(table, excess))
			if table == "runs" {
				deleted += n
			}
			if err != nil {
				return deleted, err
			}
			if n == 0 {
				break
			}
		}
	}
	return deleted, s.shrink()
}

func (s *Store) remove(query string, args ...any) (int64, error) {
	res, err := s.db.Exec(query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// excess is by how many bytes what is in use exceeds a limit.
func (s *Store) excess(limit int64) (int64, error) {
	var used int64
	err := s.db.QueryRow("SELECT (p.page_count - f.freelist_count) * z.page_size FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size z").Scan(&used)
	return used - limit, err
}

// share is how many rows to delete next: about those that the excess takes,
// by their mean size, so that not much more goes than must.
func (s *Store) share(table string, excess int64) int64 {
	var rows, used int64
	if err := s.db.QueryRow("SELECT count(*) FROM " + table).Scan(&rows); err != nil || rows == 0 {
		return 1
	}
	used, err := s.excess(0)
	if err != nil || used <= 0 {
		return 1
	}
	return min(batch, 1+rows*excess/used)
}

// shrink gives free pages back, and empties the log.
func (s *Store) shrink() error {
	for _, pragma := range []string{"PRAGMA incremental_vacuum", "PRAGMA wal_checkpoint(truncate)"} {
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
