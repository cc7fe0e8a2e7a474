package explain_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

var update = flag.Bool("update", false, "write docs/causes.md anew")

// TestCausesDocument keeps docs/causes.md in step with the table.
func TestCausesDocument(t *testing.T) {
	const name = "../../docs/causes.md"
	cases := map[string]documented{}
	for _, c := range table() {
		cases[c.pattern] = c
	}
	want := explain.Markdown(func(pattern string) string { return shown(t, cases[pattern]) })
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is stale; run go test ./internal/explain -update (-want +got):\n%s", name, diff)
	}
}

// shown is a documented case for people: its name, its packets, those marked
// that the finding cites, and the finding.
func shown(t *testing.T, c documented) string {
	t.Helper()
	var b bytes.Buffer
	j, _ := judged(t, c.scripts, c.reset)
	fmt.Fprintf(&b, "`TestCauses/%s`", c.pattern)
	switch n := len(c.scripts) - 1; n {
	case 0:
	case 1:
		b.WriteString(", beside another conversation")
	default:
		fmt.Fprintf(&b, ", beside %d other conversations", n)
	}
	fmt.Fprintf(&b, ": %s\n\n  ```text\n  %4s %9s  %-6s %4s  %-8s %6s %6s %6s\n", j.Summary, "#", "seconds", "from", "TTL", "flags", "SEQ", "ACK", "bytes")
	for _, e := range c.scripts[len(c.scripts)-1].c.Events {
		mark, from := ' ', "client"
		if slices.Contains(j.Evidence[0].Packets, e.N) {
			mark = '*'
		}
		if e.Kind == flow.Received {
			from = "server"
		}
		p, s := &e.Packet, &e.Packet.TCP
		fmt.Fprintf(&b, "  %c%3d %9.4f  ", mark, e.N, float64(e.At)/float64(time.Second))
		if p.ICMP.Kind != 0 {
			fmt.Fprintf(&b, "ICMP type %d code %d of %v about SEQ %d\n", p.ICMP.Type, p.ICMP.Code, p.Src.Addr(), p.ICMP.Quote.Seq)
			continue
		}
		fmt.Fprintf(&b, "%-6s %4d  %-8s %6d %6d %6d\n", from, p.TTL, letters(s.Flags), uint32(s.Seq), uint32(s.Ack), s.Size())
	}
	b.WriteString("  ```\n")
	return b.String()
}

// letters are flags as they are mostly written.
func letters(f packet.Flags) string {
	var out []byte
	for i, flag := range []packet.Flags{packet.SYN, packet.FIN, packet.RST, packet.PSH, packet.ACK} {
		if f.Has(flag) {
			out = append(out, "SFRPA"[i])
		}
	}
	return string(out)
}
