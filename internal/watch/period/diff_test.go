package period

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
	"github.com/rstprobe/rstprobe/traceroute"
)

// path is a document with routers a, b, c, …; * is a silent one, and S the
// server.
func path(routers string) report.Document {
	var doc report.Document
	for i, r := range routers {
		h := report.Hop{TTL: i + 1, Control: traceroute.TimeExceeded}
		switch r {
		case '*':
		case 'S':
			h.Control, doc.Path.ServerTTL = traceroute.FromServer, i+1
		default:
			h.IP = netip.AddrFrom4([4]byte{10, 0, 0, byte(r)})
		}
		doc.Path.Hops = append(doc.Path.Hops, h)
	}
	return doc
}

// short is a hop's difference as "b>c", "+c", "-b".
func short(h HopDiff) string {
	name := func(h *Hop) string {
		switch {
		case h == nil:
			return ""
		case h.Server:
			return fmt.Sprintf("%dS", h.TTL)
		case !h.IP.IsValid():
			return fmt.Sprintf("%d*", h.TTL)
		}
		return fmt.Sprintf("%d%c", h.TTL, h.IP.As4()[3])
	}
	switch h.Change {
	case Same:
		return "=" + name(h.After)
	case Came:
		return "+" + name(h.After)
	case Went:
		return "-" + name(h.Before)
	}
	return name(h.Before) + string(h.Change[0]) + name(h.After)
}

// TestPaths: m: moved, c: changed, u: unclear.
func TestPaths(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, before, after string
		want                string
		diverges            int
	}{
		{"the same", "abcS", "abcS", "=1a =2b =3c =4S", 0},
		{"another router", "abcS", "axcS", "=1a 2bc2x =3c =4S", 2},
		{"one more in front moves the rest", "abcS", "axbcS", "=1a +2x 2bm3b 3cm4c 4Sm5S", 2},
		{"one less", "axbcS", "abcS", "=1a -2x 3bm2b 4cm3c 5Sm4S", 2},
		{"silence contradicts nothing", "abcS", "a*cS", "=1a 2bu2* =3c =4S", 0},
		{"silence stays silence", "a*cS", "a*cS", "=1a =2* =3c =4S", 0},
		{"another way altogether", "abcS", "xyzwS", "1ac1x 2bc2y 3cc3z +4w 4Sm5S", 1},
		{"the server is not reached any more", "abcS", "ab**", "=1a =2b 3cu3* 4Su4*", 0},
		{"behind it there is nothing", "abSxx", "abS", "=1a =2b =3S", 0},
		{"a router twice", "abaS", "aS", "=1a -2b -3a 4Sm2S", 2},
	} {
		d := Compare(1, 2, path(tt.before), path(tt.after))
		var got []string
		for _, h := range d.Hops {
			got = append(got, short(h))
		}
		if s := strings.Join(got, " "); s != tt.want || d.Diverges != tt.diverges {
			t.Errorf("%s: %s, diverging at %d; want %s at %d", tt.name, s, d.Diverges, tt.want, tt.diverges)
		}
	}
	if d := Compare(1, 2, path("abS"), path("")); len(d.Hops) > 0 || !d.Before.Traced || d.After.Traced {
		t.Errorf("a path that was not traced: %+v", d)
	}
}

// TestAnswers: what both say, and what only one was asked.
func TestAnswers(t *testing.T) {
	t.Parallel()
	before, after := result(probe.OK, 1), result(probe.Reset, 1)
	before.Tests = append(before.Tests, report.Test{Kind: probe.SYN, Outcome: probe.OK})
	d := Compare(7, 9, before, after)
	want := []TestDiff{
		{Question: sni, Before: fine, After: blocked, Changed: report.List[state.Axis]{state.Outcome, state.Trigger, state.Author, state.Where}},
		{Question: state.Question{Kind: probe.SYN}, Before: fine},
	}
	if diff := cmp.Diff(want, []TestDiff(d.Tests), addresses); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	doubtful := result(probe.Inconclusive, 1)
	doubtful.Verdict = before.Verdict
	if d := Compare(7, 8, before, doubtful); d.Differs() || !d.Tests[0].After.Known() {
		t.Errorf("what could not be told differs: %+v", d.Tests)
	}
	if !d.Differs() || Compare(7, 8, before, before).Differs() {
		t.Error("what differs is not told from what does not")
	}
}
