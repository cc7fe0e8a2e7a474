package store

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
)

// decision is about a question of a receiver, made at a minute.
func decision(receiver, question string, status alert.Status, at int) alert.Decision {
	when := start.Add(time.Duration(at) * time.Minute)
	return alert.Decision{
		Key:      alert.Key{Receiver: receiver, Check: "shop", Question: state.Question{Kind: probe.SNI, Name: question}},
		State:    alert.State{Firing: status == alert.Firing, Told: when},
		Event:    alert.Event{Status: status, At: when, Summary: question},
		Standing: receiver == "standing",
	}
}

// next is the summary of the next message, and its state.
func next(t *testing.T, s *Store, receiver string) (string, Message) {
	t.Helper()
	ms, err := s.Next(receiver, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(ms) == 0 {
		return "", Message{}
	}
	m := ms[0]
	return string(m.Event.Status) + " " + m.Event.Summary, m
}

// TestOutbox: what is decided with a run is sent oldest first, per question in
// order, and what fails holds up nothing else.
func TestOutbox(t *testing.T) {
	t.Parallel()
	s := opened(t, filepath.Join(t.TempDir(), "rstprobe.db"))
	if err := s.Add(run("shop", 1, 10), nil, after(1), decision("ops", "a", alert.Firing, 1), decision("other", "a", alert.Firing, 1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Add(run("shop", 2, 10), nil, after(2), decision("ops", "b", alert.Firing, 2), decision("ops", "a", alert.Resolved, 2)); err != nil {
		t.Fatal(err)
	}
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }
	expect := func(want string) Message {
		t.Helper()
		got, m := next(t, s, "ops")
		if got != want {
			t.Errorf("next: %q, want %q", got, want)
		}
		return m
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	m := expect("firing a")
	if m.Event.Run != 1 || !m.Created.Equal(at(1)) || m.Attempts != 0 || m.Repeat {
		t.Errorf("message %+v", m)
	}
	must(s.Note(at(3), Attempt{ID: m.ID, Again: at(10)}))
	b := expect("firing b") // the resolved one has to wait for the firing one
	if both, err := s.Next("ops", 9); err != nil || len(both) != 2 || both[0].ID != b.ID || both[1].ID != m.ID {
		t.Errorf("next: %+v, %v; want the two questions, as they are due", both, err)
	}
	must(s.Note(at(4), Attempt{ID: b.ID, Delivered: true}))
	if m := expect("firing a"); m.Attempts != 1 || !m.Due.Equal(at(10)) {
		t.Errorf("message %+v", m)
	}
	if n, err := s.Pending("ops"); n != 2 || err != nil {
		t.Errorf("%d pending, %v", n, err)
	}
	must(s.Note(at(10), Attempt{ID: m.ID})) // given up
	must(s.Note(at(11), Attempt{ID: expect("resolved a").ID, Delivered: true}))
	expect("")
	if n, err := s.Pending("ops"); n != 0 || err != nil {
		t.Errorf("%d pending, %v", n, err)
	}

	// What is done with is deleted by age.
	must(s.Sweep(at(11)))
	var left int
	if err := s.db.QueryRow("SELECT count(*) FROM outbox").Scan(&left); err != nil || left != 2 {
		t.Errorf("%d messages left, want the one of minute 11 and that of the other receiver; %v", left, err)
	}

	// A receiver that is gone takes all with it.
	told, err := s.Told()
	must(err)
	if len(told) != 3 {
		t.Errorf("told: %v", told)
	}
	dropped, err := s.Tell([]alert.Decision{{Key: decision("ops", "b", "", 0).Key}}, []string{"ops"})
	must(err)
	if diff := cmp.Diff(map[string]int{"other": 1}, dropped); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
	told, err = s.Told()
	must(err)
	want := map[alert.Key]alert.State{decision("ops", "a", "", 0).Key: decision("ops", "a", alert.Resolved, 2).State}
	if diff := cmp.Diff(want, told, cmp.Comparer(func(a, b state.Axes) bool { return a == b })); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestOutboxOfWhoRepeats: what fires is due again and again until another
// message on the question is there, even if it could not be sent before.
func TestOutboxOfWhoRepeats(t *testing.T) {
	t.Parallel()
	s := opened(t, filepath.Join(t.TempDir(), "rstprobe.db"))
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }
	add := func(n int, ds ...alert.Decision) {
		t.Helper()
		if err := s.Add(run("shop", n, 10), nil, after(n), ds...); err != nil {
			t.Fatal(err)
		}
	}
	add(1, decision("standing", "a", alert.Firing, 1))
	add(2, decision("standing", "a", alert.Changed, 2)) // the first one is of no use any more
	got, m := next(t, s, "standing")
	if got != "changed a" || !m.Repeat || m.Delivered {
		t.Errorf("next: %s %+v", got, m)
	}
	note := func(a Attempt) {
		t.Helper()
		if err := s.Note(at(3), a); err != nil {
			t.Fatal(err)
		}
	}
	note(Attempt{ID: m.ID, Delivered: true, Again: at(4)})
	got, m = next(t, s, "standing")
	if n, err := s.Pending("standing"); got != "changed a" || !m.Due.Equal(at(4)) || !m.Delivered || n != 0 || err != nil {
		t.Errorf("next: %s %+v, %d pending, %v", got, m, n, err)
	}
	note(Attempt{ID: m.ID, Again: at(5)})
	if n, err := s.Pending("standing"); n != 1 || err != nil {
		t.Errorf("%d pending, %v; the last repetition did not arrive", n, err)
	}
	add(3, decision("standing", "a", alert.Resolved, 3))
	note(Attempt{ID: m.ID, Delivered: true, Again: at(4)}) // it was under way, and is no longer to be repeated
	got, m = next(t, s, "standing")
	if got != "resolved a" || m.Delivered {
		t.Errorf("next: %s %+v", got, m)
	}
}

// TestMessageUnderWay: what becomes of a message whose receiver has gone
// meanwhile is not noted of another one.
func TestMessageUnderWay(t *testing.T) {
	t.Parallel()
	s := opened(t, filepath.Join(t.TempDir(), "rstprobe.db"))
	tell := func(receiver string, receivers ...string) {
		t.Helper()
		if _, err := s.Tell([]alert.Decision{decision(receiver, "a", alert.Firing, 1)}, receivers); err != nil {
			t.Fatal(err)
		}
	}
	tell("gone", "ops", "gone")
	_, m := next(t, s, "gone")
	tell("ops", "ops")
	if err := s.Note(start, Attempt{ID: m.ID, Delivered: true}); err != nil {
		t.Fatal(err)
	}
	if got, _ := next(t, s, "ops"); got != "firing a" {
		t.Errorf("next: %q, want what was never sent", got)
	}
}
