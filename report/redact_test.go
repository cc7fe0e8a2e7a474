package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/probe"
)

// anywhere matches an address, or a name, that is no part of a longer one.
func anywhere(what string) *regexp.Regexp {
	if strings.ContainsAny(what, ":") {
		return regexp.MustCompile(`(?i)(^|[^0-9a-f:])` + what + `([^0-9a-f]|$)`)
	}
	return regexp.MustCompile(`(?i)(^|[^0-9.])` + regexp.QuoteMeta(what) + `([^0-9]|$)`)
}

func TestReplaceAddresses(t *testing.T) {
	hide := map[netip.Addr]bool{netip.MustParseAddr("10.9.0.2"): true, netip.MustParseAddr("fd09::2"): true}
	for _, tt := range []struct{ in, want string }{
		{"hop 1 (10.9.0.2)", "hop 1 (#)"},
		{"10.9.0.2", "#"},
		{"10.9.0.21 110.9.0.2 10.9.0.2.1 10.9.0.3", "10.9.0.21 110.9.0.2 #.1 10.9.0.3"},
		{"10.9.0.2:443 and 10.9.0.2.443 > 10.9.0.3.40000: Flags", "#:443 and #.443 > 10.9.0.3.40000: Flags"},
		{"from 10.9.0.2.", "from #."},
		{"[fd09::2]:443, fd09::2.443, FD09:0:0::0002", "[#]:443, #.443, #"},
		{"fd09::2: gone, fd09::21, afd09::2, fd09::2%eth0", "#: gone, fd09::21, afd09::2, #%eth0"},
		{"::ffff:10.9.0.2 64:ff9b::10.9.0.2", "# 64:ff9b::#"},
		{"x10.9.0.2y <b>10.9.0.2</b>", "x#y <b>#</b>"},
		{`"\u003c10.9.0.2\u0026 \u002610.9.0.2"`, `"\u003c#\u0026 \u0026#"`},
		{"12:30:45.123456 0:10.9.0.2", "12:30:45.123456 0:#"},
		{"", ""}, {"::", "::"}, {"..", ".."}, {"10.9.0", "10.9.0"},
	} {
		got := string(replaceAddresses([]byte(tt.in), func(a netip.Addr) (string, bool) { return "#", hide[a] }))
		if got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestRewrittenReachesAll: every string and every address of a document that
// has everything passes through, so a field added later is not forgotten.
func TestRewrittenReachesAll(t *testing.T) {
	d := New(everything(), meta)
	d.Attempts = New(attemptedExamples()[1].res, meta).Attempts
	want, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	mark := func(s string) string { return "~" + s }
	other := netip.MustParseAddr("203.0.113.77")
	copied := rewritten(reflect.ValueOf(d), mark, func(a netip.Addr) netip.Addr {
		if a.IsValid() {
			return other
		}
		return a
	}).Interface().(Document)
	line, err := json.Marshal(copied)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(line, &v); err != nil {
		t.Fatal(err)
	}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				walk(at+"."+k, x)
			}
		case []any:
			for _, x := range v {
				walk(at, x)
			}
		case string:
			if _, err := time.Parse(time.RFC3339, v); err != nil && v != "" && !strings.HasPrefix(v, "~") && !strings.Contains(v, other.String()) {
				t.Errorf("%s was passed over: %q", at, v)
			}
		}
	}
	walk("", v)
	after, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, after) {
		t.Error("the original was changed")
	}
}

// leaks renders what a Redactor returns in every format, and names what it
// should have hidden.
func leaks(t *testing.T, docs []Document, frames []pcapio.Frame, addrs []netip.Addr, names ...string) []string {
	t.Helper()
	var out []string
	dir := t.TempDir()
	for _, f := range formats {
		path := filepath.Join(dir, "x"+f.extension)
		if err := WriteFile(path, docs, frames); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			if anywhere(a.String()).Match(b) {
				out = append(out, fmt.Sprintf("%s names %v", f.extension, a))
			}
			if f.extension == pcapngExtension && bytes.Contains(b, a.AsSlice()) {
				out = append(out, fmt.Sprintf("%s holds the bytes of %v", f.extension, a))
			}
		}
		for _, n := range names {
			if bytes.Contains(bytes.ToLower(b), []byte(n)) {
				out = append(out, f.extension+" names "+n)
			}
		}
	}
	return out
}

// telling is a document and a capture with our address and those of the first
// routers in every place that can hold one.
func telling() (Document, []pcapio.Frame) {
	res := everything()
	text := func(what string) string {
		return what + " " + source.String() + " via " + router(1).String() + ", " + router(2).String() + "."
	}
	res.Summary = text("summary")
	v := &res.Tests[0].Verdict
	v.Next = text("next")
	v.Evidence[0].Detail, v.Against[0].Detail = text("detail"), text("against")
	d := New(res, meta)
	d.Attempts = New(attemptedExamples()[1].res, meta).Attempts
	d.Path.Hops[1].Identity = Identity{Name: "gw.home.example", Network: Network{ASN: 64500, ASOwner: "Home ISP"}}
	d.Tests[0].Against[0].Detail += " (GW.home.example)"
	d.Tests[0].Residual.Scope = source.String()

	ours, err := packet.Build(packet.Packet{
		Src: netip.AddrPortFrom(source, 40000), Dst: netip.AddrPortFrom(server, 443), TTL: 1,
		TCP: packet.Segment{Flags: packet.PSH | packet.ACK, Payload: []byte("GET / HTTP/1.1\r\nX-Forwarded-For: " + source.String() + "\r\n")},
	})
	if err != nil {
		panic(err)
	}
	frames := []pcapio.Frame{{N: 1, At: base, Raw: ours, Sent: true, Comment: text("comment")}}
	for i, hop := range []netip.Addr{router(1), router(2), router(3), badRouter} {
		raw, err := packet.BuildTimeExceeded(hop, ours, len(ours))
		if err != nil {
			panic(err)
		}
		frames = append(frames, pcapio.Frame{N: i + 2, At: base, Raw: raw})
	}
	page, err := packet.Build(packet.Packet{
		Src: netip.AddrPortFrom(server, 443), Dst: netip.AddrPortFrom(source, 40000), TTL: 58,
		TCP: packet.Segment{Flags: packet.PSH | packet.ACK, Payload: append([]byte("<p>Your address "+source.String()+" (gw.home.EXAMPLE)"), source.AsSlice()...)},
	})
	if err != nil {
		panic(err)
	}
	return d, append(frames, pcapio.Frame{N: 6, At: base, Raw: page})
}

// TestRedactNothingLeft: whatever the format, nothing that is to be hidden is
// left, and what may be shown is.
func TestRedactNothingLeft(t *testing.T) {
	d, frames := telling()
	all := []netip.Addr{source, router(1), router(2)}
	if got := leaks(t, []Document{d}, frames, all, "gw.home.example"); len(got) < len(formats) {
		t.Fatalf("there is too little to hide: %v", got)
	}
	for hops, hide := range map[int][]netip.Addr{0: all[:1], 1: all[:2], 2: all} {
		r := NewRedactor(hops)
		red, shot := r.Document(d), r.Frames(frames)
		var names []string
		if hops == 2 {
			names = []string{"gw.home.example", "home isp"}
		}
		// A router that no sweep knows may be near.
		for _, leak := range leaks(t, []Document{red}, shot, append(hide, badRouter), names...) {
			t.Errorf("%d hops: %s", hops, leak)
		}
		if red.Path.Hops[2].IP != router(3) || red.Target.IP != server || red.Redacted == nil || *red.Redacted != hops {
			t.Errorf("%d hops: hop 3 is %v, the target %v, redacted %v", hops, red.Path.Hops[2].IP, red.Target.IP, red.Redacted)
		}
		if hops == 2 && (red.Path.Hops[0].IP != netip.MustParseAddr("192.0.2.1") || red.Path.Hops[1].Name != "" || red.Path.Hops[1].ASN != 0) {
			t.Errorf("hop 1 is %v, hop 2 %+v", red.Path.Hops[0].IP, red.Path.Hops[1].Identity)
		}
		line, err := red.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, compileSchema(t), bytes.Replace(line, []byte(`"scope":"192.0.2.254"`), []byte(`"scope":"none"`), 1)); err != nil {
			t.Errorf("%d hops: %v", hops, err)
		}
		for i, f := range shot {
			p, err := packet.Parse(f.Raw)
			if err != nil {
				t.Fatalf("packet %d: %v", i+1, err)
			}
			if hops == 2 && i == 1 && (p.Src.Addr() != red.Path.Hops[0].IP || p.Dst.Addr() != red.SourceIP || p.ICMP.Quote.Src.Addr() != red.SourceIP) {
				t.Errorf("packet 2 is %v, and the document has %v and %v", p, red.Path.Hops[0].IP, red.SourceIP)
			}
			if len(f.Raw) != len(frames[i].Raw) {
				t.Errorf("packet %d has %d bytes of %d", i+1, len(f.Raw), len(frames[i].Raw))
			}
		}
		again := r.Document(red)
		if diff := cmp.Diff(red, again, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("%d hops, redacted again (-once +twice):\n%s", hops, diff)
		}
	}
	if diff := cmp.Diff(frames, (*Redactor)(nil).Frames(frames)); diff != "" {
		t.Errorf("without a redactor (-want +got):\n%s", diff)
	}
}

// TestRedactLive: what is told while nothing is known yet names nobody but the
// target.
func TestRedactLive(t *testing.T) {
	r := NewRedactor(1)
	r.Show(server)
	var b strings.Builder
	fmt.Fprintf(r.Writer(&b), "IP %v.40000 > %v.443: Flags [S]\nIP %v > %v: ICMP time exceeded\n", source, server, router(1), source)
	if diff := cmp.Diff("IP 192.0.2.100.40000 > 10.9.6.2.443: Flags [S]\nIP 192.0.2.101 > 192.0.2.100: ICMP time exceeded\n", b.String()); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
	// A port that could be the end of an address is none.
	for _, port := range []int{9, 80, 255} {
		b.Reset()
		fmt.Fprintf(r.Writer(&b), "IP %v.40000 > %v.%d: Flags [S]", source, server, port)
		if want := fmt.Sprintf("IP 192.0.2.100.40000 > 10.9.6.2.%d: Flags [S]", port); b.String() != want {
			t.Errorf("trace %q, want %q", b.String(), want)
		}
	}
	// The document keeps to the stand-ins that were given.
	d := r.Document(New(inPathReset(), meta))
	if d.SourceIP.String() != "192.0.2.100" || d.Path.Hops[0].IP.String() != "192.0.2.101" || d.Path.Hops[1].IP != router(2) {
		t.Errorf("source %v, hops %v and %v", d.SourceIP, d.Path.Hops[0].IP, d.Path.Hops[1].IP)
	}
	if got := Redacted[any](nil, source); got != any(source) {
		t.Errorf("without a redactor: %v", got)
	}
}

// TestRedactTarget: the target is shown however near it is, unless it is
// ourselves; loopback is nobody's.
func TestRedactTarget(t *testing.T) {
	d := Document{SourceIP: source, Target: Target{IP: router(1)}, Path: Path{ServerTTL: 1, Hops: List[Hop]{{TTL: 1, IP: router(1)}}}}
	if got := NewRedactor(3).Document(d); got.Path.Hops[0].IP != router(1) {
		t.Errorf("a target next door is %v", got.Path.Hops[0].IP)
	}
	d.Target.IP = source
	if got := NewRedactor(3).Document(d); got.Target.IP == source {
		t.Error("we ourselves are named as the target")
	}
	local := netip.MustParseAddr("127.0.0.1")
	d.SourceIP, d.Target.IP = local, local
	if got := NewRedactor(3).Document(d); got.SourceIP != local {
		t.Errorf("loopback is %v", got.SourceIP)
	}
}

// FuzzRedact: an address that is to be hidden does not come through, wherever
// and in whatever company it stands.
func FuzzRedact(f *testing.F) {
	f.Add("", ".443 > ", []byte("GET / HTTP/1.1\r\n"), []byte{10, 9, 0, 1}, []byte{10, 9, 0, 2})
	f.Add("1.", "1", []byte{0x45, 0, 0, 0}, []byte{192, 0, 2, 254}, []byte{192, 0, 2, 1})
	f.Add("::ffff:", "%eth0", []byte{}, netip.MustParseAddr("fd09::1").AsSlice(), netip.MustParseAddr("2001:db8::1").AsSlice())
	f.Fuzz(func(t *testing.T, before, after string, payload, own, hop []byte) {
		us, ok := netip.AddrFromSlice(own)
		first, ok2 := netip.AddrFromSlice(hop)
		them := netip.MustParseAddr("198.18.0.1")
		if us.Is6() {
			them = netip.MustParseAddr("2001:2::1")
		}
		if !ok || !ok2 || us.Is4() != first.Is4() || us.Is4In6() || first.Is4In6() || us == first || us == them || first == them ||
			us.IsUnspecified() || us.IsLoopback() || first.IsUnspecified() {
			t.Skip()
		}
		said := before + us.String() + after
		d := Document{
			SourceIP: us, Target: Target{IP: them}, Verdict: Verdict{Outcome: probe.Clean, Summary: said},
			Path: Path{Hops: List[Hop]{{TTL: 1, IP: first}}},
		}
		if len(payload) > 1000 {
			payload = payload[:1000]
		}
		raw, err := packet.Build(packet.Packet{
			Src: netip.AddrPortFrom(us, 40000), Dst: netip.AddrPortFrom(them, 443), TTL: 1, TCP: packet.Segment{Payload: append(append(payload, own...), said...)},
		})
		if err != nil {
			t.Skip() // too long
		}
		expired, err := packet.BuildTimeExceeded(first, raw, len(raw))
		if err != nil {
			t.Fatal(err)
		}
		r := NewRedactor(1)
		red := r.Document(d)
		for _, s := range []netip.Addr{red.SourceIP, red.Path.Hops[0].IP} {
			if s == us || s == first || s == them {
				t.Fatalf("%v stands for %v or %v", s, us, first)
			}
		}
		shot := r.Frames([]pcapio.Frame{{N: 1, At: base, Raw: raw}, {N: 2, At: base, Raw: expired}})
		for _, a := range []netip.Addr{us, first} {
			findAddresses([]byte(red.Verdict.Summary), func(_, _ int, found netip.Addr) bool {
				if found == a {
					t.Errorf("%q names %v: %q", said, a, red.Verdict.Summary)
				}
				return false
			})
			for _, fr := range shot {
				p, err := packet.Parse(fr.Raw)
				if err != nil {
					t.Fatalf("%v: %x", err, fr.Raw)
				}
				if p.Src.Addr() == a || p.Dst.Addr() == a || p.ICMP.Quote.Src.Addr() == a {
					t.Errorf("packet %v names %v", p, a)
				}
				if bytes.Contains(p.TCP.Payload, a.AsSlice()) {
					t.Errorf("payload %x holds %v", p.TCP.Payload, a)
				}
			}
		}
	})
}
