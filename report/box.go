package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// Box is one of several boxes that answer on one path.
type Box struct {
	Location   *Location    `json:"location"`    // nil, null in JSON: too few rounds show it
	PerTrigger int          `json:"per_trigger"` // the most packets that one copy drew
	IPID       probe.IDKind `json:"ip_id"`       // "": unknown, or IPv6
	Prints     List[Print]  `json:"prints"`      // the commonest first
	Packets    List[int]    `json:"packets"`
}

// Print is what identical packets of a box have in common.
type Print struct {
	TTL     uint8  `json:"ttl"`
	Nearer  int    `json:"nearer"`
	ICMP    bool   `json:"icmp"`
	Flags   string `json:"flags"` // as tcpdump writes them; "": ICMP
	Window  uint16 `json:"window"`
	DF      bool   `json:"df"`
	ZeroID  bool   `json:"zero_id"`
	Payload string `json:"payload"` // printable ASCII, at most maxPayload bytes
}

// maxPayload is how many bytes of a payload tell pages apart: more than the
// status line of any answer, less than a line of the text.
const maxPayload = 60

func newBoxes(boxes []traceroute.Box) List[Box] {
	out := List[Box]{}
	for _, b := range boxes {
		box := Box{
			Location: newLocation(b.Location), PerTrigger: b.PerTrigger, IPID: b.ID.Kind,
			Prints: List[Print]{}, Packets: append(List[int]{}, b.Packets...),
		}
		for _, p := range b.Prints {
			print := Print{
				TTL: p.TTL, Nearer: p.Nearer, ICMP: p.ICMP != 0, Window: p.Window, DF: p.DF, ZeroID: p.ZeroID,
				Payload: printable(p.Payload, maxPayload),
			}
			if !print.ICMP {
				print.Flags = p.Flags.String()
			}
			box.Prints = append(box.Prints, print)
		}
		out = append(out, box)
	}
	return out
}

// printable is the first n bytes of s, without what ends its line, and with a
// dot for every byte that is not printable ASCII, as tcpdump -A prints them.
func printable(s string, n int) string {
	b := []byte(strings.TrimRight(s, "\r\n"))
	b = b[:min(n, len(b))]
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '.'
		}
	}
	return string(b)
}

// idText says how a box numbers its packets.
var idText = map[probe.IDKind]string{
	probe.IDUnknown:  "",
	probe.IDZero:     "", // each kind of packet says so
	probe.IDConstant: "IP ID always the same",
	probe.IDCounter:  "IP ID counts up",
	probe.IDRandom:   "IP ID random",
	probe.IDEcho:     "IP ID copied from our packet",
}

// maxPrints is how many kinds of packet are named of one box: one that makes
// up its TTL and window sends every time another.
const maxPrints = 3

// boxItems describes the boxes of a test, one item each.
func boxItems(boxes []Box, verbose bool) []string {
	var out []string
	for i, b := range boxes {
		place := "not placed, too few rounds show it"
		if l := b.Location; l != nil {
			place = fmt.Sprintf("%s, in %d of %s", l.place(), l.Votes, count(l.Rounds, "round", "rounds"))
		}
		s := fmt.Sprintf("%d of %d: %s", i+1, len(boxes), place)
		if b.PerTrigger > 1 {
			s += fmt.Sprintf("; up to %d packets per trigger", b.PerTrigger)
		}
		shown := b.Prints
		if !verbose {
			shown = shown[:min(maxPrints, len(shown))]
		}
		for _, p := range shown {
			s += "; " + p.text()
		}
		if more := len(b.Prints) - len(shown); more > 0 {
			s += "; " + count(more, "more kind", "more kinds")
		}
		s = join("; ", s, idText[b.IPID])
		if len(b.Packets) > 0 {
			s += " (" + packetList(b.Packets) + ")"
		}
		out = append(out, s)
	}
	return out
}

// text describes one kind of packet.
func (p Print) text() string {
	if p.ICMP {
		return fmt.Sprintf("ICMP error, TTL %d%s", p.TTL, p.distance())
	}
	what := "answer"
	switch {
	case strings.Contains(p.Flags, "R"):
		what = "reset"
	case strings.Contains(p.Flags, "F"):
		what = "close"
	}
	s := fmt.Sprintf("%s [%s], TTL %d%s, window %d", what, p.Flags, p.TTL, p.distance(), p.Window)
	if p.DF {
		s += ", DF"
	}
	if p.ZeroID {
		s += ", IP ID 0"
	}
	if p.Payload != "" {
		s += `, says "` + p.Payload + `"`
	}
	return s
}

func (p Print) distance() string {
	switch {
	case p.Nearer > 0:
		return fmt.Sprintf(" (%d above the server's)", p.Nearer)
	case p.Nearer < 0:
		return fmt.Sprintf(" (%d below the server's)", -p.Nearer)
	}
	return ""
}

// mark is what the path table draws for one place.
type mark struct {
	after, at int
	wide      bool // silent hops lie between, and nothing says which of them it is
	text      string
	place     string // the parts of text
	who       string
	author    string // as in the JSON, or another
}

// another stands for the author where a test was decided by a nearer box.
const another = "another box"

// marks are the places found by the tests, nearest first, each once.
func (d Document) marks() []mark {
	type key struct{ author, place string }
	var (
		order []key
		tests = map[key][]int{}
		found = map[key]Location{}
	)
	add := func(test int, author string, l *Location) {
		if l == nil {
			return
		}
		k := key{author, l.place()}
		if tests[k] == nil {
			order = append(order, k)
			found[k] = *l
		}
		if !slices.Contains(tests[k], test) {
			tests[k] = append(tests[k], test)
		}
	}
	for i, t := range d.Tests {
		add(i+1, string(t.Author), t.Location)
		for j, b := range t.Boxes {
			if j > 0 { // the nearest is the one at the test's location
				add(i+1, another, b.Location)
			}
		}
	}
	var out []mark
	for _, k := range order {
		l := found[k]
		wide := l.AtTTL > l.AfterTTL+1 && l.DeviceTTL == nil
		who := fmt.Sprintf("%s, %s %s", k.author, plural(len(tests[k]), "test", "tests"), ranges(tests[k]))
		text := fmt.Sprintf("%s (%s)", k.place, who)
		if wide {
			text += ", anywhere in the rows marked ?"
		}
		out = append(out, mark{l.AfterTTL, l.AtTTL, wide, text, k.place, who, k.author})
	}
	slices.SortStableFunc(out, func(a, b mark) int { return cmp.Or(cmp.Compare(a.after, b.after), cmp.Compare(a.at, b.at)) })
	return out
}

// inside reports whether a hop is one of several where a box may be.
func inside(ttl int, marks []mark) bool {
	return slices.ContainsFunc(marks, func(m mark) bool { return m.wide && m.after < ttl && ttl < m.at })
}
