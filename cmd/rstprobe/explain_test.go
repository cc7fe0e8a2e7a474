package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rstprobe/rstprobe/internal/capture/capturetest"
	"github.com/rstprobe/rstprobe/report"
)

// explained is what explain --json prints, which must be one object as
// report.CaptureSchema says.
func explained(t *testing.T, line string) report.Capture {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(report.CaptureSchema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("explain-schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("explain-schema.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
	if err != nil {
		t.Fatalf("%v: %q", err, line)
	}
	if err := schema.Validate(value); err != nil {
		t.Error(err)
	}
	doc, err := report.ReadCapture(strings.NewReader(line))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// causes counts the causes of an explanation.
func causes(doc report.Capture) map[string]int {
	n := map[string]int{}
	for _, f := range doc.Flows {
		for _, r := range f.Resets {
			n[string(r.Cause)]++
		}
		if f.Ending != nil {
			n["end "+string(f.Ending.Cause)]++
		}
	}
	return n
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		rec     *recording
		code    int
		outcome string
		causes  map[string]int
	}{
		{"healthy", record(t).asked().answered(), 0, "clean", map[string]int{}},
		{"closed port", record(t).refused(), 0, "server", map[string]int{"S1": 1}},
		{"client aborts", record(t).aborted(), 0, "clean", map[string]int{"C4": 1}},
		{"a tap", censored(t), 10, "interference", map[string]int{"M3": 3, "C4": 1}},
		{"no packets", record(t), 11, "inconclusive", map[string]int{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := saved(t, tt.rec.bytes())
			var f fakeSystem
			got := f.run(t.Context(), "", "explain", path, "--json")
			if got.code != tt.code || got.stderr != "" {
				t.Errorf("exit code %d, standard error %q; want %d and nothing", got.code, got.stderr, tt.code)
			}
			doc := explained(t, got.stdout)
			if doc.File != path || string(doc.Verdict.Outcome) != tt.outcome || doc.Damage != nil || doc.Interrupted {
				t.Errorf("explanation %+v, want outcome %s of all of %s", doc, tt.outcome, path)
			}
			if diff := cmp.Diff(tt.causes, causes(doc)); diff != "" {
				t.Errorf("causes: -want +got:\n%s", diff)
			}
		})
	}
}

// TestExplainInput: the same capture in other wrappings, and with flags in
// any place.
func TestExplainInput(t *testing.T) {
	t.Parallel()
	plain := censored(t).bytes()
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path, packed := saved(t, plain), saved(t, zipped.Bytes())
	var f fakeSystem
	want := explained(t, f.run(t.Context(), "", "explain", path, "--json").stdout)
	for _, tt := range []struct {
		name, stdin string
		line        []string
	}{
		{"gzip", "", []string{"explain", packed, "--json"}},
		{"standard input", string(plain), []string{"explain", "-", "--json"}},
		{"standard input, gzip", zipped.String(), []string{"explain", "--json", "-"}},
		{"flags in front", "", []string{"explain", "--host", "192.0.2.1", "--json", path}},
		{"flags in front of the command", "", []string{"--json", "--host=192.0.2.1", "explain", path}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var f fakeSystem
			got := explained(t, f.run(t.Context(), tt.stdin, tt.line...).stdout)
			got.File = want.File
			if diff := cmp.Diff(asJSON(t, want), asJSON(t, got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func asJSON(t *testing.T, doc report.Capture) string {
	t.Helper()
	b, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestExplainDamage: what comes before the damage is explained; a truncated
// file ends inside a packet or between two, and only the former is damage.
func TestExplainDamage(t *testing.T) {
	t.Parallel()
	whole := censored(t).bytes()
	path := saved(t, whole[:len(whole)-10])
	var f fakeSystem
	got := f.run(t.Context(), "", "explain", path, "--json")
	doc := explained(t, got.stdout)
	if got.code != 10 || causes(doc)["M3"] != 3 || causes(doc)["C4"] != 0 {
		t.Errorf("exit code %d, causes %v, want 10 and the three resets before the damage", got.code, causes(doc))
	}
	if d := doc.Damage; d == nil || d.Packet != doc.Packets+1 || d.Offset <= 0 || d.Offset >= int64(len(whole)) || d.Reason == "" {
		t.Errorf("damage %+v, want one after %d packets", d, doc.Packets)
	} else if want := fmt.Sprintf("rstprobe: warning: %s is damaged at byte %d", path, d.Offset); !strings.HasPrefix(got.stderr, want) {
		t.Errorf("standard error %q, want %q", got.stderr, want)
	}
	if text := f.run(t.Context(), "", "explain", path).stdout; !strings.Contains(text, "\nDAMAGED: the file cannot be read from byte") {
		t.Errorf("the text does not say where the file is damaged:\n%s", text)
	}
}

// TestExplainDamageOpen: what broke off in a damaged file may have gone on.
func TestExplainDamageOpen(t *testing.T) {
	t.Parallel()
	r := record(t)
	for range 6 {
		r.asked().answered()
	}
	r.asked()
	for range 6 {
		r.asked().answered()
	}
	whole := r.bytes()
	for cut, want := range map[int]string{0: "clean", 10: "inconclusive"} {
		var f fakeSystem
		got := f.run(t.Context(), "", "explain", saved(t, whole[:len(whole)-cut]), "--json")
		if v := explained(t, got.stdout).Verdict; string(v.Outcome) != want {
			t.Errorf("%d bytes cut off: %s (%s), want %s", cut, v.Outcome, v.Summary, want)
		}
	}
}

// TestExplainBadInput: what was written wrongly is exit 2, what cannot be
// read or written is exit 1; either names the file and prints no result.
func TestExplainBadInput(t *testing.T) {
	t.Parallel()
	good := saved(t, record(t).refused().bytes())
	dir := filepath.Dir(good)
	file := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file("empty", nil)
	file("text", []byte("this is no capture, whatever it is called\n"))
	file("head", record(t).bytes()[:10])
	file("gzip", []byte{0x1f, 0x8b, 8, 0})
	var odd bytes.Buffer
	const bluetooth = 201 // LINKTYPE_BLUETOOTH_HCI_H4_WITH_PHDR
	if err := capturetest.NewPcap(&odd, bluetooth).Flush(); err != nil {
		t.Fatal(err)
	}
	file("bluetooth", odd.Bytes())
	for _, tt := range []struct {
		name, line string
		code       int
		want       string
	}{
		{"no file named", "explain", 2, "write explain FILE, or explain -"},
		{"two files", "explain x.pcap x.pcap", 2, "explain reads one capture"},
		{"no such file", "explain nosuch.pcap", 2, "there is no file DIR/nosuch.pcap"},
		{"directory", "explain .", 2, "is a directory: write the name of a capture file"},
		{"empty file", "explain empty", 2, "DIR/empty is no capture"},
		{"text", "explain text", 2, "DIR/text is no capture"},
		{"cut in its header", "explain head", 2, "DIR/head is no capture"},
		{"cut gzip", "explain gzip", 2, "DIR/gzip is no capture"},
		{"empty standard input", "explain -", 2, "standard input is no capture"},
		{"link type", "explain bluetooth", 1, "unknown link type"},
		{"unknown flag", "explain x.pcap --jsn", 2, "did you mean --json?"},
		{"flag of another command", "explain x.pcap --sni", 2, "--sni means nothing for explain"},
		{"one end", "explain x.pcap --flow 192.0.2.1:80", 2, "does not name two ends"},
		{"no port", "explain x.pcap --flow 192.0.2.1,192.0.2.2", 2, "does not name two ends"},
		{"bad host", "explain x.pcap --host www.example", 2, "is no address"},
		{"bad port", "explain x.pcap --port 65536", 2, "write a number from 1 to 65535"},
		{"negative port", "explain x.pcap --port=-1", 2, "write a number from 1 to 65535"},
		{"no flows", "explain x.pcap --max-flows 0", 2, "write a number from 1 to"},
		{"unknown listing", "explain x.pcap --only some", 2, "write resets or all"},
		{"unknown language", "explain x.pcap --lang fr", 2, "write en or zh"},
		{"unknown format", "explain x.pcap -o x.csv", 2, "its name must end in one of .html .json"},
		{"no such directory", "explain x.pcap -o no/x.json", 2, "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			words := strings.Fields(tt.line)
			for i, w := range words[1:] {
				if w[0] != '-' && (i == 0 || words[i] == "-o" || words[i] == "x.pcap") && w != "x.csv" {
					words[i+1] = filepath.Join(dir, w)
				}
			}
			var f fakeSystem
			got := f.run(t.Context(), "", words...)
			if got.code != tt.code || got.stdout != "" {
				t.Errorf("exit code %d, standard output %q; want %d and nothing", got.code, got.stdout, tt.code)
			}
			if want := strings.ReplaceAll(tt.want, "DIR", dir); !strings.Contains(got.stderr, want) {
				t.Errorf("standard error %q lacks %q", got.stderr, want)
			}
		})
	}
}

// TestExplainFilters: filters say what is explained, and what is not asked
// for is not counted.
func TestExplainFilters(t *testing.T) {
	t.Parallel()
	path := saved(t, censored(t).refused().bytes())
	for _, tt := range []struct {
		flags         string
		conversations int
		causes        map[string]int
	}{
		{"", 11, map[string]int{"M3": 3, "C4": 1, "S1": 1}},
		{"--flow 192.0.2.1:40007,198.51.100.7:80", 1, map[string]int{"M3": 1}},
		{"--flow 198.51.100.7:80,192.0.2.1:40007", 1, map[string]int{"M3": 1}},
		{"--port 40010", 1, map[string]int{"C4": 1}},
		{"--port 80 --host 198.51.100.0/24", 11, map[string]int{"M3": 3, "C4": 1, "S1": 1}},
		{"--host 198.51.100.7 --port 40011", 1, map[string]int{"S1": 1}},
		{"--host 203.0.113.9", 0, map[string]int{}},
		{"--host 2001:db8::1", 0, map[string]int{}},
	} {
		t.Run(tt.flags, func(t *testing.T) {
			t.Parallel()
			var f fakeSystem
			doc := explained(t, f.run(t.Context(), "", append([]string{"explain", path, "--json"}, strings.Fields(tt.flags)...)...).stdout)
			if doc.Conversations != tt.conversations {
				t.Errorf("%d conversations, want %d", doc.Conversations, tt.conversations)
			}
			if diff := cmp.Diff(tt.causes, causes(doc)); diff != "" {
				t.Errorf("causes: -want +got:\n%s", diff)
			}
		})
	}
}

// TestExplainOnly: what broke off without a reset is left out on request, and
// the verdict is the same.
func TestExplainOnly(t *testing.T) {
	t.Parallel()
	rec := record(t).refused()
	path := saved(t, rec.asked().client(trip*10, 0x18, "").client(trip*1000, 0x18, "").bytes())
	var f fakeSystem
	all := explained(t, f.run(t.Context(), "", "explain", path, "--json").stdout)
	resets := explained(t, f.run(t.Context(), "", "explain", path, "--json", "--only", "resets").stdout)
	if len(all.Flows) != 2 || len(resets.Flows) != 1 || causes(resets)["S1"] != 1 {
		t.Errorf("%d flows, of which %d with resets (%v); want 2 and 1", len(all.Flows), len(resets.Flows), causes(resets))
	}
	if all.Listed != report.ListAll || resets.Listed != report.ListResets {
		t.Errorf("listed %q and %q", all.Listed, resets.Listed)
	}
	if diff := cmp.Diff(all.Verdict, resets.Verdict); diff != "" {
		t.Errorf("verdicts: -all +resets:\n%s", diff)
	}
}

// TestExplainMaxFlows: what is beyond the limit is counted.
func TestExplainMaxFlows(t *testing.T) {
	t.Parallel()
	path := saved(t, censored(t).bytes())
	var f fakeSystem
	doc := explained(t, f.run(t.Context(), "", "explain", path, "--json", "--max-flows", "2").stdout)
	if len(doc.Flows) != 2 || doc.Omitted != 2 || doc.Conversations != 10 {
		t.Errorf("%d explained, %d omitted of %d, want 2 and 2 of 10", len(doc.Flows), doc.Omitted, doc.Conversations)
	}
	if text := f.run(t.Context(), "", "explain", path, "--max-flows=2").stdout; !strings.Contains(text, "\nOMITTED: 2 more conversations") {
		t.Errorf("the text does not say what is left out:\n%s", text)
	}
}

// TestExplainText: the text fits a terminal, tells those alike together and
// harmless ones by their number, and everything on request.
func TestExplainText(t *testing.T) {
	t.Parallel()
	path := saved(t, censored(t).bytes())
	var f fakeSystem
	paragraphs := func(text string) int { return len(regexp.MustCompile(`(?m)^\d+\. `).FindAllString(text, -1)) }
	short := f.run(t.Context(), "", "explain", path).stdout
	if paragraphs(short) != 1 || !strings.HasPrefix(short, "INTERFERENCE: ") ||
		!strings.Contains(short, ", and 2\n   alike\n") && !strings.Contains(short, "and 2 alike\n") || !strings.Contains(short, "\nHarmless: 1x C4: ") {
		t.Errorf("want one paragraph for all three resets of the tap, and the abort counted:\n%s", short)
	}
	if all := f.run(t.Context(), "", "explain", path, "--only=all").stdout; paragraphs(all) != 4 || strings.Contains(all, "Harmless") {
		t.Errorf("want four paragraphs:\n%s", all)
	}
	for line := range strings.Lines(short) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 && !strings.Contains(line, path) {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	if chinese := f.run(t.Context(), "", "explain", path, "--lang", "zh").stdout; !strings.HasPrefix(chinese, "INTERFERENCE: 中间设备存在干预") {
		t.Errorf("want the summary in Chinese:\n%s", chinese)
	}
}

// TestExplainFiles: files by extension, with what standard output has.
func TestExplainFiles(t *testing.T) {
	t.Parallel()
	path := saved(t, censored(t).bytes())
	dir := filepath.Dir(path)
	var f fakeSystem
	got := f.run(t.Context(), "", "explain", path, "--json", "-o", dir+"/a.json", "-o", dir+"/a.jsonl", "-o", dir+"/a.md", "-o", dir+"/a.txt")
	if got.code != 10 || got.stderr != "" {
		t.Fatalf("exit code %d, standard error %q", got.code, got.stderr)
	}
	text := f.run(t.Context(), "", "explain", path).stdout
	for name, want := range map[string]string{"a.json": got.stdout, "a.jsonl": got.stdout, "a.txt": text} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(b)); diff != "" {
			t.Errorf("%s: -standard output +file:\n%s", name, diff)
		}
	}
	md, err := os.ReadFile(filepath.Join(dir, "a.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(md, []byte("# rstprobe explain ")) || !bytes.Contains(md, []byte("\n## 1. packet 59, reset from ")) {
		t.Errorf("a.md:\n%s", md)
	}
}

// TestExplainInterrupted: what was read until then is explained, and exit is
// 130.
func TestExplainInterrupted(t *testing.T) {
	t.Parallel()
	var big bytes.Buffer
	if _, err := (capturetest.Traffic{Flows: often / 8, Segments: 2, Open: 50, ResetEvery: 10, Seed: 1}).Write(&big); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var f fakeSystem
	got := f.run(ctx, "", "explain", saved(t, big.Bytes()), "--json")
	doc := explained(t, got.stdout)
	if got.code != exitInterrupted || !doc.Interrupted || doc.Packets != often {
		t.Errorf("exit code %d, interrupted %v after %d packets; want %d after %d", got.code, doc.Interrupted, doc.Packets, exitInterrupted, often)
	}
}

// TestExplainPipeInterrupted: the same of a pipe from which nothing more
// comes.
func TestExplainPipeInterrupted(t *testing.T) {
	t.Parallel()
	in, pipe := io.Pipe()
	defer pipe.Close()
	ctx, cancel := context.WithCancel(t.Context())
	whole := record(t).refused().bytes()
	go func() {
		// Who reads the beginning of the next packet has read those before.
		for _, piece := range [][]byte{whole, {0}} {
			if _, err := pipe.Write(piece); err != nil {
				t.Error(err)
			}
		}
		cancel()
	}()
	var out, errs bytes.Buffer
	var f fakeSystem
	code := run(ctx, []string{"rstprobe", "explain", "-", "--json"}, in, &out, &errs, f.system())
	doc := explained(t, out.String())
	if code != exitInterrupted || !doc.Interrupted || doc.Damage != nil || len(doc.Flows) == 0 {
		t.Errorf("exit code %d, interrupted %v, damage %v, %d conversations; standard error %q",
			code, doc.Interrupted, doc.Damage, len(doc.Flows), &errs)
	}
}

// TestExplainCannotWrite: a broken standard output is exit 1.
func TestExplainCannotWrite(t *testing.T) {
	t.Parallel()
	path := saved(t, record(t).refused().bytes())
	for _, flags := range [][]string{{"--json"}, nil} {
		var errs bytes.Buffer
		var f fakeSystem
		code := run(t.Context(), append([]string{"rstprobe", "explain", path}, flags...), strings.NewReader(""), brokenWriter{}, &errs, f.system())
		if code != exitFailure || !strings.Contains(errs.String(), "write the explanation") {
			t.Errorf("%v: exit code %d, standard error %q", flags, code, &errs)
		}
	}
}

// TestExplainCaptures: captures of real networks. They are not part of the
// project: RSTPROBE_CAPTURES names the directory that holds them.
func TestExplainCaptures(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("RSTPROBE_CAPTURES")
	if dir == "" {
		t.Skip("RSTPROBE_CAPTURES is not set: no real captures")
	}
	for _, tt := range []struct {
		file, cause string
		code        int
	}{
		{"95.167.150.101_sohu.com_sohu.com.pcap", "S6", 0},
		{"200.115.176.142_binance.com_binance.com.pcap", "S1", 0},
		{"123.30.89.9_youtube.com_youtube.com_0.pcap", "S5", 0},
		{"222.138.4.221_archive.org_archive.org.pcap", "M4", 10},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			var f fakeSystem
			got := f.run(t.Context(), "", "explain", filepath.Join(dir, tt.file), "--json")
			doc := explained(t, got.stdout)
			if got.code != tt.code || causes(doc)[tt.cause] == 0 || doc.Position != "client" {
				t.Errorf("exit code %d, causes %v at %s; want %d and %s at the client",
					got.code, slices.Sorted(maps.Keys(causes(doc))), doc.Position, tt.code, tt.cause)
			}
		})
	}
}
