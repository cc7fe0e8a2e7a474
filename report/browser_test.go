package report

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/browsertest"
	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// longPath has 30 hops in three networks, of which the box and eight others
// are silent.
func longPath() diagnosis.Result {
	res := dropWide()
	res.Path = traceroute.Path{ServerTTL: 30}
	for ttl := 1; ttl <= 30; ttl++ {
		h := traceroute.Hop{TTL: ttl, Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(ttl)}), RTT: time.Duration(ttl) * 7 * time.Millisecond, Control: te, Test: te}
		switch {
		case ttl >= 12 && ttl < 20:
			h.Addr, h.RTT, h.Control = netip.Addr{}, 0, traceroute.Silent
		case ttl == 30:
			h.Control = traceroute.FromServer
		}
		if ttl >= 12 {
			h.Test = traceroute.Silent
		}
		res.Path.Hops = append(res.Path.Hops, h)
	}
	l := res.Tests[0].Location
	l.After, l.At = traceroute.Point{TTL: 11, Addr: res.Path.Hops[10].Addr}, traceroute.Point{TTL: 20, Addr: res.Path.Hops[19].Addr}
	return res
}

// manyTests has one test per name of a list.
func manyTests() diagnosis.Result {
	res := everything()
	first := res.Tests[0]
	for i := range 23 {
		t := first
		t.Name = fmt.Sprintf("a-name-that-is-not-short-%d.some-where.blocked.example", i)
		t.Boxes, t.Flows, t.Matrix = nil, nil, nil
		if i%3 == 1 {
			t.Location, t.Verdict = nil, probe.Verdict{Outcome: probe.OK, Confidence: probe.Proved, Counts: probe.Counts{TestTotal: 3, ControlTotal: 4}}
		}
		res.Tests = append(res.Tests, t)
	}
	return res
}

// markup is what a page must show and not obey.
const markup = `</script><script>console.log(1)</script><img src=x onerror=alert(1)> &amp; "' <b>`

// markedUp has markup in every string.
func markedUp() diagnosis.Result {
	res := hostile()
	res.Target.Input, res.Target.Host, res.Summary = markup, markup, markup
	res.Attempts = citedAttempts()
	for i := range res.Path.Hops {
		res.Path.Hops[i].Addr = netip.MustParseAddr("fe80::1").WithZone(markup)
	}
	for i := range res.Tests {
		t := &res.Tests[i]
		t.Name, t.ControlNames, t.Verdict.Next = markup, []string{markup}, markup
		for k := range t.Verdict.Evidence {
			t.Verdict.Evidence[k].Rule, t.Verdict.Evidence[k].Detail = markup, markup+strings.Repeat("x", 300)
		}
	}
	for i := range res.Attempts {
		res.Attempts[i].Trial.Stimulus.Name = markup
	}
	return res
}

// htmlPages are pages of every kind.
func htmlPages(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	live := func(name string, results ...diagnosis.Result) {
		var docs []Document
		for _, res := range results {
			docs = append(docs, New(res, meta))
		}
		var b bytes.Buffer
		if err := HTML(&b, docs); err != nil {
			t.Fatal(err)
		}
		out["live "+name] = b.Bytes()
	}
	explained := func(name string, c Capture, reread Reread) {
		_, page := html(t, c, CaptureStyle{All: true}, reread)
		out["explain "+name] = page
	}
	like := []string{"in_path_reset", "closed_port", "alert", "interim"} // others
	for _, ex := range examples() {
		if !slices.Contains(like, ex.name) {
			live(ex.name, ex.res)
		}
	}
	live("30 hops", longPath())
	live("many tests", manyTests())
	live("markup", markedUp())
	live("no target")
	live("many targets", everything(), nothingInterferes(), inconclusive(), firstSegmentV6())
	both := interfered()
	explained("normal", NewCapture(both, captureMeta).WithServer(bothEnds(), "server.pcap"), replay(t))
	explained("empty", NewCapture(explain.Report{}, captureMeta), replay(t))
	long, reread := long(500, 200)
	explained("long", long, reread)
	return out
}

// TestBrowser: every page is shown without a fault by a real browser, on a
// phone and on a desktop, by day and by night, and can be printed.
func TestBrowser(t *testing.T) {
	b := browsertest.Open(t)
	for name, page := range htmlPages(t) {
		t.Run(name, func(t *testing.T) {
			views := []browsertest.View{{Width: 680, Dark: true, Paper: true}} // A4 within its margins
			for _, width := range browsertest.Widths {
				views = append(views, browsertest.View{Width: width}, browsertest.View{Width: width, Dark: true})
			}
			for _, v := range views {
				for _, flaw := range b.Show(t, page, v) {
					t.Errorf("%+v: %s", v, flaw)
				}
			}
			b.Print(t)
		})
	}
}
