package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// TestUsageErrors: each is refused with exit 2 before anything is sent, says
// what to write instead on standard error and nothing on standard output.
func TestUsageErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty, bad := file("empty", "# nothing\n\n"), file("bad", "clean.example\n\nclean.example:x # port\n")
	for _, tt := range []struct{ name, line, want string }{
		{"no target", "", "usage: rstprobe TARGET"},
		{"only flags", "--sni --json", "usage: rstprobe TARGET"},
		{"trace without target", "trace --json", "usage: rstprobe TARGET"},
		{"second host", "example.com:443 --sni other.example", "write --sni=other.example"},
		{"second host, Host", "example.com:80 --host other.example", "write --host=other.example"},
		{"bare --sni without a name", "192.0.2.1:443 --sni", "write --sni=NAME, or NAME:443@192.0.2.1"},
		{"bare --host without a name", "[2001:db8::1]:80 --host", "write --host=NAME, or NAME:80@2001:db8::1"},
		{"bad target", "example.com:99999", "write a number from 1 to 65535"},
		{"network", "192.0.2.0/24", "a network is not a target"},
		{"second of two targets", "clean.example :1", "the host is missing"},
		{"dash as target", "-", "write -f -"},
		{"unknown flag", "clean.example --snii", "unknown flag --snii; did you mean --sni?"},
		{"unknown flag behind a command", "trace clean.example --jsn", "did you mean --json?"},
		{"SYN options of the system's", "clean.example --mode kernel --syn-options none", "needs raw sockets"},
		{"unknown mode", "clean.example --mode fast", "write auto, raw or kernel"},
		{"unknown trace", "clean.example --trace maybe", "write auto, always or never"},
		{"unknown hello", "clean.example --hello safari", "write plain, chrome or firefox"},
		{"not a number", "clean.example --max-ttl many", "for --max-ttl"},
		{"too far", "clean.example --max-ttl 65", "write a number from 1 to 64"},
		{"no repeats", "clean.example --repeat 0", "write a number from 1 to 100"},
		{"no rate", "clean.example --rate 0", "write a number from 1 to"},
		{"time without unit", "clean.example --timeout 5", "such as 500ms or 2s"},
		{"negative time", "clean.example --timeout=-1s", "write a positive time"},
		{"no flow", "clean.example --flows 0", "write a number from 1 to 16"},
		{"too many flows", "clean.example --flows 17", "write a number from 1 to 16"},
		{"flows of trace", "trace clean.example --flows 2", "--flows means nothing for trace"},
		{"negative wait", "clean.example --max-wait=-1s", "write a time from 0s (do not wait) to 1h0m0s"},
		{"too long a wait", "clean.example --max-wait 2h", "write a time from 0s"},
		{"wait without unit", "clean.example --max-wait 90", "for --max-wait"},
		{"no ledger named", "clean.example --ledger=", "write --ledger FILE, or --ledger none"},
		{"bad seed", "clean.example --seed x", "for --seed"},
		{"bad control", "clean.example --sni --control a_b.example", "--control"},
		{"control is the test name", "clean.example --sni --control Clean.example", "write another harmless name"},
		{"control is one of the test names", "clean.example --sni=a.example,b.example --control=b.example", "--control=b.example is also the test name"},
		{"control is a default test name", "clean.example --control clean.example", "is also the test name"},
		{"bad control address", "clean.example --control-address clean", "is not the address of a host"},
		{"bad source", "clean.example --source 0.0.0.0", "is not the address of a host"},
		{"foreign source", "clean.example --source 203.0.113.99", "is not an address of this machine"},
		{"unknown interface", "clean.example --interface nosuch0", `there is no "nosuch0"`},
		{"both families", "clean.example -4 -6", "exclude each other"},
		{"both families together", "clean.example -46", "exclude each other"},
		{"family of the target", "192.0.2.1 -6", "is IPv4, but the flags ask for IPv6"},
		{"family of the control address", "[2001:db8::1]:443 --control-address 192.0.2.1", "is IPv6, but the flags ask for IPv4"},
		{"link-local target", "[fe80::1]:443", "write --interface NAME"},
		{"families of flags", "clean.example -6 --control-address 192.0.2.1", "is no IPv6 address"},
		{"bad name", "clean.example --sni=a..b", "--sni"},
		{"empty name", "clean.example --sni=", "--sni"},
		{"missing name file", "clean.example --sni=@" + dir + "/nosuch", "no such file"},
		{"empty list", "-f " + empty, "lists nothing"},
		{"missing list", "-f " + dir + "/nosuch", "no such file"},
		{"bad line in a list", "-f " + bad, bad + ":3:15: target \"clean.example:x\": \"x\" is not a port"},
		{"standard input twice", "-f - --sni=@-", "standard input was read already"},
		{"unknown format", "clean.example -o " + dir + "/x.csv", "its name must end in one of"},
		{"no such directory", "clean.example -o " + dir + "/no/x.json", "no such file"},
		{"value missing", "clean.example -o", "-o needs a value: write --output=FILE"},
		{"two payloads", "trace clean.example --syn --sni", "one payload"},
		{"two names", "trace clean.example --sni=a.example,b.example", "one payload"},
		{"flag of another command", "demo --sni", "--sni means nothing for demo"},
		{"flag of another command, short", "demo kernel-sni-reject -n", "--no-names means nothing for demo"},
		{"flag of another command, digit", "doctor -4", "--ipv4 means nothing for doctor"},
		{"flag of another command, value", "trace clean.example --trace always", "--trace means nothing for trace"},
		{"unknown case", "demo nosuch", "demo --list"},
		{"part of a case", "demo res", "did you mean reset?"},
		{"case that no kernel can build", "demo forked", "the case forked cannot be built on a real kernel, only in a test: write one of demo --list"},
		{"part of such a case", "demo fork", "there is no case \"fork\": demo --list shows them"},
		{"two cases", "demo reset drop", "demo runs one case"},
		{"list and case", "demo --list reset", "--list takes no case"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := fakeSystem{demos: []cases.Case{{Name: "reset"}, {Name: "forked", Simulated: true}, {Name: "drop"}}}
			got := f.run(t.Context(), "clean.example\n", strings.Fields(tt.line)...)
			if got.code != exitUsage {
				t.Errorf("exit code %d, want %d", got.code, exitUsage)
			}
			if !strings.Contains(got.stderr, tt.want) {
				t.Errorf("standard error %q lacks %q", got.stderr, tt.want)
			}
			if got.stdout != "" {
				t.Errorf("standard output is not empty: %q", got.stdout)
			}
			if len(f.opened) > 0 || len(f.configs) > 0 {
				t.Error("something was measured")
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, line string
		openErr    error
		want       int
	}{
		{"clean", "clean.example", nil, 0},
		{"the server refuses", "closed.example", nil, 0},
		{"interference", "blocked.example", nil, 10},
		{"unreachable", "down.example", nil, 11},
		{"inconclusive", "unsure.example", nil, 11},
		{"no such name", "nosuch.example", nil, 11},
		{"no route", "198.51.100.1", nil, 11},
		{"worst of several", "clean.example blocked.example down.example", nil, 10},
		{"inconclusive of several", "clean.example nosuch.example", nil, 11},
		{"diagnosis fails", "broken.example", nil, 1},
		{"no privilege, so ordinary sockets", "clean.example", errDenied, 0},
		{"no privilege in raw mode", "clean.example --mode raw", errDenied, 3},
		{"no socket", "clean.example", errBroken, 1},
		{"trace", "trace clean.example", nil, 0},
		{"version", "--version", nil, 0},
		{"help", "--help", nil, 0},
		{"demo", "demo", nil, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := fakeSystem{openErr: tt.openErr, demos: []cases.Case{{
				Name:     "reset",
				Topology: lab.Topology{Routers: 1},
				Question: diagnosis.Question{Kind: probe.SNI, Name: "blocked.example"},
			}}}
			got := f.run(t.Context(), "", strings.Fields(tt.line)...)
			if got.code != tt.want {
				t.Errorf("exit code %d, want %d; standard error: %s", got.code, tt.want, got.stderr)
			}
			if f.closed != len(f.opened) {
				t.Errorf("%d of %d sessions were closed", f.closed, len(f.opened))
			}
		})
	}
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	var f fakeSystem
	var errs bytes.Buffer
	code := run(t.Context(), []string{"rstprobe", "clean.example"}, nil, brokenWriter{}, &errs, f.system())
	if code != exitFailure || !strings.Contains(errs.String(), "write the result") {
		t.Errorf("exit code %d, standard error %q; want %d and the reason", code, errs.String(), exitFailure)
	}
}

// TestQuestions: what is asked for a line.
func TestQuestions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list := filepath.Join(dir, "names")
	if err := os.WriteFile(list, []byte("# names\nA.example\r\n\n b.example # comment\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	syn := diagnosis.Question{Kind: probe.SYN}
	sni := func(n string) diagnosis.Question { return diagnosis.Question{Kind: probe.SNI, Name: n} }
	host := func(n string) diagnosis.Question { return diagnosis.Question{Kind: probe.Host, Name: n} }
	for _, tt := range []struct {
		line string
		want []diagnosis.Question
	}{
		{"clean.example", []diagnosis.Question{syn, sni("clean.example")}},
		{"clean.example:8443", []diagnosis.Question{syn, sni("clean.example")}},
		{"clean.example:80", []diagnosis.Question{syn, host("clean.example")}},
		{"clean.example:22", []diagnosis.Question{syn}},
		{"http://clean.example:8080/", []diagnosis.Question{syn, host("clean.example")}},
		{"https://clean.example:10443", []diagnosis.Question{syn, sni("clean.example")}},
		{"https://clean.example:80", []diagnosis.Question{syn, sni("clean.example")}},
		{"192.0.2.7:443", []diagnosis.Question{syn}},
		{"clean.example:443@192.0.2.9", []diagnosis.Question{syn, sni("clean.example")}},
		{"clean.example --sni", []diagnosis.Question{sni("clean.example")}},
		{"clean.example --sni=x.example,Y.example", []diagnosis.Question{sni("x.example"), sni("y.example")}},
		{"clean.example --sni --sni=x.example,clean.example", []diagnosis.Question{sni("clean.example"), sni("x.example")}},
		{"clean.example --syn --host=x.example", []diagnosis.Question{syn, host("x.example")}},
		{"clean.example --sni=none", []diagnosis.Question{syn}},
		{"192.0.2.7 --sni=@" + list, []diagnosis.Question{sni("a.example"), sni("b.example")}},
		{"trace clean.example", []diagnosis.Question{sni("clean.example")}},
		{"trace clean.example:80", []diagnosis.Question{host("clean.example")}},
		{"trace clean.example:22", []diagnosis.Question{syn}},
		{"trace clean.example --syn", []diagnosis.Question{syn}},
		{"--host=x.example trace clean.example", []diagnosis.Question{host("x.example")}},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			var f fakeSystem
			got := f.run(t.Context(), "", strings.Fields(tt.line)...)
			if len(f.configs) != 1 {
				t.Fatalf("%d diagnoses, want 1: %s", len(f.configs), got.stderr)
			}
			if diff := cmp.Diff(tt.want, f.configs[0].Questions); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestConfig: every flag arrives.
func TestConfig(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, line string
		want       diagnosis.Config
		session    sessionConfig
	}{
		{
			"defaults", "clean.example --sni --seed 7",
			diagnosis.Config{
				Source: netip.MustParseAddr("192.0.2.100"), Trace: diagnosis.TraceAuto,
				MaxTTL: 30, Repeat: 3, Shape: payload.Plain, Seed: 7, Flows: 1, MaxWait: 3 * time.Minute,
			},
			sessionConfig{source: netip.MustParseAddr("192.0.2.100"), rate: 1000, seed: 7},
		},
		{
			"everything", "--control C1.example clean.example --control=c2.example --control-address ::1 --trace always --max-ttl 12 " +
				"--repeat 5 --timeout 1500ms --hello chrome --interface lo --source ::1 --seed 18446744073709551615 --rate 50 --mode raw -q " +
				"--flows 2 --characterize --max-wait 90s --ledger none",
			diagnosis.Config{
				Source: netip.MustParseAddr("::1"), Controls: []string{"c1.example", "c2.example"},
				ControlAddress: netip.MustParseAddr("::1"), Trace: diagnosis.TraceAlways, MaxTTL: 12, Repeat: 5,
				Timeout: 1500 * time.Millisecond, Shape: payload.Chrome, Seed: 1<<64 - 1,
				Flows: 2, Characterize: true, MaxWait: 90 * time.Second,
			},
			sessionConfig{source: netip.MustParseAddr("::1"), iface: "lo", rate: 50, seed: 1<<64 - 1},
		},
		{
			"IPv6, no wait", "clean.example -6 --seed 0 --max-wait 0",
			diagnosis.Config{
				Source: netip.MustParseAddr("2001:db8::100"), Trace: diagnosis.TraceAuto, MaxTTL: 30, Repeat: 3, Shape: payload.Plain,
				Flows: 1,
			},
			sessionConfig{source: netip.MustParseAddr("2001:db8::100"), rate: 1000},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var f fakeSystem
			got := f.run(t.Context(), "", strings.Fields(tt.line)...)
			if len(f.configs) != 1 {
				t.Fatalf("%d diagnoses, want 1: %s", len(f.configs), got.stderr)
			}
			addrs := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
			ignore := cmpopts.IgnoreFields(diagnosis.Config{}, "Exchanger", "Target", "Questions", "Progress", "Ledger")
			if diff := cmp.Diff(tt.want, f.configs[0], addrs, ignore); diff != "" {
				t.Errorf("diagnosis: -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(tt.want.Source.Is6(), f.configs[0].Target.IP.Is6()); diff != "" {
				t.Errorf("family of the target: -want +got:\n%s", diff)
			}
			cfg := f.opened[0]
			if cfg.packets == nil {
				t.Error("no log of packets")
			}
			cfg.packets, cfg.shun = nil, nil
			if diff := cmp.Diff(tt.session, cfg, addrs, cmp.AllowUnexported(sessionConfig{})); diff != "" {
				t.Errorf("session: -want +got:\n%s", diff)
			}
		})
	}
}

// TestSeedIsNew: without --seed, runs differ.
func TestSeedIsNew(t *testing.T) {
	t.Parallel()
	var f fakeSystem
	f.run(t.Context(), "", "clean.example")
	f.run(t.Context(), "", "clean.example")
	if f.configs[0].Seed == f.configs[1].Seed {
		t.Errorf("two runs have the seed %d", f.configs[0].Seed)
	}
}

// TestSharedSession: targets behind the same address of ours share a session.
func TestSharedSession(t *testing.T) {
	t.Parallel()
	var f fakeSystem
	f.run(t.Context(), "", "clean.example", "blocked.example", "[2001:db8::1]:443")
	if len(f.opened) != 2 || f.closed != 2 {
		t.Errorf("%d sessions opened, %d closed; want 2 and 2", len(f.opened), f.closed)
	}
}

// TestInterrupted: what was measured is written, valid, and exit is 130.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		names []string // targets
		want  []string // of which results are there
		rest  string   // what is said of the others
	}{
		{
			"while measuring", []string{"clean.example", "interrupted.example", "blocked.example", "down.example"}, []string{"clean.example", "interrupted.example"},
			"rstprobe: interrupted: 2 of 4 targets were not measured, from blocked.example on\n",
		},
		{"in the last one", []string{"clean.example", "interrupted.example"}, []string{"clean.example", "interrupted.example"}, ""},
		{"while looking up", []string{"waiting.example"}, []string{"waiting.example"}, ""},
		{
			"while looking up several", []string{"waiting.example", "clean.example"}, []string{"waiting.example"},
			"rstprobe: interrupted: 1 of 2 targets were not measured, from clean.example on\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := filepath.Join(t.TempDir(), "x.jsonl")
			f := fakeSystem{signal: cancel}
			got := f.run(ctx, "", append(tt.names, "--json", "-o", out)...)
			if got.code != exitInterrupted || got.stderr != tt.rest {
				t.Errorf("exit code %d, standard error %q; want %d and %q", got.code, got.stderr, exitInterrupted, tt.rest)
			}
			written, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got.stdout, string(written)); diff != "" {
				t.Errorf("file and standard output differ: -stdout +file:\n%s", diff)
			}
			var names []string
			for _, d := range documents(t, got.stdout) {
				names = append(names, d.Target.Input)
				if want := d.Target.Input != "clean.example"; d.Interrupted != want {
					t.Errorf("%s: interrupted is %v", d.Target.Input, d.Interrupted)
				}
			}
			if diff := cmp.Diff(tt.want, names); diff != "" {
				t.Errorf("results: -want +got:\n%s", diff)
			}
		})
	}
}

// document is what these tests read of a result.
type document struct {
	Target      struct{ Input, IP string }
	Verdict     struct{ Outcome, Summary string }
	Tests       []struct{ Kind string }
	Interrupted bool
}

// documents reads JSON lines, each of which must be as report.Schema says.
func documents(t *testing.T, lines string) []document {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(report.Schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var out []document
	for line := range strings.Lines(lines) {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("line %q: %v", line, err)
		}
		var d document
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		out = append(out, d)
	}
	return out
}

// TestJSON: whatever happens to a target, there is one valid object for it.
func TestJSON(t *testing.T) {
	t.Parallel()
	want := []string{"clean.example", "blocked.example:80", "nosuch.example", "198.51.100.1", "[2001:db8::1]:443", "http://down.example/x"}
	var f fakeSystem
	got := f.run(t.Context(), "", append(want, "--json")...)
	var names []string
	for _, d := range documents(t, got.stdout) {
		names = append(names, d.Target.Input)
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("results: -want +got:\n%s", diff)
	}
}
