package store

import "fmt"

// Beside are the runs of a check before and after one of it; 0: there is none.
func (s *Store) Beside(check string, run int64) (before, after int64, err error) {
	err = s.db.QueryRow(`SELECT
		coalesce((SELECT max(id) FROM runs WHERE check_name = ?1 AND id < ?2), 0),
		coalesce((SELECT min(id) FROM runs WHERE check_name = ?1 AND id > ?2), 0)`, check, run).Scan(&before, &after)
	if err != nil {
		return 0, 0, fmt.Errorf("store: read runs of %s: %w", check, err)
	}
	return before, after, nil
}
