package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
)

// Version is that of the JSON of an Event. Keys may be added to it without a
// new version; none is ever taken away or given another meaning.
const Version = 1

// Status is what an event is about.
type Status string

// The statuses.
const (
	Firing   Status = "firing"   // something is wrong that was not told of yet
	Changed  Status = "changed"  // it is wrong in another way
	Resolved Status = "resolved" // it is not, or nobody watches it any more
	Reminder Status = "reminder" // it still is as it was told
	Test     Status = "test"     // somebody tries whether events arrive
)

// Result is what became of a message, or of one attempt to send it.
type Result string

// The results.
const (
	Delivered Result = "delivered"
	Failed    Result = "failed"   // it is tried again
	GivenUp   Result = "given_up" // it is not
)

// OwnNetwork is the question whether our own network works. No check asks it,
// but all of them together.
var OwnNetwork = state.Question{Kind: "own_network"}

// Event is what a receiver is told. It is what templates are given, and its
// JSON is what is sent without one.
type Event struct {
	Version     int               `json:"version"`
	Status      Status            `json:"status"`
	Receiver    string            `json:"receiver"`
	Check       string            `json:"check"`  // "": it is about our own network
	Target      string            `json:"target"` // as in the watch file
	Labels      map[string]string `json:"labels"` // of the check
	Question    state.Question    `json:"question"`
	From        state.Axes        `json:"from"`     // as told before; not Known: nothing was
	To          state.Axes        `json:"to"`       // while it flaps, the last reading
	Flapping    bool              `json:"flapping"` // it changes too often to tell each time
	Since       time.Time         `json:"since"`    // the first reading of To, or the first turn
	FiringSince time.Time         `json:"firing_since"`
	At          time.Time         `json:"at"` // when it was decided to tell
	Summary     string            `json:"summary"`
	Run         int64             `json:"run"`             // that made it certain; 0: none did
	URL         string            `json:"url"`             // of that run; "": there is none
	Key         string            `json:"idempotency_key"` // the same whenever the event is sent, and no other event's
}

// TestOf is the event that tries a receiver.
func TestOf(r Receiver, at time.Time) Event {
	return Event{
		Version: Version, Status: Test, Receiver: r.Name, Check: "test", Labels: map[string]string{},
		Question: state.Question{Kind: "test"}, Since: at.UTC(), FiringSince: at.UTC(), At: at.UTC(),
		Summary: "this is a test of the alerts of rstprobe: nothing has happened",
	}.keyed()
}

// to is the event for a receiver that was told something before.
func (e Event) to(r Receiver, c Check, told State) Event {
	e.Version, e.Receiver = Version, r.Name
	e.Check, e.Target, e.Labels = c.Name, c.Target, maps.Clone(c.Labels)
	if e.Labels == nil {
		e.Labels = map[string]string{} // {} in JSON
	}
	e.From = told.Axes
	if told.Firing {
		e.FiringSince = told.FiringSince
	}
	e.Summary = e.summary(told.Flapping)
	return e.keyed()
}

// keyed is the event with its key, which follows from what makes it another
// event than all the others: so it is the same however often it is decided.
func (e Event) keyed() Event {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %d", e.Receiver, e.Check, e.Question, e.Status, e.At.UnixMicro()))
	e.Key = hex.EncodeToString(sum[:16]) // 128 bits do not meet by chance
	return e
}

// Link is the address of a run in the pages that people reach at base, which
// has no path; "": it has none.
func Link(base string, run int64) string {
	if base == "" || run == 0 {
		return ""
	}
	return fmt.Sprintf("%s/run/%d", base, run)
}

// unwatched is the end of a sentence about what will not be looked at again.
const unwatched = "no longer watched"

// summary is the event in one sentence. What was told before may have been
// that it flaps.
func (e Event) summary(flapped bool) string {
	subject, now, before := e.Check+", "+e.Question.String(), e.To.String(), e.From.String()
	if e.Question == OwnNetwork {
		subject, now, before = "the network of rstprobe itself", network(e.To), network(e.From)
	}
	if flapped {
		before = "flapping"
	}
	switch {
	case e.Status == Reminder && e.Flapping:
		return fmt.Sprintf("%s: still flapping, lately %s", subject, now)
	case e.Status == Reminder:
		return fmt.Sprintf("%s: still %s", subject, now)
	case e.Flapping:
		return fmt.Sprintf("%s: flapping, lately %s; before: %s", subject, now, before)
	case !e.To.Known():
		return fmt.Sprintf("%s: %s; before: %s", subject, unwatched, before)
	case e.Status == Changed && !flapped && moved(e.From, e.To):
		return fmt.Sprintf("%s: the box moved from %v to %v", subject, e.From.Place, e.To.Place)
	case e.Status == Resolved && e.To.Fine():
		return fmt.Sprintf("%s: %s again; before: %s", subject, now, before)
	}
	return fmt.Sprintf("%s: %s; before: %s", subject, now, before)
}

// moved reports whether nothing but the place differs.
func moved(from, to state.Axes) bool {
	from.Place, to.Place = state.Place{}, state.Place{}
	return from == to
}

// network is the state of our own network in words.
func network(a state.Axes) string {
	switch {
	case !a.Known():
		return "unknown"
	case a.Fine():
		return "ok"
	}
	return "in trouble, nothing answers any check"
}

// inTrouble and working are the states of our own network.
var (
	inTrouble = state.Axes{Outcome: probe.Drop, Trigger: probe.TriggerNone, Author: probe.OwnSide}
	working   = state.Axes{Outcome: probe.OK, Trigger: probe.TriggerNone, Author: probe.Server}
)
