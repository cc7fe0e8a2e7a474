package alert

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
)

// Check is what there is to say of a check besides its state.
type Check struct {
	Name      string
	Target    string // as in the watch file
	Labels    map[string]string
	Questions []state.Question
}

// Key names what a receiver was told: of one question. Those of one receiver
// reach it in order.
type Key struct {
	Receiver string // Receiver.ID
	Check    string // "": OwnNetwork
	Question state.Question
}

// Decision is what a receiver knows of a question from now on.
type Decision struct {
	Key
	State    State // the zero value: nothing, and never mind
	Event    Event // to be sent; without a Status: none is
	Standing bool  // see Receiver.Standing
}

// Book is what all receivers were told. The zero value has none. Its methods
// may be called by several goroutines.
type Book struct {
	mu        sync.Mutex
	receivers []Receiver
	checks    map[string]Check
	told      map[Key]State
	owed      func() error // what Use could not take back yet; nil: nothing
	network   Network      // as the last run showed it that told anything; "": none did yet
	since     time.Time    // of network
}

// NewBook goes on with what receivers were told.
func NewBook(told map[Key]State) *Book { return &Book{told: told} }

// Use takes what the watch file says from now on. What was told of things that
// are no longer watched is taken back, by the decisions that write must keep;
// it must forget all receivers but these, too. If it cannot, Settle tries again.
func (b *Book) Use(checks []Check, receivers []Receiver, at time.Time, write func([]Decision) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := map[string]Check{}
	for _, c := range checks {
		now[c.Name] = c
	}
	var gone []Decision
	for key, told := range b.told {
		i := slices.IndexFunc(receivers, func(r Receiver) bool { return r.ID() == key.Receiver })
		if i < 0 || receivers[i].watches(key, now[key.Check]) {
			continue
		}
		d := Decision{Key: key, Standing: receivers[i].Standing()}
		if r := receivers[i]; told.Firing && r.Rule.Resolved {
			c := b.checks[key.Check] // as it was; of one that went while we did not run, only the name is known
			c.Name = key.Check
			d.Event = Event{Status: Resolved, Question: key.Question, Since: at.UTC(), At: at.UTC()}.to(r, c, told)
		}
		gone = append(gone, d)
	}
	slices.SortFunc(gone, func(a, b Decision) int {
		return cmp.Or(strings.Compare(a.Receiver, b.Receiver), strings.Compare(a.Check, b.Check), strings.Compare(a.Question.String(), b.Question.String()))
	})
	b.receivers, b.checks = receivers, now
	b.owed = func() error {
		if err := write(gone); err != nil {
			return err
		}
		b.take(gone)
		// Who is gone from the file, and comes back, is new.
		maps.DeleteFunc(b.told, func(key Key, _ State) bool {
			return !slices.ContainsFunc(receivers, func(r Receiver) bool { return r.ID() == key.Receiver })
		})
		b.owed = nil
		return nil
	}
	return b.owed()
}

// Settle takes back what the last Use could not.
func (b *Book) Settle() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.owed == nil {
		return nil
	}
	return b.owed()
}

// watches reports whether a receiver is still told of a question of a check;
// the zero Check: there is none.
func (r Receiver) watches(key Key, c Check) bool {
	if key.Question == OwnNetwork {
		return r.Rule.OwnNetwork
	}
	return c.Name != "" && r.Rule.wants(c.Name, c.Labels) && slices.Contains(c.Questions, key.Question)
}

// Tell decides what is to be told after a run of a check that ended at a time,
// and hands it to write, which keeps it with the run. If it cannot, nothing was
// told, and the next run will show it again. network is what the run made
// certain of our own network; the zero value: nothing.
func (b *Book) Tell(check string, at time.Time, after state.Machines, network Network, write func([]Decision) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if network != "" && network != b.network {
		b.network, b.since = network, at.UTC()
	}
	var all []Decision
	c, ok := b.checks[check]
	for _, r := range b.receivers {
		if ok && r.Rule.wants(c.Name, c.Labels) {
			for _, q := range c.Questions {
				// Of a reading that counted nothing, the machine has not taken the time.
				if m := after[q]; m.LastAt.Equal(at) {
					if f, certain := found(q, m); certain {
						all = b.decide(all, r, c, f, at)
					}
				}
			}
		}
		if r.Rule.OwnNetwork && network != "" {
			all = b.decide(all, r, Check{}, b.finding(r), at)
		}
	}
	if err := write(all); err != nil {
		return err
	}
	b.take(all)
	return nil
}

// Network is what is certain of our own network.
type Network string

// The states of our own network.
const (
	Works   Network = "works"
	Trouble Network = "trouble"
)

// finding is the state of our own network as a finding. It begins with the
// first run that shows it.
func (b *Book) finding(r Receiver) Finding {
	f := Finding{Question: OwnNetwork, Confirmed: working, Since: b.since}
	if b.network == Trouble {
		f.Confirmed = inTrouble
	}
	if told := b.told[Key{r.ID(), "", OwnNetwork}]; told.Axes == f.Confirmed {
		f.Since = told.Since
	}
	f.Last = f.Confirmed
	return f
}

// decide adds a decision, if there is one.
func (b *Book) decide(all []Decision, r Receiver, c Check, f Finding, at time.Time) []Decision {
	key := Key{r.ID(), c.Name, f.Question}
	told := b.told[key]
	now, status := r.Rule.step(told, f, at.UTC())
	if now == told && status == "" {
		return all
	}
	d := Decision{Key: key, State: now, Standing: r.Standing()}
	if status != "" {
		e := Event{Status: status, Question: f.Question, To: f.Confirmed, Since: f.Since, FiringSince: now.FiringSince, At: at.UTC()}
		if e.Flapping = now.Flapping; e.Flapping {
			e.To, e.Since = f.Last, f.Turned
		}
		d.Event = e.to(r, c, told)
	}
	return append(all, d)
}

// take makes decisions what was told.
func (b *Book) take(all []Decision) {
	for _, d := range all {
		if d.State == (State{}) {
			delete(b.told, d.Key)
			continue
		}
		if b.told == nil {
			b.told = map[Key]State{}
		}
		b.told[d.Key] = d.State
	}
}
