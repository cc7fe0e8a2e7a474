package report

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/terminal"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// farAway is a path of 64 hops with the longest addresses and the widest
// words, through networks whose names are not for terminals. Hops 20 to 39 are
// silent, and a box sits among them.
func farAway() Document {
	res := result(probe.Interference, "A box interferes.")
	res.Path.ServerTTL = 64
	for ttl := 1; ttl <= 64; ttl++ {
		h := traceroute.Hop{
			TTL: ttl, Addr: netip.MustParseAddr(fmt.Sprintf("2001:1db8:1000:2000:3000:4000:5000:60%02d", ttl)),
			RTT: 99_960 * time.Microsecond, Control: traceroute.Unreachable, Test: traceroute.BothAnswers,
		}
		if ttl >= 20 && ttl < 40 {
			h.Addr, h.RTT, h.Control, h.Test = netip.Addr{}, 0, traceroute.Silent, traceroute.Silent
		}
		res.Path.Hops = append(res.Path.Hops, h)
	}
	res.Tests = []diagnosis.Test{{
		Kind: probe.SNI, Name: "blocked.example", Verdict: probe.Verdict{Author: probe.InPath},
		Location: &traceroute.Location{
			After: traceroute.Point{TTL: 29}, At: traceroute.Point{TTL: 30}, Method: traceroute.CodedBurst, Votes: 3, Rounds: 3,
		},
	}}
	d := New(res, meta)
	for i := range d.Path.Hops {
		h := &d.Path.Hops[i]
		if !h.IP.IsValid() {
			continue
		}
		h.Name = "ルーター.例え\x1b[31m.example"
		h.ASN, h.ASOwner, h.Country = 4_200_000_000+i/8, strings.Repeat("例え通信 ", 12)+"\r\n", "ZZ"
	}
	return d
}

// elsewhere is a server that never answered, behind a box that drops what is for
// it, and the way to its control address.
func elsewhere() Document {
	res := result(probe.Interference, "", diagnosis.Test{
		Kind: probe.SYN, Verdict: probe.Verdict{Outcome: probe.Drop, Author: probe.InPath, Counts: probe.Counts{TestBad: 3, TestTotal: 3}},
		Location: &traceroute.Location{After: point(2), At: point(3), Method: traceroute.SYNSweep, Votes: 3, Rounds: 3},
	})
	const none = traceroute.Silent
	res.Path = path(te, te, none, none, none, none, none)
	res.Path.Server, res.Path.Hops[6].Addr = netip.MustParseAddr("10.9.6.3"), netip.Addr{}
	return New(res, meta)
}

// TestControlAddressIsNotTheServer: where nothing but the control address
// answers, nobody says that the server does.
func TestControlAddressIsNotTheServer(t *testing.T) {
	d := elsewhere()
	var text, md, page strings.Builder
	for _, err := range []error{Text(&text, d, Style{}), Markdown(&md, d), HTML(&page, []Document{d})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, got := range map[string]string{"text": text.String(), "markdown": md.String(), "html": page.String(), "picture": strings.Join(d.route().told(), "|") + d.route().Legend[2].Word, "explain": d.showedPath()} {
		for _, no := range []string{"the server is hop", "the server answer", "|the server|"} {
			if strings.Contains(got, no) {
				t.Errorf("%s says %q", name, no)
			}
		}
	}
	for got, want := range map[string]string{
		text.String(): "\n   7  10.9.6.3  8.64  @ server   . silent   (control address)\n",
		md.String():   "\n| 7 | 10.9.6.3 | 8.64 | server | silent | (control address) |  |\n",
		page.String(): "<td>10.9.6.3</td><td>8.64</td><td>server</td><td>silent</td><td>(control address)</td>",
		d.pathTitle(): "Path: the server did not answer; the control address 10.9.6.3 is hop 7",
		strings.Join(d.route().told(), "|") + "|" + d.route().Legend[2].Word: "7 10.9.6.3|the control address|8.64 ms|the control address answered",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// TestTablesNameTheServer: every kind of table has the address of a server that
// no router spoke of, and names and networks in columns of their own.
func TestTablesNameTheServer(t *testing.T) {
	res := inPathReset()
	res.Path.Hops[6].Addr = netip.Addr{}
	d := New(res, meta)
	var text, md strings.Builder
	for _, err := range []error{Text(&text, d, Style{}), Markdown(&md, d)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	table := htmlPathTable(d)
	last := strings.Join(table.Rows[len(table.Rows)-1].Cells, " | ")
	for got, want := range map[string]string{
		text.String():                   "7  10.9.6.2  8.64  @ server",
		md.String():                     "| 7 | 10.9.6.2 | 8.64 | server | - | web7.hosting.example | AS64501 Example Hosting, NL |",
		last:                            "7 | 10.9.6.2 | 8.64 | server | - | web7.hosting.example | AS64501 Example Hosting, NL",
		strings.Join(table.Header, " "): "hop address ms control test name network",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// TestPathFits: no line of the path is wider than the terminal of a ticket,
// whatever the network says and however the text is drawn.
func TestPathFits(t *testing.T) {
	docs := map[string]Document{"far away": farAway()}
	for _, ex := range examples() {
		docs[ex.name] = New(ex.res, meta)
	}
	for name, d := range docs {
		for _, style := range []Style{{}, {Unicode: true}, {Unicode: true, Color: true}} {
			p := printer{style: style}
			p.path(d)
			for line := range strings.Lines(uncolored(p.b.String())) {
				line = strings.TrimSuffix(line, "\n")
				if n := terminal.Width(line); n > columns {
					t.Errorf("%s, %+v: %d columns: %s", name, style, n, line)
				}
				if strings.ContainsAny(line, "\x1b\r") || line != strings.TrimRight(line, " ") {
					t.Errorf("%s, %+v: %q", name, style, line)
				}
			}
		}
	}
}

// TestPathDrawing: networks head their hops, silence is drawn once, and a box
// stands where it is, also among silent hops.
func TestPathDrawing(t *testing.T) {
	res := result(probe.Interference, "", inPathReset().Tests[0])
	res.Path = path(te, te, te, rst, rst, rst)
	d := New(res, meta)
	d.Path.Hops[0].Name = "gw.home.example"
	for i, as := range map[int]Network{1: {ASN: 64500, ASOwner: "Example Telecom", Country: "DE"}, 2: {ASN: 64500, ASOwner: "Example Telecom", Country: "DE"}, 6: {Country: "FR"}} {
		d.Path.Hops[i].Network = as
	}
	d.Path.Hops[3].IP = netip.Addr{}
	for _, tt := range []struct {
		name  string
		style Style
		want  string
	}{
		{"ascii", Style{}, `
Path: the server is hop 7
 hop  address     ms  control    test
   1  10.9.0.2  1.23  o expired  o expired  gw.home.example
      -- AS64500 Example Telecom, DE --
   2  10.9.1.2  2.47  o expired  o expired
   3  10.9.2.2  3.70  o expired  o expired  core1.a-rather-long-router-name.is..
>>>> BOX in hop 3 (10.9.2.2), after its TTL check (in_path, test 1)
   4  *         4.94  o expired  X RESET
      -- network unknown --
   5  10.9.4.2  6.17  o expired  X RESET
   6  10.9.5.2  7.40  o expired  X RESET
      -- FR --
   7  10.9.6.2  8.64  @ server   -          web7.hosting.example
Each row: what packets that end at that hop drew. expired: its ICMP time
  exceeded; -: nothing sent; *: silent
`},
		{"unicode", Style{Unicode: true}, `
Path: the server is hop 7
 hop  address     ms  control    test
   1  10.9.0.2  1.23  ● expired  ● expired  gw.home.example
      ── AS64500 Example Telecom, DE ──
   2  10.9.1.2  2.47  ● expired  ● expired
   3  10.9.2.2  3.70  ● expired  ● expired  core1.a-rather-long-router-name.is..
━━━▶ BOX in hop 3 (10.9.2.2), after its TTL check (in_path, test 1)
   4  *         4.94  ● expired  ✗ RESET
      ── network unknown ──
   5  10.9.4.2  6.17  ● expired  ✗ RESET
   6  10.9.5.2  7.40  ● expired  ✗ RESET
      ── FR ──
   7  10.9.6.2  8.64  ■ server   -          web7.hosting.example
Each row: what packets that end at that hop drew. expired: its ICMP time
  exceeded; -: nothing sent; *: silent
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := printer{style: tt.style}
			p.path(d)
			if diff := cmp.Diff(tt.want, p.b.String()); diff != "" {
				t.Errorf("path (-want +got):\n%s", diff)
			}
		})
	}
	p := printer{}
	p.path(farAway())
	const silent = "\n  ..  * hops 20-29                               -  . silent       . silent\n" +
		">>>> BOX between hop 29 (silent) and hop 30 (silent) (in_path, test 1)\n" +
		"  ..  * hops 30-39                               -  . silent       . silent\n"
	if !strings.Contains(p.b.String(), silent) {
		t.Errorf("path has not %s:\n%s", silent, p.b.String())
	}
}
