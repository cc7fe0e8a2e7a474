// Package store keeps what rstprobe watch has measured, in an SQLite database:
// every run with its evidence, every change, and what is known of each check.
//
// What Add has returned from is safe: it is in the log of the database, and
// that is on the disk, so neither a killed process nor a machine that loses
// its power takes it away. A run, the changes that it made sure and the state
// after it are written together or not at all.
//
// Any number of processes may read while one writes.
package store

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"database/sql"
	_ "embed" // for the schema
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"modernc.org/sqlite"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/report"
)

//go:embed schema.sql
var schema string

// version is that of the schema, PRAGMA user_version.
const version = 1

// ErrVersion means that a later version of rstprobe wrote the database.
var ErrVersion = errors.New("a later version of rstprobe wrote it: use that one, or name another file")

// Run is one measurement of a check.
type Run struct {
	ID       int64 // set by Add; ascending in the order of writing, and never used again
	Check    string
	Started  time.Time // microseconds
	Ended    time.Time // likewise
	Retest   bool
	Interval time.Duration // from the beginning of a run to that of the next one; not kept
	Trouble  bool          // our own network was in trouble, to all that was known
	Lookup   string        // why the name could not be resolved; "": it could
	Document report.Document
}

// Store is an open database. Its methods may be called by several goroutines.
type Store struct{ db *sql.DB }

// Open opens the database at path. If there is none, it makes one that only its
// owner may read: who measured what is nobody else's business.
func Open(path string) (*Store, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite gives its other files the same mode
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s, err := open(path, "mode=rwc",
		"auto_vacuum(incremental)", // before the first table is made, or never
		"journal_mode(wal)",
		"synchronous(full)", // in WAL mode, less than that loses commits with the power
	)
	if err != nil {
		return nil, err
	}
	s.db.SetMaxOpenConns(1) // one writes at a time anyway, and waits here more fairly than in SQLite
	if err := s.migrate(); err != nil {
		return nil, errors.Join(fmt.Errorf("store %s: %w", path, advised(err)), s.Close())
	}
	return s, nil
}

// OpenReadOnly opens a database that there is.
func OpenReadOnly(path string) (*Store, error) {
	info, err := os.Stat(path) // which takes no lock away; see refused
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("store %s: it is a directory: name the file in it", path)
	}
	s, err := open(path, "mode=ro")
	if err != nil {
		return nil, err
	}
	got := 0
	if err := s.db.QueryRow("PRAGMA user_version").Scan(&got); err != nil {
		return nil, errors.Join(fmt.Errorf("store %s: %w", path, cmp.Or(refused(path), advised(err))), s.Close())
	}
	switch {
	case got > version:
		return nil, errors.Join(fmt.Errorf("store %s: %w", path, ErrVersion), s.Close())
	case got == 0:
		return nil, errors.Join(fmt.Errorf("store %s: rstprobe watch has written nothing to it", path), s.Close())
	}
	return s, nil
}

// busyTimeout is for how many milliseconds one waits for another who writes.
const busyTimeout = "busy_timeout(10000)"

// open opens a database; pragmas are carried out on every connection, in
// order.
func open(path, mode string, pragmas ...string) (*Store, error) {
	// Of a URI (https://www.sqlite.org/uri.html) a path has these escaped.
	uri := "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path) +
		"?" + mode + "&_txlock=immediate&_pragma=" + busyTimeout
	for _, p := range pragmas {
		uri += "&_pragma=" + p
	}
	db, err := sql.Open("sqlite", uri)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	return &Store{db}, nil
}

// refused is why a file cannot be read, which SQLite does not say; nil: it can.
// It is asked only where SQLite has failed: to close a file takes away all locks
// that this process has on it (POSIX, fcntl, F_SETLK), also those of a Store that
// is open meanwhile, and another process may then delete what that still writes
// to.
func refused(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return file.Close()
}

// advised adds to why a database cannot be opened what to do about it, by the
// primary result code (https://www.sqlite.org/rescode.html).
func advised(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case 8, 14: // SQLITE_READONLY, SQLITE_CANTOPEN
		return fmt.Errorf("%w: even to read it takes a directory that can be written to: copy it to another one, with the file that ends in -wal, if there is one", err)
	case 11, 26: // SQLITE_CORRUPT, SQLITE_NOTADB
		return fmt.Errorf("%w: it is damaged, or was never a store: name another file; sqlite3 FILE .recover may save what is in it", err)
	}
	return err
}

// migrate makes the tables of a new database.
func (s *Store) migrate() error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	got := 0
	if err := tx.QueryRow("PRAGMA user_version").Scan(&got); err != nil {
		return err
	}
	switch {
	case got > version:
		return ErrVersion
	case got == version:
		return nil
	}
	if _, err := tx.Exec(schema); err != nil {
		return err
	}
	if _, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", version)); err != nil {
		return err
	}
	return tx.Commit()
}

// Close ends the use of the database.
func (s *Store) Close() error { return s.db.Close() }

// Add keeps a run, what it made sure, the state of its check after it, and who
// is to be told what of it.
func (s *Store) Add(r Run, changes []state.Change, after state.Machines, decisions ...alert.Decision) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: add a run of %s: %w", r.Check, err)
		}
	}()
	document, err := compress(r.Document)
	if err != nil {
		return err
	}
	machines, err := json.Marshal(after)
	if err != nil {
		return err
	}
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	v := r.Document.Verdict
	added, err := tx.Exec("INSERT INTO runs (check_name, started, ended, retest, verdict, summary, lookup, trouble, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		r.Check, r.Started.UnixMicro(), r.Ended.UnixMicro(), r.Retest, v.Outcome, v.Summary, r.Lookup, r.Trouble, document)
	if err != nil {
		return err
	}
	id, err := added.LastInsertId()
	if err != nil {
		return err
	}
	for _, c := range changes {
		b, err := json.Marshal(c)
		if err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO changes (check_name, question, at, run, change) VALUES (?, ?, ?, ?, ?)",
			r.Check, c.Question.String(), c.At.UnixMicro(), id, string(b)); err != nil {
			return err
		}
	}
	if err := rollUp(tx, r, after); err != nil {
		return err
	}
	if err := cover(tx, r, after); err != nil {
		return err
	}
	if _, err := tx.Exec("INSERT OR REPLACE INTO states (check_name, state) VALUES (?, ?)", r.Check, string(machines)); err != nil {
		return err
	}
	if err := tell(tx, id, decisions); err != nil {
		return err
	}
	return tx.Commit()
}

// States are what is known of every check that was ever watched.
func (s *Store) States() (map[string]state.Machines, error) {
	rows, err := s.db.Query("SELECT check_name, state FROM states")
	if err != nil {
		return nil, fmt.Errorf("store: read states: %w", err)
	}
	defer rows.Close() //nolint:errcheck // only read
	out := map[string]state.Machines{}
	for rows.Next() {
		var check, text string
		if err := rows.Scan(&check, &text); err != nil {
			return nil, fmt.Errorf("store: read states: %w", err)
		}
		var m state.Machines
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return nil, fmt.Errorf("store: read the state of %s: %w", check, err)
		}
		out[check] = m
	}
	return out, rows.Err()
}

func compress(doc report.Document) ([]byte, error) {
	b, err := doc.JSON()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func decompress(b []byte) (report.Document, error) {
	text, err := plain(b)
	if err != nil {
		return report.Document{}, err
	}
	return report.Read(bytes.NewReader(text))
}

// plain is the JSON of a document.
func plain(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
