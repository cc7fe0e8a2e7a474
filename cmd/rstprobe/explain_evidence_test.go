package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/internal/capture"
	"github.com/rstprobe/rstprobe/internal/capture/capturetest"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/testenv"
	"github.com/rstprobe/rstprobe/report"
)

// picked are the packets of a capture that an explanation of it cites, the
// opening ones of what it explains among them.
func picked(t *testing.T, path string, doc report.Capture) []int {
	t.Helper()
	cited := map[int]bool{}
	weigh := func(j *report.Judgement) {
		for _, e := range slices.Concat(j.Evidence, j.Against) {
			for _, n := range e.Packets {
				cited[n] = true
			}
		}
	}
	flows := map[string]bool{}
	for _, f := range doc.Flows {
		flows[f.Client.String()+f.Server.String()] = true
		for _, r := range f.Resets {
			cited[r.Packet], cited[r.TriggerPacket] = true, true
			for _, n := range r.Copies {
				cited[n] = true
			}
			weigh(&r.Judgement)
		}
		if f.Ending != nil {
			weigh(f.Ending)
		}
	}
	delete(cited, 0)
	each(t, path, func(f *capture.Frame) {
		ends := flows[f.Packet.Src.String()+f.Packet.Dst.String()] || flows[f.Packet.Dst.String()+f.Packet.Src.String()]
		if ends && f.Packet.TCP.Flags.Has(packet.SYN) {
			cited[f.N] = true
		}
	})
	return slices.Sorted(maps.Keys(cited))
}

// each reads a capture.
func each(t *testing.T, path string, look func(*capture.Frame)) {
	t.Helper()
	in, err := capture.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}()
	for {
		f, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		look(f)
	}
}

// datagram is a packet as both files must have it.
func datagram(f *capture.Frame) string { return fmt.Sprintf("%v %x", f.At.UTC(), f.Packet.Raw) }

// checkEvidence holds the packets of an evidence file against those that the
// explanation cites.
func checkEvidence(t *testing.T, path, evidence string, doc report.Capture) {
	t.Helper()
	all := map[string]int{}
	each(t, path, func(f *capture.Frame) { all[datagram(f)] = f.N })
	var got []int
	each(t, evidence, func(f *capture.Frame) {
		n, ok := all[datagram(f)]
		if !ok {
			t.Errorf("packet %d of the evidence is not in the capture", f.N)
		}
		got = append(got, n)
	})
	if !slices.IsSorted(got) {
		t.Errorf("packets %v, want them in the order of the capture", got)
	}
	want := picked(t, path, doc)
	for _, n := range want {
		if !slices.Contains(got, n) {
			t.Errorf("packet %d is cited and not among the evidence", n)
		}
	}
	if len(got) < len(want) {
		t.Errorf("%d packets, want %d at least", len(got), len(want))
	}
}

func TestExplainEvidence(t *testing.T) {
	t.Parallel()
	path := saved(t, censored(t).bytes())
	evidence := filepath.Join(filepath.Dir(path), "evidence.pcapng")
	var f fakeSystem
	got := f.run(t.Context(), "", "explain", path, "--json", "-o", evidence)
	if got.code != 10 || got.stderr != "" {
		t.Fatalf("exit code %d, standard error %q", got.code, got.stderr)
	}
	checkEvidence(t, path, evidence, explained(t, got.stdout))
	total := 0
	each(t, evidence, func(*capture.Frame) { total++ })
	if all := 10*10 - 3; total >= all {
		t.Errorf("%d packets, want only those of the broken conversations", total)
	}
}

// TestExplainEvidenceComments: other programs show what each packet is
// evidence for.
func TestExplainEvidenceComments(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "tshark", "tcpdump")
	path := saved(t, record(t).refused().bytes())
	evidence := filepath.Join(filepath.Dir(path), "evidence.pcapng")
	var f fakeSystem
	if got := f.run(t.Context(), "", "explain", path, "-o", evidence); got.code != 0 || got.stderr != "" {
		t.Fatalf("exit code %d, standard error %q", got.code, got.stderr)
	}
	out, err := exec.CommandContext(t.Context(), "tshark", "-r", evidence, "-T", "fields", "-e", "tcp.flags.str", "-e", "frame.comment").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 2 {
		t.Fatalf("tshark shows %q, want two packets", out)
	}
	for i, want := range [][]string{
		{"packet 1 of " + path, "192.0.2.1:40001 -> " + serverEnd, "handshake: S", "drew the reset in packet 2"},
		{"packet 2 of " + path, "192.0.2.1:40001 -> " + serverEnd, "reset by server", "for S1"},
	} {
		for _, part := range want {
			if !strings.Contains(lines[i], part) {
				t.Errorf("packet %d has the comment %q, want %q in it", i+1, lines[i], part)
			}
		}
	}
	if out, err := exec.CommandContext(t.Context(), "tcpdump", "-nr", evidence).Output(); err != nil || bytes.Count(out, []byte("\n")) != 2 {
		t.Errorf("tcpdump shows %q (%v), want two packets", out, err)
	}
}

// TestExplainEvidenceOnce: what needs a second reading is refused before the
// first where there can be none; the page is written without drawings.
func TestExplainEvidenceOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole := string(record(t).refused().bytes())
	var f fakeSystem
	got := f.run(t.Context(), whole, "explain", "-", "-o", dir+"/x.pcapng")
	if got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, "write the name of a file") {
		t.Errorf("exit code %d, standard output %q, standard error %q; want 2 and the reason", got.code, got.stdout, got.stderr)
	}
	if _, err := os.Stat(dir + "/x.pcapng"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was written: %v", err)
	}
	if got := f.run(t.Context(), whole, "explain", "-", "-o", dir+"/x.html"); got.code != 0 {
		t.Errorf("exit code %d, standard error %q", got.code, got.stderr)
	}
	page, err := os.ReadFile(dir + "/x.html")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(page, []byte("class=\"ladder\"")) || !bytes.Contains(page, []byte("can be read only once")) {
		t.Error("the page has drawings, or does not say why not")
	}
}

// TestExplainEvidenceDamage: a damaged file is read as far the second time.
func TestExplainEvidenceDamage(t *testing.T) {
	t.Parallel()
	whole := censored(t).bytes()
	path := saved(t, whole[:len(whole)-10])
	dir := filepath.Dir(path)
	var f fakeSystem
	got := f.run(t.Context(), "", "explain", path, "--json", "-o", dir+"/x.pcapng", "-o", dir+"/x.html", "-o", dir+"/x.md")
	if got.code != 10 || !strings.Contains(got.stderr, "is damaged") {
		t.Fatalf("exit code %d, standard error %q", got.code, got.stderr)
	}
	n := 0
	each(t, dir+"/x.pcapng", func(*capture.Frame) { n++ })
	if n == 0 {
		t.Error("there is no evidence")
	}
	md, err := os.ReadFile(dir + "/x.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(md, []byte("FORGED [R.]")) {
		t.Errorf("nothing is drawn:\n%s", md)
	}
}

// interrupter is a standard output that interrupts the command as soon as
// something is written to it, when the capture was read once.
type interrupter struct {
	bytes.Buffer
	interrupt func()
}

func (w *interrupter) Write(b []byte) (int, error) {
	w.interrupt()
	return w.Buffer.Write(b)
}

// TestExplainEvidenceInterrupted: interrupted between the readings, or before
// the first is over, explain writes what is whole all the same: evidence is
// only where it is of all that was explained.
func TestExplainEvidenceInterrupted(t *testing.T) {
	t.Parallel()
	var big bytes.Buffer
	if _, err := (capturetest.Traffic{Flows: often / 8, Segments: 2, Open: 50, ResetEvery: 10, Seed: 1}).Write(&big); err != nil {
		t.Fatal(err)
	}
	path := saved(t, big.Bytes())
	for _, before := range []bool{false, true} {
		dir := t.TempDir()
		evidence, text := filepath.Join(dir, "x.pcapng"), filepath.Join(dir, "x.txt")
		ctx, cancel := context.WithCancel(t.Context())
		out := interrupter{interrupt: cancel}
		if before {
			cancel()
		}
		var errs bytes.Buffer
		var f fakeSystem
		args := []string{"rstprobe", "explain", path, "--json", "-o", evidence, "-o", text}
		code := run(ctx, args, strings.NewReader(""), &out, &errs, f.system())
		doc := explained(t, out.String())
		if code != exitInterrupted || doc.Interrupted != before {
			t.Errorf("before: %v; exit code %d, the first reading interrupted: %v; standard error %q", before, code, doc.Interrupted, &errs)
		}
		if said := strings.Contains(errs.String(), "x.pcapng was not written"); said == before {
			t.Errorf("before: %v; standard error %q", before, &errs)
		}
		if _, err := os.Stat(text); err != nil {
			t.Errorf("before: %v; %v", before, err)
		}
		switch _, err := os.Stat(evidence); {
		case before && err == nil:
			checkEvidence(t, path, evidence, doc)
		case before, !errors.Is(err, fs.ErrNotExist):
			t.Errorf("before: %v; the evidence: %v", before, err)
		}
	}
}

// wellFormed reports whether a page is XML, and how many elements of a class
// it has.
func wellFormed(page []byte, class string) (int, error) {
	dec, n := xml.NewDecoder(bytes.NewReader(page)), 0
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if e, ok := tok.(xml.StartElement); ok && slices.Contains(e.Attr, xml.Attr{Name: xml.Name{Local: "class"}, Value: class}) {
			n++
		}
	}
}

// TestExplainEvidenceCaptures: captures of real networks, as in
// TestExplainCaptures.
func TestExplainEvidenceCaptures(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("RSTPROBE_CAPTURES")
	if dir == "" {
		t.Skip("RSTPROBE_CAPTURES is not set: no real captures")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.pcap"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures in %s: %v", dir, err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			var f fakeSystem
			got := f.run(t.Context(), "", "explain", path, "--json", "-o", out+"/x.pcapng", "-o", out+"/x.html")
			doc := explained(t, got.stdout)
			if len(doc.Flows) > 0 {
				checkEvidence(t, path, out+"/x.pcapng", doc)
			}
			page, err := os.ReadFile(out + "/x.html")
			if err != nil {
				t.Fatal(err)
			}
			drawings, err := wellFormed(page, "ladder")
			if err != nil {
				t.Errorf("the page is not well-formed: %v", err)
			}
			if told := bytes.Contains(page, []byte("<section")); told != (drawings > 0) {
				t.Errorf("findings: %v, %d drawings", told, drawings)
			}
		})
	}
}
