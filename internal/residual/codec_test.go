package residual_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/residual"
)

// written is a ledger as it stands in a file, saved at the start.
const written = `{
  "version": 1,
  "saved_at": "2026-01-02T03:04:05Z",
  "blocks": [
    {
      "scope": "three_tuple",
      "local": "2001:db8::1",
      "remote": "2001:db8::7",
      "remote_port": 443,
      "learnt": "2026-01-02T03:04:05Z",
      "until": "2026-01-02T03:05:05Z"
    },
    {
      "scope": "four_tuple",
      "local": "192.0.2.1",
      "local_port": 40000,
      "remote": "198.51.100.7",
      "remote_port": 443,
      "learnt": "2026-01-02T03:04:05Z",
      "until": "2026-01-02T03:05:35Z",
      "free": true
    },
    {
      "scope": "address",
      "local": "192.0.2.2",
      "learnt": "2026-01-02T03:04:05Z",
      "until": "2026-01-02T03:07:05Z"
    }
  ],
  "boxes": [
    {
      "family": "a",
      "measured": "2026-01-02T03:04:05Z",
      "scope": "three_tuple",
      "min_ms": 80000,
      "max_ms": 120300,
      "timer": "fixed"
    },
    {
      "family": "b",
      "measured": "2026-01-02T03:04:05Z",
      "scope": "none"
    }
  ]
}
`

// ledger is the same in memory.
func ledger() *residual.Ledger {
	var l residual.Ledger
	l.Learn(start, "b", residual.Fact{Scope: residual.None})
	l.Learn(start, "a", residual.Fact{
		Scope: residual.ThreeTuple, Min: 80 * time.Second, Max: 120*time.Second + 300*time.Millisecond, Timer: residual.TimerFixed,
	})
	l.Add(start, residual.FourTuple, v4, at(90))
	l.Free(start, v4)
	l.Add(start, residual.AnyAddress, v4Source, at(180))
	l.Add(start, residual.ThreeTuple, v6, at(60))
	return &l
}

func encode(t *testing.T, l *residual.Ledger, now time.Time) string {
	t.Helper()
	got, err := l.Encode(now)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func decode(t *testing.T, data string, now time.Time) *residual.Ledger {
	t.Helper()
	l, err := residual.Decode([]byte(data), now)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestEncode(t *testing.T) {
	if diff := cmp.Diff(written, encode(t, ledger(), start)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(written, encode(t, decode(t, written, start), start)); diff != "" {
		t.Errorf("decoded and encoded again (-want +got):\n%s", diff)
	}
	empty := `{"version":1,"saved_at":"2026-01-02T03:04:05Z","blocks":[],"boxes":[]}`
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(encode(t, &residual.Ledger{}, start))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(empty, compact.String()); diff != "" {
		t.Errorf("empty ledger (-want +got):\n%s", diff)
	}
}

// TestEncodeClose: what was measured to less than a millisecond stays a fact.
func TestEncodeClose(t *testing.T) {
	var l residual.Ledger
	l.Learn(start, "box", residual.Fact{Scope: residual.FourTuple, Min: 1500100 * time.Microsecond, Max: 1500200 * time.Microsecond})
	got, _ := decode(t, encode(t, &l, start), start).Known(start, "box")
	if want := (residual.Fact{Scope: residual.FourTuple, Min: 1500 * time.Millisecond, Max: 1501 * time.Millisecond}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestClock: whatever is done to the clock, a block is neither forgotten at
// once nor kept for ever.
func TestClock(t *testing.T) {
	block := func(saved, until string) string {
		return `{"version":1,"saved_at":"` + saved + `","blocks":[{"scope":"three_tuple","local":"192.0.2.1","remote":"198.51.100.7",
			"remote_port":443,"learnt":"` + saved + `","until":"` + until + `"}],"boxes":[]}`
	}
	for _, tt := range []struct {
		name, data string
		now        time.Time
		want       answer
	}{
		{"steady", block("2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z"), at(10), answer{at(60), residual.ThreeTuple}},
		{"another zone", block("2026-01-02T04:04:05+01:00", "2026-01-02T04:05:05+01:00"), at(10), answer{at(60), residual.ThreeTuple}},
		{"over", block("2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z"), at(60), free},
		{"clock set back by a year", block("2027-01-02T03:04:05Z", "2027-01-02T03:05:05Z"), start, answer{at(60), residual.ThreeTuple}},
		{"clock set forward", block("2025-01-02T03:04:05Z", "2025-01-02T03:05:05Z"), start, free},
		{"an end beyond all measure", block("2026-01-02T03:04:05Z", "9999-01-02T03:04:05Z"), at(5), answer{at(5).Add(residual.MaxHold), residual.ThreeTuple}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := decode(t, tt.data, tt.now)
			got := ask(l, tt.now, v4)
			if !got.Until.Equal(tt.want.Until) || got.Scope != tt.want.Scope {
				t.Errorf("%v, want %v", got, tt.want)
			}
			encode(t, l, tt.now)
		})
	}
	// A note from the future would otherwise overrule all others until then.
	t.Run("learnt in the future", func(t *testing.T) {
		l := decode(t, `{"version":1,"saved_at":"2026-01-02T03:04:05Z","blocks":[{"scope":"three_tuple","local":"192.0.2.1","remote":"198.51.100.7",
			"remote_port":443,"learnt":"2030-01-01T00:00:00Z","until":"2026-01-02T03:05:05Z","free":true}]}`, start)
		var other residual.Ledger
		other.Add(at(1), residual.ThreeTuple, v4, at(30))
		l.Merge(&other)
		if got := ask(l, at(2), v4); got == free {
			t.Error("a later trigger is not noted")
		}
	})
}

func TestDecodeErrors(t *testing.T) {
	block := func(b string) string {
		return `{"version":1,"saved_at":"2026-01-02T03:04:05Z","blocks":[` + b + `],"boxes":[]}`
	}
	box := func(b string) string {
		return `{"version":1,"saved_at":"2026-01-02T03:04:05Z","blocks":[],"boxes":[` + b + `]}`
	}
	const until = `,"learnt":"2026-01-02T03:04:05Z","until":"2026-01-02T03:05:05Z"`
	for _, tt := range []struct {
		name, data string
		want       error
	}{
		{"empty", "", residual.ErrCorrupt},
		{"not JSON", "version 1", residual.ErrCorrupt},
		{"another document", `{"schema_version":1}`, residual.ErrCorrupt},
		{"two documents", written + written, residual.ErrCorrupt},
		{"null", "null", residual.ErrCorrupt},
		{"version of another type", `{"version":"1"}`, residual.ErrCorrupt},
		{"later version", `{"version":2,"blocks":"in another form"}`, residual.ErrVersion},
		{"block of another type", block(`"x"`), residual.ErrCorrupt},
		{"unknown scope", block(`{"scope":"planet","local":"192.0.2.1","remote":"198.51.100.7","remote_port":443` + until + `}`), residual.ErrCorrupt},
		{"no scope", block(`{"local":"192.0.2.1","remote":"198.51.100.7","remote_port":443` + until + `}`), residual.ErrCorrupt},
		{"no port", block(`{"scope":"three_tuple","local":"192.0.2.1","remote":"198.51.100.7"` + until + `}`), residual.ErrCorrupt},
		{"no address", block(`{"scope":"three_tuple","remote":"198.51.100.7","remote_port":443` + until + `}`), residual.ErrCorrupt},
		{"bad address", block(`{"scope":"address","local":"192.0.2"` + until + `}`), residual.ErrCorrupt},
		{"two families", block(`{"scope":"port_any","local":"192.0.2.1","remote":"2001:db8::1"` + until + `}`), residual.ErrCorrupt},
		{"bad port", block(`{"scope":"three_tuple","local":"192.0.2.1","remote":"198.51.100.7","remote_port":70000` + until + `}`), residual.ErrCorrupt},
		{"bad time", block(`{"scope":"address","local":"192.0.2.1","until":"tomorrow"}`), residual.ErrCorrupt},
		{"no family", box(`{"scope":"none"}`), residual.ErrCorrupt},
		{"fact without a scope", box(`{"family":"a"}`), residual.ErrCorrupt},
		{"none with a duration", box(`{"family":"a","scope":"none","max_ms":1}`), residual.ErrCorrupt},
		{"negative duration", box(`{"family":"a","scope":"address","min_ms":-1}`), residual.ErrCorrupt},
		{"empty interval", box(`{"family":"a","scope":"address","min_ms":5,"max_ms":5}`), residual.ErrCorrupt},
		{"unknown timer", box(`{"family":"a","scope":"address","min_ms":5,"timer":"cuckoo"}`), residual.ErrCorrupt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := residual.Decode([]byte(tt.data), start)
			if !errors.Is(err, tt.want) || l != nil {
				t.Errorf("%v, %v; want no ledger and %v", l, err, tt.want)
			}
		})
	}
	for n := range len(strings.TrimSpace(written)) {
		if _, err := residual.Decode([]byte(written[:n]), start); !errors.Is(err, residual.ErrCorrupt) {
			t.Errorf("cut after %d bytes: %v, want %v", n, err, residual.ErrCorrupt)
		}
	}
}

// FuzzDecode: what can be read can be written and read again, to the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(written), int64(0))
	f.Add([]byte(written), int64(-1e18))
	f.Add([]byte(`{"version":1,"blocks":[{"scope":"address","local":"fe80::1%eth0","until":"9999-12-31T23:59:59Z"}]}`), int64(0))
	f.Add([]byte(`{"version":1,"boxes":[{"family":"\u0000\ud800","scope":"four_tuple","max_ms":9223372036854775807}]}`), int64(1))
	f.Fuzz(func(t *testing.T, data []byte, shift int64) {
		now := start.Add(time.Duration(shift))
		l, err := residual.Decode(data, now)
		if err != nil {
			if !errors.Is(err, residual.ErrCorrupt) && !errors.Is(err, residual.ErrVersion) {
				t.Fatalf("%v is neither of the two errors", err)
			}
			return
		}
		if until, _ := l.Until(now, v4); until.After(now.Add(residual.MaxHold)) {
			t.Errorf("held until %v", until)
		}
		first := encode(t, l, now)
		if diff := cmp.Diff(first, encode(t, decode(t, first, now), now)); diff != "" {
			t.Errorf("-first +second:\n%s", diff)
		}
	})
}
