package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// momentForms are the forms of a time, for help and errors.
const momentForms = "2026-01-31, 2026-01-31 15:04, 2026-01-31T15:04:05Z, 7d or 12h (ago), or now"

// Layouts of a time without a zone, which is that of this machine.
var momentLayouts = []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"}

// ago is how long ago something was: "7d", "-1h30m".
var ago = regexp.MustCompile(`^-?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?$`)

// moment reads a time. A day is its beginning, or its end if that is what is
// asked for, so that a period from a day to the same day has all of it.
func moment(s string, now time.Time, end bool) (time.Time, error) {
	if s == "now" {
		return now, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, s, now.Location()); err == nil {
		if end {
			day = day.AddDate(0, 0, 1)
		}
		return day, nil
	}
	for _, layout := range momentLayouts {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	if m := ago.FindStringSubmatch(s); m != nil && strings.Join(m[1:], "") != "" {
		days, back := 0, time.Duration(0)
		for i, unit := range []time.Duration{0, 0, time.Hour, time.Minute, time.Second} {
			if m[i+1] == "" {
				continue
			}
			n, err := strconv.ParseUint(m[i+1], 10, 20)
			if err != nil {
				return time.Time{}, fmt.Errorf("%q is too long ago", s)
			}
			switch i {
			case 0:
				days += 7 * int(n) //nolint:gosec // 20 bits
			case 1:
				days += int(n) //nolint:gosec // 20 bits
			default:
				back += time.Duration(n) * unit //nolint:gosec // 20 bits
			}
		}
		return now.AddDate(0, 0, -days).Add(-back), nil // days of local time, however long they were
	}
	return time.Time{}, fmt.Errorf("%q is no time: write one as %s", s, momentForms)
}

// periodFrom reads --from and --to; what is not given is the beginning of all
// and now. to is not after now.
func periodFrom(c *cli.Context, now time.Time) (from, to time.Time, err error) {
	from, to = time.Unix(0, 0), now
	if c.IsSet("from") {
		if from, err = moment(c.String("from"), now, false); err != nil {
			return from, to, usagef("--from: %w", err)
		}
	}
	if c.IsSet("to") {
		if to, err = moment(c.String("to"), now, true); err != nil {
			return from, to, usagef("--to: %w", err)
		}
	}
	if to.After(now) {
		to = now
	}
	if first := time.Unix(0, 0); from.Before(first) { // nothing was before, and a time.Duration has 292 years
		from = first
	}
	if !from.Before(to) {
		return from, to, usagef("--from %s is not before --to, or not before now: write a period that has begun", from.Format(timeFormat))
	}
	return from, to, nil
}
