package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
)

// Message is an event on its way to a receiver.
type Message struct {
	ID        int64
	Event     alert.Event
	Created   time.Time
	Due       time.Time // when it is to be sent
	Attempts  int       // that failed
	Repeat    bool      // it is sent again and again, until a later one on the same question is there at the latest
	Delivered bool      // it was, at least once
}

// Told is what all receivers were told.
func (s *Store) Told() (map[alert.Key]alert.State, error) {
	out, err := s.told()
	if err != nil {
		return nil, fmt.Errorf("store: read what was told: %w", err)
	}
	return out, nil
}

func (s *Store) told() (map[alert.Key]alert.State, error) {
	rows, err := s.db.Query("SELECT receiver, check_name, question, state FROM told")
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // only read
	out := map[alert.Key]alert.State{}
	for rows.Next() {
		var key alert.Key
		var question, text string
		if err := rows.Scan(&key.Receiver, &key.Check, &question, &text); err != nil {
			return nil, err
		}
		if err := key.Question.UnmarshalText([]byte(question)); err != nil {
			return nil, err
		}
		var told alert.State
		if err := json.Unmarshal([]byte(text), &told); err != nil {
			return nil, err
		}
		out[key] = told
	}
	return out, rows.Err()
}

// Tell keeps decisions that no run gave rise to, and forgets all receivers but
// those named: what they were told, and what they were still to be. It returns
// how many messages are not sent for that, by receiver.
func (s *Store) Tell(decisions []alert.Decision, receivers []string) (dropped map[string]int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: keep the receivers of alerts: %w", err)
		}
	}()
	tx, err := s.db.Begin()
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	if dropped, err = forget(tx, receivers); err != nil {
		return nil, err
	}
	if err := tell(tx, 0, decisions); err != nil {
		return nil, err
	}
	return dropped, tx.Commit()
}

// forget deletes what concerns receivers that are not named.
func forget(tx *sql.Tx, receivers []string) (map[string]int, error) {
	dropped := map[string]int{}
	for _, known := range []string{
		"SELECT receiver, count(*) FROM outbox WHERE done IS NULL AND delivered IS NULL GROUP BY receiver",
		"SELECT DISTINCT receiver, 0 FROM told",
		"SELECT DISTINCT receiver, 0 FROM outbox",
	} {
		rows, err := tx.Query(known)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var receiver string
			var n int
			if err := rows.Scan(&receiver, &n); err != nil {
				return nil, errors.Join(err, rows.Close())
			}
			if !slices.Contains(receivers, receiver) {
				dropped[receiver] += n
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	for receiver := range dropped {
		for _, table := range []string{"told", "outbox"} {
			if _, err := tx.Exec("DELETE FROM "+table+" WHERE receiver = ?", receiver); err != nil {
				return nil, err
			}
		}
	}
	return dropped, nil
}

// tell keeps decisions that a run gave rise to.
func tell(tx *sql.Tx, run int64, decisions []alert.Decision) error {
	for _, d := range decisions {
		question := d.Question.String()
		text, err := json.Marshal(d.State)
		if err != nil {
			return err
		}
		if d.State == (alert.State{}) {
			_, err = tx.Exec("DELETE FROM told WHERE receiver = ? AND check_name = ? AND question = ?", d.Receiver, d.Check, question)
		} else {
			_, err = tx.Exec("INSERT OR REPLACE INTO told (receiver, check_name, question, state) VALUES (?, ?, ?, ?)", d.Receiver, d.Check, question, string(text))
		}
		if err != nil {
			return err
		}
		if d.Event.Status == "" {
			continue
		}
		if d.Standing {
			if _, err := tx.Exec("UPDATE outbox SET done = ? WHERE receiver = ? AND check_name = ? AND question = ? AND done IS NULL",
				d.Event.At.UnixMicro(), d.Receiver, d.Check, question); err != nil {
				return err
			}
		}
		if text, err = json.Marshal(d.Event); err != nil {
			return err
		}
		at := d.Event.At.UnixMicro()
		if _, err := tx.Exec("INSERT INTO outbox (receiver, check_name, question, run, event, created, due, attempts, repeat) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
			d.Receiver, d.Check, question, run, string(text), at, at, d.Standing); err != nil {
			return err
		}
	}
	return nil
}

// Next are the messages to a receiver that are due first, at most so many: what
// is sent again and again comes behind what has waited longer, however many of
// it there is. Of each question only the oldest one counts, so that they arrive
// in order.
func (s *Store) Next(receiver string, most int) ([]Message, error) {
	out, err := s.next(receiver, most)
	if err != nil {
		return nil, fmt.Errorf("store: read the alerts to send: %w", err)
	}
	return out, nil
}

func (s *Store) next(receiver string, most int) (out []Message, err error) {
	rows, err := s.db.Query(`SELECT id, run, event, created, due, attempts, repeat, delivered IS NOT NULL FROM outbox AS m
		WHERE receiver = ?1 AND done IS NULL AND NOT EXISTS (
			SELECT 1 FROM outbox AS earlier WHERE earlier.receiver = ?1 AND earlier.check_name = m.check_name
			AND earlier.question = m.question AND earlier.done IS NULL AND earlier.id < m.id)
		ORDER BY due, id LIMIT ?2`, receiver, most)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // only read
	for rows.Next() {
		var m Message
		var run, created, due int64
		var text string
		if err := rows.Scan(&m.ID, &run, &text, &created, &due, &m.Attempts, &m.Repeat, &m.Delivered); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(text), &m.Event); err != nil {
			return nil, err
		}
		m.Event.Run, m.Created, m.Due = run, timeOf(created), timeOf(due)
		out = append(out, m)
	}
	return out, rows.Err()
}

// Attempt is what became of an attempt to send a message.
type Attempt struct {
	ID        int64     // of the message
	Delivered bool      // it arrived
	Again     time.Time // when it is to be sent again; zero: never
}

// Note keeps what became of attempts that ended at a time, all of them or none.
// A message that is done meanwhile, since a later one has come, stays as it is.
func (s *Store) Note(at time.Time, attempts ...Attempt) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: note what became of an alert: %w", err)
		}
	}()
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	for _, a := range attempts {
		again := sql.NullInt64{Int64: a.Again.UnixMicro(), Valid: !a.Again.IsZero()}
		if _, err := tx.Exec(`UPDATE outbox SET attempts = iif(?2, 0, attempts + 1), delivered = iif(?2, coalesce(delivered, ?3), delivered),
			due = coalesce(?4, due), done = iif(?4 IS NULL, ?3, NULL) WHERE id = ?1 AND done IS NULL`, a.ID, a.Delivered, at.UnixMicro(), again); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Pending is how many messages to a receiver have not arrived: not yet, or not
// the last time that they were to.
func (s *Store) Pending(receiver string) (n int, err error) {
	err = s.db.QueryRow("SELECT count(*) FROM outbox WHERE receiver = ? AND done IS NULL AND (delivered IS NULL OR attempts > 0)", receiver).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("store: count the alerts to send: %w", err)
	}
	return n, nil
}

// Sweep deletes the messages that were done with before a time.
func (s *Store) Sweep(before time.Time) error {
	if _, err := s.db.Exec("DELETE FROM outbox WHERE done < ?", before.UnixMicro()); err != nil {
		return fmt.Errorf("store: delete old alerts: %w", err)
	}
	return nil
}
