package report

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/explain/sweep"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// tellingCapture is an explanation with the addresses of clients, and those of
// the first routers, in every place that can hold one, and how to read its
// capture again.
func tellingCapture(t *testing.T) (Capture, Reread) {
	t.Helper()
	client := endpoint("192.0.2.1:40000")
	report := interfered()
	v := &report.Flows[0].Resets[0].Judgement
	v.Summary += " toward " + client.String()
	v.Evidence[0].Detail += fmt.Sprintf(": %v.40000 via %v and %v", client.Addr(), router(1), router(2))
	res := everything()
	test := res.Tests[0]
	doc := NewCapture(report, captureMeta).WithSweep(sweep.Result{
		Kind: test.Kind, Name: test.Name, Verdict: test.Verdict, Location: test.Location, Boxes: test.Boxes,
		Server: endpoint("198.51.100.7:443"), Path: res.Path,
	}, "control.pcap").WithServer(bothEnds(), "server.pcap")

	plain := replay(t)
	return doc, func(look func(n int, at time.Time, p *packet.Packet) bool) error {
		return plain(func(n int, at time.Time, p *packet.Packet) bool {
			q := *p
			q.TCP.Payload = append([]byte("Via: "+router(1).String()+", "+p.Src.Addr().String()), p.Src.Addr().AsSlice()...)
			raw, err := packet.Build(q)
			if err != nil {
				t.Error(err)
			}
			q.Raw = raw
			return look(n, at, &q)
		})
	}
}

// TestRedactCapture: whatever the format, no client and no near router is left
// of an explanation, and its drawings and its packets are still those of its
// conversations.
func TestRedactCapture(t *testing.T) {
	doc, reread := tellingCapture(t)
	clients := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("203.0.113.9")}
	written := func(c Capture, again Reread) map[string][]byte {
		out := map[string][]byte{}
		for _, f := range captureFormats {
			path := filepath.Join(t.TempDir(), "x"+f.extension)
			if err := WriteCaptureFile(path, c, CaptureStyle{All: true}, again); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			out[f.extension] = b
		}
		return out
	}
	names := func(b []byte, a netip.Addr) bool {
		return anywhere(a.String()).Match(b) || bytes.Contains(b, a.AsSlice())
	}
	plain := written(doc, reread)
	for hops, hide := range map[int][]netip.Addr{0: clients, 2: append([]netip.Addr{router(1), router(2)}, clients...)} {
		r := NewRedactor(hops)
		red := r.Capture(doc)
		for ext, b := range written(red, r.Reread(reread)) {
			if !names(plain[ext], clients[0]) {
				t.Errorf("%s: there is too little to hide", ext)
			}
			for _, a := range hide {
				if names(b, a) {
					t.Errorf("%d hops: %s names %v", hops, ext, a)
				}
			}
			if !names(b, netip.MustParseAddr("198.51.100.7")) {
				t.Errorf("%d hops: %s does not name the server", hops, ext)
			}
			if was, is := bytes.Count(plain[ext], []byte("<svg")), bytes.Count(b, []byte("<svg")); was != is {
				t.Errorf("%d hops: %s has %d drawings, want %d", hops, ext, is, was)
			}
			if ext == pcapngExtension && len(b) < len(plain[ext])*9/10 {
				t.Errorf("%d hops: the evidence has %d bytes of %d", hops, len(b), len(plain[ext]))
			}
		}
		if red.Sweep.Path.Hops[2].IP != router(3) || red.Redacted == nil || *red.Redacted != hops {
			t.Errorf("%d hops: hop 3 is %v, redacted %v", hops, red.Sweep.Path.Hops[2].IP, red.Redacted)
		}
		line, err := red.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, compiled(t, CaptureSchema), line); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(red, r.Capture(red), cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); diff != "" {
			t.Errorf("%d hops, redacted again (-once +twice):\n%s", hops, diff)
		}
	}
	if !strings.Contains(doc.Flows[0].Resets[0].Summary, "192.0.2.1:40000") {
		t.Error("the original was changed")
	}
	if r := (*Redactor)(nil); r.Reread(nil) != nil || NewRedactor(0).Reread(nil) != nil || r.Capture(doc).Redacted != nil {
		t.Error("what is not there, or not asked for, is redacted")
	}
}
