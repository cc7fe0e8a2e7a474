package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
)

// noting is a driver that notes the queries that come to another one.
type noting struct {
	driver.Driver
	note func(query string)
}

func (n noting) Open(name string) (driver.Conn, error) {
	c, err := n.Driver.Open(name)
	return notingConn{c, n.note}, err
}

// notingConn has no more methods than it must, so that every query is prepared
// first.
type notingConn struct {
	driver.Conn
	note func(query string)
}

func (c notingConn) Prepare(query string) (driver.Stmt, error) {
	c.note(query)
	return c.Conn.Prepare(query)
}

func (c notingConn) Begin() (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(context.Background(), driver.TxOptions{})
}

// TestNothingIsScanned: whatever is asked, and whatever a run adds, is found by
// an index, however much else there is; and nothing is sorted but what is
// small.
func TestNothingIsScanned(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rstprobe.db")
	plain := opened(t, path)
	var queries []string
	sql.Register("noting", noting{plain.db.Driver(), func(q string) {
		if !slices.Contains(queries, q) {
			queries = append(queries, q)
		}
	}})
	db, err := sql.Open("noting", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // its file goes, too
	s := &Store{db}
	for n := range 3 {
		if err := s.Add(run("shop", n, 10), []state.Change{change(n)}, after(n)); err != nil {
			t.Fatal(err)
		}
	}
	for i, ask := range []func() error{
		func() error { _, err := s.Names(); return err },
		func() error { _, err := s.Entries("shop", 1); return err },
		func() error { _, err := s.Changes("shop", 1); return err },
		func() error { _, err := s.EntriesBetween("shop", start, forever, 1); return err },
		func() error { _, err := s.Last("shop"); return err },
		func() error { _, err := s.Before("shop", forever); return err },
		func() error { _, err := s.After("shop", start); return err },
		func() error { _, _, err := s.Beside("shop", 2); return err },
		func() error { _, err := s.Run(1); return err },
		func() error { _, err := s.Period("shop", start, forever, nil); return err },
		func() error { _, err := collect(s.EachRun("shop", start, forever)); return err },
		func() error {
			_, err := s.Trim(t.Context(), Keep{Now: start, Runs: time.Hour, Bytes: 1 << 40})
			return err
		},
		func() error {
			_, err := s.rollupBytes() // for want of room
			return err
		},
		func() error { _, err := s.remove(aged{sent, dusk}, 1); return err },
	} {
		if err := ask(); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	seen := 0
	for _, q := range queries {
		for _, step := range plan(t, plain.db, q) {
			seen++
			slow := strings.HasPrefix(step, "SCAN runs") || strings.HasPrefix(step, "SCAN changes") || strings.HasPrefix(step, "SCAN rollups") || strings.HasPrefix(step, "SCAN coverage") || strings.HasPrefix(step, "SCAN outbox")
			if slow || strings.Contains(step, "TEMP B-TREE") && !strings.Contains(q, "FROM coverage") {
				t.Errorf("%s:\n\t%s", q, step)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d steps of %d queries were looked at", seen, len(queries))
	}
	// The test would notice one that is.
	if steps := plan(t, plain.db, "SELECT * FROM runs ORDER BY summary"); !slices.ContainsFunc(steps, func(s string) bool { return strings.HasPrefix(s, "SCAN runs") }) {
		t.Errorf("the plan of a scan is %q", steps)
	}
}

var parameter = regexp.MustCompile(`\?(\d*)`)

// plan is how SQLite finds what a query asks for
// (https://www.sqlite.org/eqp.html).
func plan(t *testing.T, db *sql.DB, query string) (steps []string) {
	t.Helper()
	if !strings.HasPrefix(query, "SELECT") && !strings.HasPrefix(query, "UPDATE") && !strings.HasPrefix(query, "DELETE") {
		return nil
	}
	numbered := map[string]bool{}
	for i, m := range parameter.FindAllStringSubmatch(query, -1) {
		if m[1] == "" {
			m[1] = fmt.Sprint("position ", i)
		}
		numbered[m[1]] = true
	}
	rows, err := db.Query("EXPLAIN QUERY PLAN "+query, make([]any, len(numbered))...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close() //nolint:errcheck // only read
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
