package report

import (
	"bytes"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// TCP control bits (RFC 9293 §3.1), and the kind of an ICMP error.
const (
	finBit = 1 << 0
	rstBit = 1 << 2
	pshBit = 1 << 3
	ackBit = 1 << 4

	unreachableError = 2
)

// everything has all that a diagnosis can find: two boxes on one of two
// paths, a residual block, the matrix, a route that changed, routers that
// limit their errors and a box that rewrites headers.
func everything() diagnosis.Result {
	res := inPathReset()
	res.Summary = "Two boxes, in hop 3 and between hop 5 and hop 6, reset connections that name blocked.example."
	res.Duration, res.Waited = 150*time.Second, 90*time.Second
	res.Rerouted = []int{4, 5}

	hops := res.Path.Hops
	for i := range hops[:6] {
		hops[i].Sent, hops[i].Answered = 6, 6
	}
	hops[1].Answered, hops[4].Answered = 4, 1
	hops[3].Altered = []traceroute.Alteration{
		{Change: traceroute.ServiceChange, After: 2, TTL: 4, Quotes: 3, Packet: 31, Detail: "0 sent, 40 quoted"},
		{Change: traceroute.MSSChange, TTL: 4, Quotes: 2, Packet: 31, Detail: "1460 sent, 1380 quoted"},
	}
	hops[4].Altered = []traceroute.Alteration{{Change: traceroute.IDChange, After: 4, TTL: 5, Quotes: 1, Packet: 33, Detail: "7 sent, 1792 quoted"}}

	res.Steps = []diagnosis.StepTaken{
		{Step: diagnosis.StepPath, Trials: 4, Packets: 36, Took: 41 * time.Millisecond},
		{Step: diagnosis.StepTests, Kind: probe.SNI, Name: "blocked.example", Trials: 7, Packets: 60, Took: 620 * time.Millisecond},
	}
	res.Attempts = append(citedAttempts(), dressedUp())
	t := &res.Tests[0]
	t.Verdict.Evidence = append(t.Verdict.Evidence, probe.Evidence{
		Rule: "time-exceeded-too", Supports: probe.OnOrInPath, Packets: []int{21, 82}, Detail: "The copy that died at hop 3 drew nothing but time exceeded.",
	})
	second := &traceroute.Location{After: point(5), At: point(6), Method: traceroute.CodedBurst, Votes: 2, Rounds: 3, ForwardHops: 5}
	t.Boxes = []traceroute.Box{
		{
			Location: t.Location, ID: probe.IDLaw{Kind: probe.IDZero}, PerTrigger: 1, Packets: []int{12, 14, 15},
			Prints: []traceroute.Print{{TTL: 62, Nearer: 4, Flags: rstBit | ackBit, DF: true, ZeroID: true}},
		},
		{
			Location: second, ID: probe.IDLaw{Kind: probe.IDCounter, Step: 3}, PerTrigger: 3, Packets: []int{13, 16, 17, 18, 22},
			Prints: []traceroute.Print{
				{TTL: 60, Nearer: 2, Flags: finBit | pshBit | ackBit, Window: 8192, Payload: "HTTP/1.1 403 Forbidden\x1b\xff\r"},
				{TTL: 60, Nearer: 2, Flags: rstBit, Window: 1},
				{TTL: 47, Nearer: -11, Flags: rstBit | ackBit, Window: 512},
				{TTL: 61, Nearer: 3, ICMP: unreachableError},
			},
		},
		{PerTrigger: 1, Prints: []traceroute.Print{{TTL: 58, Window: 100}}, Packets: []int{40}},
	}
	t.Residual.Scope, t.Residual.Timer = "three_tuple", "extended"
	t.Residual.Min, t.Residual.Max = time.Minute, 80*time.Second
	t.Flows = []diagnosis.Flow{
		{
			Ports: []uint16{40000, 40001, 40002, 40005, 40009, 40010, 40011, 40012, 40015}, Verdict: t.Verdict, Location: t.Location,
			Routers: []netip.Addr{router(1), router(2), router(3), router(4), {}, router(6)},
		},
		{
			Ports:   []uint16{40003, 40004, 40006, 40007, 40008, 40013, 40014},
			Routers: []netip.Addr{router(1), router(2), router(13), router(14), router(15), router(16)},
			Verdict: probe.Verdict{Outcome: probe.OK, Author: probe.Undetermined, Confidence: probe.Proved, Counts: probe.Counts{TestTotal: 3, ControlTotal: 3}},
		},
	}
	three := func(o probe.Outcome) []probe.Outcome { return []probe.Outcome{o, o, o} }
	t.Matrix = []diagnosis.Variant{
		{Name: "exact", Doc: "the name as it is", Acted: 3, Total: 3, Ends: three(probe.Reset)},
		{Name: "upper_case", Doc: "in capitals", Acted: 2, Total: 3, Ends: []probe.Outcome{probe.Reset, probe.OK, probe.Reset}},
		{Name: "glued", Doc: "a name that merely ends in it", Total: 3, Ends: three(probe.OK)},
		{Name: "no_handshake", Doc: "without a handshake", Ends: nil},
		{Name: "as_host", Doc: "as the Host of an HTTP request to the same port", Acted: 3, Total: 3,
			Ends: []probe.Outcome{probe.InjectedResponse, probe.Reset, probe.Reset}},
	}
	return res
}

// interim has of the same what an unfinished measurement leaves.
func interim() diagnosis.Result {
	res := onPathReset()
	t := &res.Tests[0]
	t.Location.Method = traceroute.TriggerRead
	t.Residual.Scope, t.Residual.Min = "four_tuple", 310*time.Millisecond
	t.Flows = []diagnosis.Flow{{Ports: []uint16{40000}}}
	res.Waited = 5 * time.Millisecond
	res.Interrupted = true
	return res
}

// TestExamplesFillEveryField: each field of the document, and of what it is
// made of, has a value in some example, so that the goldens show all of them.
func TestExamplesFillEveryField(t *testing.T) {
	filled := map[string]bool{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Struct:
			if v.Type().PkgPath() != reflect.TypeFor[Document]().PkgPath() { // a time, an address
				return
			}
			for i := range v.NumField() {
				f := v.Field(i)
				name := v.Type().Name() + "." + v.Type().Field(i).Name
				filled[name] = filled[name] || !f.IsZero() && (f.Kind() != reflect.Slice || f.Len() > 0)
				walk(f)
			}
		}
	}
	for _, ex := range examples() {
		walk(reflect.ValueOf(New(ex.res, meta)))
	}
	walk(reflect.ValueOf(NewRedactor(1).Document(New(everything(), meta))))
	for _, name := range slices.Sorted(maps.Keys(filled)) {
		if !filled[name] {
			t.Errorf("%s is empty in every example", name)
		}
	}
}

// TestNothingToSay: a result without the later findings has none of their
// words.
func TestNothingToSay(t *testing.T) {
	d := New(onPathReset(), meta)
	line, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"waited_ms":0,"wait_share":0,`, `"rerouted":[]`, `"boxes":[],"flows":[],"matrix":[],"residual":null`, `"sent":0,"answered":0,"altered":[]`,
	} {
		if !bytes.Contains(line, []byte(want)) {
			t.Errorf("JSON lacks %s:\n%s", want, line)
		}
	}
	var md strings.Builder
	if err := Markdown(&md, d); err != nil {
		t.Fatal(err)
	}
	full, plain := text(t, New(everything(), meta), Style{}), text(t, d, Style{})
	for _, word := range []string{"REROUTED", "waiting", "  boxes", "  paths", "  residual", "  triggers", "answered 4 of 6", "and beyond see", "another box"} {
		if !strings.Contains(full, word) {
			t.Errorf("the text of everything lacks %q", word)
		}
		if strings.Contains(plain, word) || strings.Contains(md.String(), "**"+strings.TrimSpace(word)) {
			t.Errorf("%q where there is nothing of it to say", word)
		}
	}
}

func TestResidualText(t *testing.T) {
	ms := func(v float64) *float64 { return &v }
	for _, test := range []struct {
		name string
		r    Residual
		want string
	}{
		{"measured", Residual{Scope: "three_tuple", MinMS: 60000, MaxMS: ms(80000), Timer: "extended"},
			"afterwards everything from us to this port of the server is blocked for 60 to 80 s; every packet in between prolongs it, so wait in silence"},
		{"end not seen", Residual{Scope: "four_tuple", MinMS: 310},
			"afterwards the same connection (our port and the server's) is blocked, still so after 0.31 s; its end was not seen; packets in between may prolong it"},
		{"over at once", Residual{Scope: "port_any", MaxMS: ms(2040), Timer: "fixed"},
			"afterwards everything from us to any port of this server is blocked for at most 2 s; it ends by itself, packets in between do not prolong it"},
		{"nothing known but that", Residual{Scope: "address"},
			"afterwards everything from our address to this and other servers is blocked for a while; its end was not seen; packets in between may prolong it"},
		{"none", Residual{Scope: "none", MaxMS: ms(0)}, "nothing stays blocked afterwards: harmless connections work at once"},
	} {
		if got := test.r.text(); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
	}
}

// TestResidualNone: that nothing stays blocked is a finding, and has an end.
func TestResidualNone(t *testing.T) {
	var test diagnosis.Test
	if got := newResidual(test); got != nil {
		t.Errorf("not measured: %+v, want nil", got)
	}
	test.Residual.Scope = nothingBlocked
	if got := newResidual(test); got == nil || got.MaxMS == nil || *got.MaxMS != 0 {
		t.Errorf("none: %+v, want a block of 0 ms", got)
	}
	test.Residual.Scope, test.Residual.Min = "address", time.Second
	if got := newResidual(test); got == nil || got.MaxMS != nil {
		t.Errorf("end not seen: %+v, want no maximum", got)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "HTTP/1.1 302 Found\r": "HTTP/1.1 302 Found", "\x15\x03\x01\x00\xffé": ".......",
		strings.Repeat("x", 61): strings.Repeat("x", 60), strings.Repeat("x", 60) + "\r\n": strings.Repeat("x", 60),
	} {
		if got := printable(in, 60); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestRatio(t *testing.T) {
	for _, test := range []struct {
		part, whole time.Duration
		want        float64
	}{
		{0, 0, 0}, {time.Second, 0, 0}, {time.Second, 3 * time.Second, 0.3333}, {5, 5, 1}, {6, 5, 1}, {-1, 5, 0},
	} {
		if got := ratio(test.part, test.whole); got != test.want {
			t.Errorf("ratio(%v, %v) = %v, want %v", test.part, test.whole, got, test.want)
		}
	}
}
