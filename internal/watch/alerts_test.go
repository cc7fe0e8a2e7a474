package watch

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
)

// saidTo are the events for a receiver, in short: status, check and the hour
// in which they were decided.
func (m *memory) saidTo(receiver string, start time.Time) []string {
	var out []string
	for _, d := range m.told {
		if e := d.Event; e.Receiver == receiver && e.Status != "" {
			flaps := ""
			if e.Flapping {
				flaps = " flapping"
			}
			out = append(out, fmt.Sprintf("%s %s%s %d", e.Status, e.Check, flaps, e.At.Sub(start)/time.Hour))
		}
	}
	return out
}

func expectSaid(t *testing.T, m *memory, receiver string, start time.Time, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, m.saidTo(receiver, start)); diff != "" {
		t.Errorf("%s was told (-want +got):\n%s", receiver, diff)
	}
}

// TestAlerts: through boxes that come, move, go and flap, an outage of our own
// network, a full disk and new starts, each is told once.
func TestAlerts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		start := time.Now()
		shop, bank := check("shop", "a.example", 5*time.Minute), check("bank", "b.example", 5*time.Minute)
		rule := alert.Rule{On: alert.Anything, Failures: 1, Successes: 1, Resolved: true}
		patient, ours := rule, rule
		patient.Failures, patient.Reminder = 20, 3*time.Hour
		ours.OwnNetwork, ours.Checks = true, []alert.Match{{Name: "bank"}}
		receivers := []alert.Receiver{
			{Name: "ops", Rule: rule, Via: alert.Webhook{}},
			{Name: "patient", Rule: patient, Via: alert.Webhook{}},
			{Name: "line", Rule: ours, Via: alert.Webhook{}},
		}
		flip := false
		see := func(c watchfile.Check) (time.Duration, probe.Outcome) {
			h := time.Since(start) / time.Hour
			if c.Name == "shop" {
				flip = !flip
			}
			switch {
			case h >= 40 && h < 44: // our own network
				return 8 * time.Second, ""
			case c.Name == "bank":
				return time.Second, probe.OK
			case h >= 5 && h < 6, h >= 10 && h < 20, h >= 42 && h < 50, h >= 60 && h < 63 && flip:
				return time.Second, probe.Reset
			}
			return time.Second, probe.OK
		}
		told := map[alert.Key]alert.State{}
		for n := range 20 { // new starts, four hours apart
			w := watcher(t, m, see, 2)
			book := alert.NewBook(told)
			checks := []alert.Check{}
			for _, c := range []watchfile.Check{shop, bank} {
				q := c.Questions[0]
				checks = append(checks, alert.Check{Name: c.Name, Questions: []state.Question{{Kind: q.Kind, Name: q.Name}}})
			}
			if err := book.Use(checks, receivers, time.Now(), func(ds []alert.Decision) error {
				m.told = append(m.told, ds...)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			w.cfg.Alerts = book
			m.broken = n == 2 // while a box is noticed that stays
			during(t, 4*time.Hour-time.Minute, w, shop, bank)
			time.Sleep(time.Minute) // of nothing
			for _, d := range m.told {
				told[d.Key] = d.State
			}
		}
		expectSaid(t, m, "ops", start,
			"firing shop 5", "resolved shop 6", "firing shop 12", "resolved shop 20", "firing shop 44", "resolved shop 50", "firing shop flapping 60", "resolved shop 64")
		expectSaid(t, m, "patient", start,
			"firing shop 13", "reminder shop 16", "reminder shop 19", "resolved shop 20", "firing shop 45", "reminder shop 48", "resolved shop 50", "firing shop flapping 60", "reminder shop flapping 63", "resolved shop 64")
		expectSaid(t, m, "line", start, "firing  40", "resolved  44")
	})
}
