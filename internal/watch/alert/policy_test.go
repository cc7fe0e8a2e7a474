package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
)

var (
	start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	shop  = state.Question{Kind: probe.SNI, Name: "shop.example"}

	resetNear = state.Axes{Outcome: probe.Reset, Trigger: probe.TriggerSNI, Author: probe.InPath, Place: state.Place{AfterTTL: 1, AtTTL: 2}}
	resetFar  = state.Axes{Outcome: probe.Reset, Trigger: probe.TriggerSNI, Author: probe.InPath, Place: state.Place{AfterTTL: 3, AtTTL: 4}}
	refused   = state.Axes{Outcome: probe.Refused, Trigger: probe.TriggerNone, Author: probe.Server}
	fine      = state.Axes{Outcome: probe.OK, Trigger: probe.TriggerNone, Author: probe.Server}
)

// letters are what is confirmed after a reading, one per minute, and
// whether the reading bears it out.
var letters = map[rune]struct{ confirmed, last state.Axes }{
	'.': {fine, fine},
	'?': {fine, resetNear}, // perhaps a change
	'n': {resetNear, resetNear},
	'N': {resetNear, fine}, // perhaps it is over
	'f': {resetFar, resetFar},
	'r': {refused, refused},
	'~': {fine, resetNear}, // flapping
	'-': {fine, fine},      // flapping, too
}

// play shows a rule readings, and returns what it tells, each with the number
// of the reading.
func play(r Rule, readings string) string {
	var told State
	var out []string
	var since time.Time
	var before state.Axes
	for i, c := range readings {
		at := start.Add(time.Duration(i) * time.Minute)
		l := letters[c]
		if l.confirmed != before {
			before, since = l.confirmed, at.Add(-10*time.Second)
		}
		f := Finding{Question: shop, Confirmed: l.confirmed, Last: l.last, Since: since, Flapping: strings.ContainsRune("~-", c), Turned: start}
		var status Status
		if told, status = r.step(told, f, at); status != "" {
			out = append(out, string(status)+" "+string(rune('0'+i/10))+string(rune('0'+i%10)))
		}
	}
	return strings.Join(out, ", ")
}

// TestPolicy: what is told of sequences of readings.
func TestPolicy(t *testing.T) {
	t.Parallel()
	plain := Rule{On: Anything, Failures: 1, Successes: 1, Resolved: true}
	with := func(change func(*Rule)) Rule {
		r := plain
		change(&r)
		return r
	}
	only := with(func(r *Rule) { r.On = Interference })
	for _, tt := range []struct {
		name     string
		rule     Rule
		readings string
		want     string
	}{
		{"all is well", plain, "....", ""},
		{"a suspicion", plain, "..?.?..", ""},
		{"a box comes and goes", plain, "..nnnn....", "firing 02, resolved 06"},
		{"not well from the first", plain, "nn..", "firing 00, resolved 02"},
		{"a box moves", plain, ".nnff..", "firing 01, changed 03, resolved 05"},
		{"another trouble", plain, ".nnrr..", "firing 01, changed 03, resolved 05"},
		{"perhaps over", plain, ".nNnN.", "firing 01, resolved 05"},
		{"many times", plain, ".n.n.n.", "firing 01, resolved 02, firing 03, resolved 04, firing 05, resolved 06"},

		{"interference alone", only, ".rr..nn..", "firing 05, resolved 07"},
		{"from interference to a refusal", only, ".nnrr", "firing 01, resolved 03"},

		{"three failures", with(func(r *Rule) { r.Failures = 3 }), ".nn.nnnn..", "firing 06, resolved 08"},
		{"three failures in a row", with(func(r *Rule) { r.Failures = 3 }), ".nnNnnn", "firing 06"},
		{"three failures of two kinds", with(func(r *Rule) { r.Failures = 3 }), ".nnf", "firing 03"},
		{"two successes", with(func(r *Rule) { r.Successes = 2 }), "nn.nn.?..", "firing 00, resolved 08"},

		{"resolved is not told", with(func(r *Rule) { r.Resolved = false }), ".nn..nn..", "firing 01, firing 05"},
		{"a reminder", with(func(r *Rule) { r.Reminder = 5 * time.Minute }), "nnnnnnnnnnnn..", "firing 00, reminder 05, reminder 10, resolved 12"},
		{"a change puts the reminder off", with(func(r *Rule) { r.Reminder = 5 * time.Minute }), "nnnffffff", "firing 00, changed 03, reminder 08"},
		{"nobody is reminded of what is well", with(func(r *Rule) { r.Reminder = 5 * time.Minute }), "..........", ""},

		{"flapping is told once", plain, "..~-~-~-..", "firing 02, resolved 08"},
		{"flapping while it fires", plain, ".n~-~-nn.", "firing 01, changed 02, changed 06, resolved 08"},
		{"flapping needs no more failures", with(func(r *Rule) { r.Failures = 3 }), "..~-~.", "firing 02, resolved 05"},
		{"flapping of interference", only, "..-~-~-..", "firing 03, resolved 07"},
		{"flapping, with reminders", with(func(r *Rule) { r.Reminder = 5 * time.Minute }), "~-~-~-~-", "firing 00, reminder 05"},
	} {
		if got := play(tt.rule, tt.readings); got != tt.want {
			t.Errorf("%s: %s tells %q, want %q", tt.name, tt.readings, got, tt.want)
		}
	}
}

func receiver(name string, change func(*Receiver)) Receiver {
	r := Receiver{Name: name, Rule: Rule{On: Anything, Failures: 1, Successes: 1, Resolved: true}, Via: Webhook{}}
	if change != nil {
		change(&r)
	}
	return r
}

// at is the minute of a reading.
func minute(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }

// confirmed is a machine that has just taken a reading.
func confirmed(a state.Axes, since, at time.Time) state.Machines {
	return state.Machines{shop: {Confirmed: a, Since: since, Last: a, LastAt: at}}
}

// pages are what a book decided, in a few words; kept says whether it could be.
type pages struct {
	t    *testing.T
	book *Book
	said []string
	all  []Event
	keys map[string]bool
}

func (p *pages) keep(ds []Decision) error {
	for _, d := range ds {
		if e := d.Event; e.Status != "" {
			p.said = append(p.said, d.Receiver+": "+string(e.Status)+": "+e.Summary)
			p.all = append(p.all, e)
			if p.keys[e.Key] || len(e.Key) != 32 {
				p.t.Errorf("key %q of %+v is not its own", e.Key, e)
			}
			p.keys[e.Key] = true
		}
	}
	return nil
}

func (p *pages) expect(want ...string) {
	p.t.Helper()
	if diff := cmp.Diff(want, p.said); diff != "" {
		p.t.Errorf("told (-want +got):\n%s", diff)
	}
	p.said = nil
}

func newPages(t *testing.T, told map[Key]State) *pages {
	return &pages{t: t, book: NewBook(told), keys: map[string]bool{}}
}

func (p *pages) use(n int, checks []Check, rs ...Receiver) {
	p.t.Helper()
	if err := p.book.Use(checks, rs, minute(n), p.keep); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pages) tell(n int, check string, after state.Machines, network Network) {
	p.t.Helper()
	if err := p.book.Tell(check, minute(n), after, network, p.keep); err != nil {
		p.t.Fatal(err)
	}
}

var checks = []Check{
	{Name: "shop", Target: "shop.example:443", Labels: map[string]string{"team": "web"}, Questions: []state.Question{shop}},
	{Name: "bank", Target: "bank.example", Questions: []state.Question{shop}},
}

// TestBook: who is told, and in which words.
func TestBook(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	p.use(0, checks,
		receiver("all", nil),
		receiver("web", func(r *Receiver) { r.Rule.Checks = []Match{{Labels: map[string]string{"team": "web"}}} }),
		receiver("bank", func(r *Receiver) { r.Rule.Checks = []Match{{Name: "bank"}} }),
		receiver("line", func(r *Receiver) { r.Rule.Checks, r.Rule.OwnNetwork = []Match{{Name: "bank"}}, true }),
	)
	p.tell(1, "shop", confirmed(fine, minute(1), minute(1)), Works)
	p.expect()
	p.tell(2, "shop", confirmed(resetNear, minute(1), minute(2)), "")
	p.expect(
		"webhook all: firing: shop, sni shop.example: reset by sni, author in_path, between hops 1 and 2; before: ok",
		"webhook web: firing: shop, sni shop.example: reset by sni, author in_path, between hops 1 and 2; before: ok",
	)
	want := Event{
		Version: 1, Status: Firing, Receiver: "all", Check: "shop", Target: "shop.example:443", Labels: map[string]string{"team": "web"},
		Question: shop, From: fine, To: resetNear, Since: minute(1), FiringSince: minute(1), At: minute(2),
		Summary: p.all[0].Summary, Key: p.all[0].Key,
	}
	if diff := cmp.Diff(want, p.all[0], cmp.Comparer(func(a, b state.Place) bool { return a == b })); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	p.tell(3, "shop", confirmed(resetFar, minute(3), minute(3)), "")
	p.expect(
		"webhook all: changed: shop, sni shop.example: the box moved from between hops 1 and 2 to between hops 3 and 4",
		"webhook web: changed: shop, sni shop.example: the box moved from between hops 1 and 2 to between hops 3 and 4",
	)
	// A run whose reading did not count tells nothing, nor does one of a check
	// that is not watched.
	p.tell(4, "shop", confirmed(fine, minute(4), minute(3)), "")
	p.tell(4, "gone", confirmed(resetNear, minute(4), minute(4)), "")
	p.expect()
	p.tell(5, "shop", confirmed(resetFar, minute(3), minute(5)), Trouble)
	p.tell(6, "shop", nil, Trouble)
	p.expect("webhook line: firing: the network of rstprobe itself: in trouble, nothing answers any check; before: ok")
	p.tell(7, "bank", nil, Works)
	p.expect("webhook line: resolved: the network of rstprobe itself: ok again; before: in trouble, nothing answers any check")
	if e := p.all[len(p.all)-1]; e.Since != minute(7) || e.FiringSince != minute(5) || e.Check != "" {
		t.Errorf("own network: %+v", e)
	}
}

// TestBookIsWritten: what could not be kept was not told, and is told with the
// next run.
func TestBookIsWritten(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	p.use(0, checks, receiver("all", nil))
	full := func([]Decision) error { return errFull }
	if err := p.book.Tell("shop", minute(1), confirmed(resetNear, minute(1), minute(1)), "", full); err != errFull { //nolint:errorlint // it is passed on as it is
		t.Errorf("error %v", err)
	}
	for n := 2; n < 5; n++ {
		p.tell(n, "shop", confirmed(resetNear, minute(1), minute(n)), "")
	}
	p.expect("webhook all: firing: shop, sni shop.example: reset by sni, author in_path, between hops 1 and 2; before: unknown")
	if err := p.book.Use(nil, []Receiver{receiver("all", nil)}, minute(5), full); err != errFull { //nolint:errorlint // likewise
		t.Errorf("error %v", err)
	}
	p.tell(6, "shop", confirmed(fine, minute(6), minute(6)), "") // a run that was under way
	p.expect()
	p.use(7, nil, receiver("all", nil))
	p.expect("webhook all: resolved: shop, sni shop.example: no longer watched; before: reset by sni, author in_path, between hops 1 and 2")
}

// TestBookGoesOn: a new start tells nothing again, and what the file no longer
// has is taken back.
func TestBookGoesOn(t *testing.T) {
	t.Parallel()
	gone := state.Question{Kind: probe.SYN}
	firing := State{Firing: true, Axes: resetNear, Since: minute(1), FiringSince: minute(1), Told: minute(1)}
	told := map[Key]State{
		{"webhook all", "shop", shop}:      firing,
		{"webhook all", "shop", gone}:      firing,
		{"webhook all", "old", shop}:       firing,
		{"webhook all", "old", gone}:       {Axes: fine},
		{"webhook all", "", OwnNetwork}:    firing,
		{"webhook quiet", "old", shop}:     firing,
		{"webhook nobody", "shop", shop}:   firing,
		{"alertmanager all", "shop", shop}: firing,
	}
	p := newPages(t, told)
	p.use(5, checks, receiver("all", nil), receiver("quiet", func(r *Receiver) { r.Rule.Resolved = false }),
		receiver("picky", func(r *Receiver) { r.Rule.Checks = []Match{{Name: "shop"}} }))
	p.expect(
		"webhook all: resolved: the network of rstprobe itself: no longer watched; before: in trouble, nothing answers any check",
		"webhook all: resolved: old, sni shop.example: no longer watched; before: reset by sni, author in_path, between hops 1 and 2",
		"webhook all: resolved: shop, syn: no longer watched; before: reset by sni, author in_path, between hops 1 and 2",
	)
	p.tell(6, "shop", confirmed(resetNear, minute(1), minute(6)), "")
	p.expect( // those that are new
		"webhook quiet: firing: shop, sni shop.example: reset by sni, author in_path, between hops 1 and 2; before: unknown",
		"webhook picky: firing: shop, sni shop.example: reset by sni, author in_path, between hops 1 and 2; before: unknown",
	)
	// From now on it is the bank alone that one of them is told of.
	p.use(7, checks, receiver("picky", func(r *Receiver) { r.Rule.Checks = []Match{{Name: "bank"}} }))
	p.expect("webhook picky: resolved: shop, sni shop.example: no longer watched; before: reset by sni, author in_path, between hops 1 and 2")
	p.use(8, checks, receiver("picky", func(r *Receiver) { r.Rule.Checks = []Match{{Name: "bank"}} }))
	p.expect()
	// Who went from the file was forgotten, and is new when it comes back.
	p.use(9, checks, receiver("quiet", nil))
	p.tell(10, "shop", confirmed(resetNear, minute(1), minute(10)), "")
	p.expect("webhook quiet: firing: shop, sni shop.example: reset by sni, author in_path, between hops 1 and 2; before: unknown")
}

// TestBookSettles: what could not be taken back is, once that can be kept, as
// it would have been.
func TestBookSettles(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	p.use(0, checks, receiver("all", nil))
	p.tell(1, "shop", confirmed(resetNear, minute(1), minute(1)), "")
	p.said = nil
	room := false
	sometimes := func(ds []Decision) error {
		if !room {
			return errFull
		}
		return p.keep(ds)
	}
	if err := p.book.Use(checks[1:], []Receiver{receiver("all", nil)}, minute(2), sometimes); err != errFull { //nolint:errorlint // it is passed on as it is
		t.Errorf("error %v", err)
	}
	if err := p.book.Settle(); err != errFull { //nolint:errorlint // likewise
		t.Errorf("error %v", err)
	}
	p.expect()
	room = true
	for range 2 {
		if err := p.book.Settle(); err != nil {
			t.Error(err)
		}
	}
	p.expect("webhook all: resolved: shop, sni shop.example: no longer watched; before: reset by sni, author in_path, between hops 1 and 2")
	if e := p.all[len(p.all)-1]; !e.At.Equal(minute(2)) || e.Labels["team"] != "web" {
		t.Errorf("event %+v", e)
	}
}

// TestOwnNetworkBegins with the first run that shows it, however many it takes
// to be told.
func TestOwnNetworkBegins(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	p.use(0, checks, receiver("line", func(r *Receiver) { r.Rule.OwnNetwork, r.Rule.Failures, r.Rule.Successes = true, 3, 2 }))
	for n, network := range []Network{Works, Trouble, Works, Trouble, Trouble, "", Trouble, Works, Works} {
		p.tell(n, "shop", nil, network)
	}
	p.expect(
		"webhook line: firing: the network of rstprobe itself: in trouble, nothing answers any check; before: ok",
		"webhook line: resolved: the network of rstprobe itself: ok again; before: in trouble, nothing answers any check",
	)
	if on, over := p.all[0], p.all[1]; !on.Since.Equal(minute(3)) || !on.FiringSince.Equal(minute(3)) || !on.At.Equal(minute(6)) || !over.Since.Equal(minute(7)) {
		t.Errorf("from %v, told %v, to %v", on.Since, on.At, over.Since)
	}
}
