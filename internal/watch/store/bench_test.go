package store

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
)

// BenchmarkMillion asks a store with a million runs, of a thousand checks, and
// a year of roll-ups of one of them, and adds to it.
func BenchmarkMillion(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "rstprobe.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // its file goes, too
	r := run("check 0", 1, 10)
	if err := s.Add(r, []state.Change{change(1)}, after(1)); err != nil {
		b.Fatal(err)
	}
	count := func(n int) string {
		return fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d) ", n)
	}
	for _, fill := range []string{
		count(999) + `INSERT INTO states SELECT 'check ' || i, state FROM states, n`,
		count(1e6) + `INSERT INTO runs (check_name, started, ended, retest, verdict, summary, lookup, trouble, document)
			SELECT 'check ' || (i % 1000), i * 300000, i * 300000 + 1000000, 0, verdict, summary, '', 0, document FROM runs, n`,
		count(9600) + `INSERT INTO rollups (check_name, hour, tally) SELECT 'check 0', i * 3600000000, tally FROM rollups, n`,
	} {
		if _, err := s.db.Exec(fill); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.shrink(); err != nil {
		b.Fatal(err)
	}
	epoch := time.Unix(0, 0)
	for _, bb := range []struct {
		name string
		do   func() error
	}{
		{"names", func() error { _, err := s.Names(); return err }},
		{"states", func() error { _, err := s.States(); return err }},
		{"checks", func() error { _, err := s.Checks(); return err }},
		{"last", func() error { _, err := s.Last("check 7"); return err }},
		{"entries 20", func() error { _, err := s.Entries("check 7", 20); return err }},
		{"before", func() error { _, err := s.Before("check 7", epoch.Add(time.Hour)); return err }},
		{"hours of a day", func() error { _, err := s.Hours("check 0", epoch.Add(50*day), epoch.Add(51*day)); return err }},
		{"period of a week", func() error { _, err := s.Period("check 0", epoch.Add(50*day), epoch.Add(57*day), nil); return err }},
		{"period of 400 days", func() error { _, err := s.Period("check 0", epoch, epoch.Add(400*day), nil); return err }},
		{"trim nothing", func() error {
			_, err := s.Trim(context.Background(), Keep{Now: epoch, Rollups: 400 * day, Bytes: 1 << 40})
			return err
		}},
		{"add", func() error {
			r.Started, r.Ended = r.Started.Add(time.Minute), r.Ended.Add(time.Minute)
			return s.Add(r, nil, state.Machines{sni: {LastAt: r.Ended}})
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				if err := bb.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
