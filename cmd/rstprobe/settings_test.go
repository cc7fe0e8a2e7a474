package main

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/report"
)

// TestAgainMeasuresAlike: the command at the end of a report, run as it is,
// asks the same questions in the same way.
func TestAgainMeasuresAlike(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"127.0.0.1:9 --syn",
		"127.0.0.1:9 --syn --repeat 5 --max-ttl 12 --trace never --seed 4 --rate 100 --hello chrome --control a.example",
		"clean.example --sni=blocked.example --control b.example --control c.example --control-address 192.0.2.8 --syn-options none " +
			"--timeout 700ms --max-wait 10s --flows 4 --characterize --mode raw --source 127.0.0.1 --seed 18446744073709551615",
		"clean.example --sni --mode kernel",
		"clean.example -6 --host=a.example,b.example",
	} {
		f := fakeSystem{}
		first := f.run(t.Context(), "", append([]string{"-q"}, strings.Fields(line)...)...)
		_, again, ok := strings.Cut(first.stdout, "\nAgain: rstprobe ")
		if !ok {
			t.Fatalf("%s: no command:\n%s%s", line, first.stdout, first.stderr)
		}
		g := fakeSystem{}
		if second := g.run(t.Context(), "", append([]string{"-q"}, strings.Fields(again)...)...); len(g.opened) == 0 {
			t.Errorf("%s\nagain %s%s", line, again, second.stderr)
			continue
		}
		ignore := []string{"Exchanger", "Progress", "Ledger"}
		if !strings.Contains(line, "--seed") {
			ignore = append(ignore, "Seed")
		}
		if diff := cmp.Diff(f.configs, g.configs, cmpopts.IgnoreFields(diagnosis.Config{}, ignore...),
			cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
			t.Errorf("%s\nagain %s (-first +again):\n%s", line, again, diff)
		}
		if f.opened[0].rate != g.opened[0].rate || f.opened[0].source != g.opened[0].source {
			t.Errorf("%s: sent at %d from %v, again %d from %v", line, f.opened[0].rate, f.opened[0].source, g.opened[0].rate, g.opened[0].source)
		}
	}
}

// TestSettingsAreComplete: every flag that says how to measure is in the
// result, so that one that is added later is not forgotten.
func TestSettingsAreComplete(t *testing.T) {
	t.Parallel()
	elsewhere := []string{
		"syn", "sni", "host", "file", // the tests and targets tell
		"all-ips", // each address is a target
		"ledger",  // says where to keep what, and not how to measure
	}
	f := fakeSystem{}
	got := f.run(t.Context(), "", "clean.example", "--json", "-q")
	var doc report.Document
	if err := json.Unmarshal([]byte(got.stdout), &doc); err != nil {
		t.Fatal(err)
	}
	for _, flag := range join(testFlags(), traceFlags(), sendFlags(), depthFlags(), waitFlags()) {
		name := flag.Names()[0]
		known := slices.ContainsFunc(doc.Settings, func(s report.Setting) bool { return s.Name == name })
		if known == slices.Contains(elsewhere, name) {
			t.Errorf("--%s is among the settings: %v", name, known)
		}
	}
	for _, s := range doc.Settings {
		if s.Given {
			t.Errorf("--%s=%s was not given", s.Name, s.Value)
		}
	}
}
