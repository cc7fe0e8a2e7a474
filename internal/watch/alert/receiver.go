package alert

import (
	"fmt"
	"reflect"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
)

// Receiver is somebody who is told.
type Receiver struct {
	Name string // unique in the watch file
	Rule Rule
	Via  Via
}

// Rule says what a receiver wants to be told.
type Rule struct {
	Checks     []Match       // of which checks, if one of these matches; empty: of all
	On         On            // of what
	Failures   int           // after so many readings in a row that bear a confirmed trouble out; at least 1
	Successes  int           // likewise, that it is over
	Resolved   bool          // that it is over at all
	Reminder   time.Duration // again after so long; 0: never
	OwnNetwork bool          // of our own network, too
}

// On is what counts as trouble.
type On string

// The values of On.
const (
	Anything     On = "anything"     // whatever is not fine
	Interference On = "interference" // a box between us and the server
)

// Match is a condition on checks.
type Match struct {
	Name   string            // "": any
	Labels map[string]string // that the check must have, with these values
}

// Matches reports whether a check is meant.
func (m Match) Matches(name string, labels map[string]string) bool {
	for k, v := range m.Labels {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return m.Name == "" || m.Name == name
}

// wants reports whether the receiver is told of a check.
func (r Rule) wants(name string, labels map[string]string) bool {
	for _, m := range r.Checks {
		if m.Matches(name, labels) {
			return true
		}
	}
	return len(r.Checks) == 0
}

// wrong reports whether axes are what the receiver is told of as trouble.
func (r Rule) wrong(q state.Question, a state.Axes) bool {
	if r.On == Interference && q != OwnNetwork {
		return a.Interferes()
	}
	return a.Known() && !a.Fine()
}

// Via is how a receiver is told: a [Webhook], an [Alertmanager] or an [Exec].
type Via interface{ via() }

// SameVia reports whether two receivers are told in the same way.
func (r Receiver) SameVia(other Receiver) bool {
	a, b := r.Via, other.Via
	if x, ok := a.(Webhook); ok {
		if y, ok := b.(Webhook); ok && x.Template.Equal(y.Template) {
			x.Template, y.Template = nil, nil // they hold functions, which do not compare
			a, b = x, y
		}
	}
	return r.ID() == other.ID() && reflect.DeepEqual(a, b)
}

// Webhook sends each event by POST.
type Webhook struct {
	Address  Address
	Template *Template // of the body; nil: the JSON of the event
	Timeout  time.Duration
}

// Alertmanager hands events to a Prometheus Alertmanager, by version 2 of its
// interface, and repeats what fires for as long as it does.
type Alertmanager struct {
	Address Address           // without /api/v2/alerts
	Labels  map[string]string // of all alerts, besides those of the check
	Timeout time.Duration
}

// Exec starts a program for each event, which stands on its standard input.
type Exec struct {
	Command []string // program and arguments; no shell looks at them
	Timeout time.Duration
}

func (Webhook) via()      {}
func (Alertmanager) via() {}
func (Exec) via()         {}

// Kind is the word for how the receiver is told, as in the watch file.
func (r Receiver) Kind() string {
	switch r.Via.(type) {
	case Webhook:
		return "webhook"
	case Alertmanager:
		return "alertmanager"
	case Exec:
		return "exec"
	}
	panic(fmt.Sprintf("alert: receiver %s is told by %T", r.Name, r.Via)) // the package has no other
}

// ID names the receiver in the store. One that is told in another way than
// before is another one, which was told nothing yet.
func (r Receiver) ID() string { return r.Kind() + " " + r.Name }

// Standing reports whether the receiver wants to know what is, not what has
// happened: only the last event about a question is sent, and, while it fires,
// again and again.
func (r Receiver) Standing() bool { return r.Kind() == "alertmanager" }

// Address is where requests go, and what stands in their header. Of each pair,
// the second has paths of files that hold the value, which are read whenever a
// request is made.
type Address struct {
	URL         Secret // "": URLFile has it
	URLFile     string
	Headers     map[string]Secret
	HeaderFiles map[string]string
}

// Secret is a text that is not for logs, errors and pages: however it is
// printed, it is not there. Convert it to a string to use it.
type Secret string

const hidden = "***"

// String hides the text.
func (Secret) String() string { return hidden }

// GoString hides the text from %#v.
func (Secret) GoString() string { return hidden }

// MarshalText hides the text from JSON and logs.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
