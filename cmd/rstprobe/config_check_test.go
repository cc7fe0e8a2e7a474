package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConfigAllMistakes: each is shown, once, whatever it is about and however
// many commands make it.
func TestConfigAllMistakes(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, `repeat: 0
rate: fast
hello: firefix
max_ttl: 5
raet: 5
control: {a: b}
ipv6: true
source: 192.0.2.1
commands:
  explian: {lang: zh}
  explain: {lang: xx, langu: zh}
  trace: {max-ttl: 0}
`)
	want := []string{
		"FILE:4:1: there is no key max_ttl", "FILE:5:1: there is no key raet", "FILE:6:10: control takes a value",
		"FILE:10:3: there are no settings for a command explian", "FILE:11:23: there is no key langu",
		"FILE:1:9: --repeat is set here", "FILE:2:7: --rate is set here", "FILE:3:8: --hello is set here", "FILE:11:19: --lang is set here", "FILE:12:20: --max-ttl is set here",
	}
	var f fakeSystem
	got := f.run(t.Context(), "", "config", "check", path)
	errs := strings.ReplaceAll(got.stderr, path, "FILE")
	for _, w := range want {
		if n := strings.Count(errs, w); n != 1 {
			t.Errorf("%q is there %d times", w, n)
		}
	}
	if got.code != exitUsage || got.stdout != "" || t.Failed() {
		t.Errorf("exit code %d, standard output %q, standard error:\n%s", got.code, got.stdout, errs)
	}
	f.env = map[string]string{"RSTPROBE_CONFIG": path}
	if errs := f.run(t.Context(), "", "clean.example").stderr; !strings.Contains(errs, "max_ttl") || !strings.Contains(errs, "raet") {
		t.Errorf("a measurement shows only some mistakes:\n%s", errs)
	}
}

// TestUnknownVariables: every run warns of variables that look like settings,
// and config check refuses them.
func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	const wrong = "the variable RSTPROBE_REPEET is no setting; did you mean RSTPROBE_REPEAT?"
	f := fakeSystem{env: map[string]string{
		"RSTPROBE_REPEET": "3", "RSTPROBE_QQQQQQ": "1", "RSTPROBE_RATE": "5", "RSTPROBE_TRACE_RATE": "6", "RSTPROBE_EXPLAIN_LANG": "zh",
		"RSTPROBE_CONFIG": noConfig, "RSTPROBE_REQUIRE": "all", "RSTPROBE_TEST_X": "1", "RSTPROBE_EMPTY": "", "REPEET": "3",
	}}
	got := f.run(t.Context(), "", "clean.example", "-q")
	want := "rstprobe: warning: the variable RSTPROBE_QQQQQQ is no setting; rstprobe config print-template lists all settings\nrstprobe: warning: " + wrong + "\n"
	if diff := cmp.Diff(want, got.stderr); diff != "" || got.code != 0 {
		t.Errorf("exit code %d, -want +got:\n%s", got.code, diff)
	}
	if got := f.run(t.Context(), "", "config", "check"); got.code != exitUsage || !strings.Contains(got.stderr, wrong) {
		t.Errorf("config check: exit code %d, %s", got.code, got.stderr)
	}
	f.env[goneOn] = "1"
	if got := f.run(t.Context(), "", "clean.example", "-q"); got.stderr != "" {
		t.Errorf("the process in which a run goes on says it again: %s", got.stderr)
	}
}
