package report

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/traceroute"
)

// told is what a picture says, from top to bottom.
func (r *routeDrawing) told() []string {
	lines := map[int]string{}
	add := func(c caption) {
		if c.Text != "" {
			lines[c.Y] = join(" ", lines[c.Y], c.Text)
		}
	}
	for _, g := range r.Groups {
		add(g.Label)
	}
	for _, b := range r.Boxes {
		for _, l := range b.Lines {
			add(l)
		}
	}
	for _, h := range r.Hops {
		add(h.TTL)
		add(h.Address)
		for _, w := range h.Words {
			add(w)
		}
		if h.Answer != nil {
			add(*h.Answer)
		}
	}
	var out []string
	for y := range r.Height {
		if lines[y] != "" {
			out = append(out, lines[y])
		}
	}
	return out
}

// TestRoute: a box stands between the hops where it sits, networks around
// their hops, and many silent hops are one line.
func TestRoute(t *testing.T) {
	for _, tt := range []struct {
		name string
		res  diagnosis.Result
		want string
	}{
		{"in hop 3", inPathReset(), `this machine|10.9.0.1|1 10.9.0.2|1.23 ms|2 10.9.1.2|2.47 ms|AS64500 Example Telecom, DE|3 10.9.2.2|core1.a-rather-long-router-name.i…|3.70 ms` +
			`|BOX in hop 3 (10.9.2.2), after its|TTL check|in_path, tests 1-2|4 10.9.3.2|4.94 ms|test: RESET instead of an expiry|5 10.9.4.2|6.17 ms|test: RESET instead of an expiry` +
			`|6 10.9.5.2|7.40 ms|test: RESET instead of an expiry|AS64501 Example Hosting, NL|7 10.9.6.2|the server|web7.hosting.example|8.64 ms`},
		{"among silent hops", longPath(), `10 198.51.100.10|70.0 ms|11 198.51.100.11|77.0 ms|BOX between hop 11 (198.51.100.11)|and hop 20 (198.51.100.20)|anywhere inside the dashed frame|in_path, test 1|12 to 19: silent|20 198.51.100.20`},
		{"before the first router", firstSegmentV6(), `this machine|2001:1db8:1000:2000:3000:4000:5000:6000|BOX between this machine and hop 1|(2001:1db8:1000:2000:3000:4000:5000:6001)|path, test 1|1 2001:1db8`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(New(tt.res, meta).route().told(), "|"); !strings.Contains(got, tt.want) {
				t.Errorf("told %s\nwant %s", got, tt.want)
			}
		})
	}
	if r := New(inconclusive(), meta).route(); r != nil {
		t.Errorf("a path that was not traced is drawn: %+v", r)
	}
}

// TestRouteRails: the test's way ends at a box that takes packets out, and
// goes on behind one that sees a copy.
func TestRouteRails(t *testing.T) {
	type piece struct {
		lane, from, to string
		lost           bool
	}
	for _, tt := range []struct {
		name string
		res  diagnosis.Result
		want []piece
	}{
		{"in the path", inPathReset(), []piece{{"control", "top", "7", false}, {"test", "top", "box", false}, {"test", "box", "6", true}}},
		{"beside the path", onPathReset(), []piece{{"control", "top", "7", false}, {"test", "top", "6", false}}},
		{"dropped in silence", longPath(), []piece{{"control", "top", "30", false}, {"test", "top", "11", false}, {"test", "11", "30", true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := New(tt.res, meta).route()
			name := func(y int) string {
				for _, h := range r.Hops {
					if h.TTL.Text != "" && h.TTL.Y-4 == y {
						return h.TTL.Text
					}
				}
				for _, b := range r.Boxes {
					if b.Y < y && y < b.Y+b.Height {
						return "box"
					}
				}
				return "top"
			}
			var got []piece
			for _, rail := range r.Rails {
				lane := map[int]string{controlLane: "control", testLane: "test"}[rail.X]
				got = append(got, piece{lane, name(rail.Y1), name(rail.Y2), rail.Lost})
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(piece{})); diff != "" {
				t.Errorf("rails (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRouteSigns: every answer has a form of its own, and a legend.
func TestRouteSigns(t *testing.T) {
	var d Document
	forms := map[string]traceroute.Answer{}
	for i, a := range []traceroute.Answer{
		traceroute.TimeExceeded, traceroute.Silent, traceroute.ResetAnswer, traceroute.BothAnswers, traceroute.Injected, traceroute.Unreachable, traceroute.FromServer,
	} {
		s := signAt(a, 0, 0)
		form := s.Path + s.Cross
		if a == traceroute.Silent { // a ring of dashes, where an expiry is a disc
			form += s.Class
		}
		if other, taken := forms[form]; taken {
			t.Errorf("%s looks like %s", a, other)
		}
		forms[form] = a
		d.Path.Hops = append(d.Path.Hops, Hop{TTL: i + 1, IP: router(i + 1), Control: traceroute.TimeExceeded, Test: a})
	}
	r := d.route()
	if len(r.Legend) != len(forms) {
		t.Errorf("%d signs explained, want %d", len(r.Legend), len(forms))
	}
	for i := range d.Path.Hops {
		d.Path.Hops[i].Test = traceroute.NotSent
	}
	if r := d.route(); len(r.Lanes) != 1 || len(r.Rails) != 1 || len(r.Legend) != 1 {
		t.Errorf("%d lanes, %d rails, %d signs although no test was sent, want 1 each", len(r.Lanes), len(r.Rails), len(r.Legend))
	}
}

// TestNetworks: a silent hop belongs to the network of both its neighbours.
func TestNetworks(t *testing.T) {
	hop := func(last byte, asn int) Hop {
		h := Hop{IP: netip.AddrFrom4([4]byte{192, 0, 2, last})}
		h.ASN = asn
		return h
	}
	var silent Hop
	var got []int
	for _, n := range networks([]Hop{silent, hop(1, 7), silent, silent, hop(2, 7), silent, hop(3, 8), silent, hop(4, 0), hop(5, 8), silent}) {
		got = append(got, n.ASN)
	}
	if diff := cmp.Diff([]int{0, 7, 7, 7, 7, 0, 8, 0, 0, 8, 0}, got); diff != "" {
		t.Errorf("networks (-want +got):\n%s", diff)
	}
}

func TestWrappedAndCut(t *testing.T) {
	if diff := cmp.Diff([]string{"a bc", "defghi", "j"}, wrapped(" a bc  defghi j", 4)); diff != "" {
		t.Errorf("wrapped (-want +got):\n%s", diff)
	}
	for in, want := range map[string]string{"": "", "four": "four", "fives": "fiv…", "ääääää": "äää…"} {
		if got := cut(in, 4); got != want {
			t.Errorf("cut(%q) = %q, want %q", in, got, want)
		}
	}
}
