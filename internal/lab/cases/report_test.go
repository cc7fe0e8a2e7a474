package cases_test

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/internal/lab/simnet"
	"github.com/rstprobe/rstprobe/internal/wire/engine"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/report"
	"github.com/rstprobe/rstprobe/report/ooni/oonitest"
)

// TestReports renders what every case comes to, in both families; one place
// of the box will do.
func TestReports(t *testing.T) {
	for _, family := range []struct {
		name string
		v6   bool
	}{{"ipv4", false}, {"ipv6", true}} {
		for _, c := range cases.Matrix(family.v6) {
			if _, router, many := strings.Cut(c.Name, "/"); c.RealKernel() || many && router != "router-3" {
				continue
			}
			t.Run(family.name+"/"+c.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					log := &pcapio.Log{}
					ports := make([]uint16, 64)
					for i := range ports {
						ports[i] = uint16(40000 + i)
					}
					res := diagnose(t, c, engine.Config{Wire: simnet.New(c.Topology, 1), Ports: ports, Seed: 1, Log: log})
					doc := report.New(res, report.Meta{RunID: "run", Version: "0", Mode: "raw"})
					readable(t, doc)
					hidden(t, c, doc, log.Frames(), 2)
				})
			})
		}
	}
}

// readable fails the test unless readers of OONI's data format can read it.
func readable(t *testing.T, doc report.Document) {
	t.Helper()
	var b bytes.Buffer
	if err := report.OONI(&b, []report.Document{doc}); err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b.Bytes()) {
		if err := oonitest.Check(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			t.Errorf("%v\n%s", err, line)
		}
	}
}

// hidden fails the test where an address that is to be hidden is in any file,
// in letters or in bytes.
func hidden(t *testing.T, c cases.Case, doc report.Document, frames []pcapio.Frame, hops int) {
	t.Helper()
	hide := []netip.Addr{c.Topology.Client(), c.Topology.NATAddr()}
	for ttl := 1; ttl <= hops; ttl++ {
		hide = append(hide, c.Topology.Router(ttl), c.Topology.SecondRouter(ttl))
	}
	r := report.NewRedactor(hops)
	docs, frames := []report.Document{r.Document(doc)}, r.Frames(frames)
	dir := t.TempDir()
	for _, ext := range []string{".html", ".json", ".jsonl", ".md", ".ooni.jsonl", ".pcapng", ".txt"} {
		path := filepath.Join(dir, "x"+ext)
		if err := report.WriteFile(path, docs, frames); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range hide {
			if written(a).Match(b) {
				t.Errorf("%d hops hidden: %s names %v", hops, ext, a)
			}
			if ext == ".pcapng" && bytes.Contains(b, a.AsSlice()) {
				t.Errorf("%d hops hidden: %s holds the bytes of %v", hops, ext, a)
			}
		}
	}
	read, err := os.Open(filepath.Join(dir, "x.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close() //nolint:errcheck // only read
	kept, err := pcapio.Read(read)
	if err != nil {
		t.Fatal(err)
	}
	if len(kept) != len(frames) {
		t.Errorf("%d hops hidden: %d packets, want %d", hops, len(kept), len(frames))
	}
}

// written matches an address that is not part of a longer number.
func written(a netip.Addr) *regexp.Regexp {
	if a.Is4() {
		return regexp.MustCompile(`(^|[^0-9.])` + regexp.QuoteMeta(a.String()) + `([^0-9]|$)`)
	}
	return regexp.MustCompile(`(?i)(^|[^0-9a-f:])` + a.String() + `([^0-9a-f]|$)`)
}
