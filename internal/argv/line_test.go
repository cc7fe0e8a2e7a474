package argv

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLine: what a line says, and what becomes of values put in front of it.
func TestLine(t *testing.T) {
	t.Parallel()
	var got parsed
	app := newApp(&got)
	l, err := Parse(app, strings.Fields("-o a trace h --max-ttl 4 --max-ttl 5"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"trace"}, l.Commands()); diff != "" {
		t.Errorf("commands: -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"h"}, l.Words()); diff != "" {
		t.Errorf("words: -want +got:\n%s", diff)
	}
	if v, ok := l.Value("max-ttl"); v != "5" || !ok {
		t.Errorf("max-ttl: %q, %v, want 5", v, ok)
	}
	if v, ok := l.Value("json"); ok {
		t.Errorf("json: %q is there, though not given", v)
	}
	if n := len(l.Flags()); n != len(app.Commands[0].Flags) {
		t.Errorf("%d flags, want those of the command, %d", n, len(app.Commands[0].Flags))
	}
	l.Default("output", "b", "c")
	l.Default("max-ttl", "9")
	l.Default("sni", "x.example")
	app.Writer = io.Discard
	if err := app.Run(append([]string{"prog"}, l.Args()...)); err != nil {
		t.Fatal(err)
	}
	want := parsed{Command: "trace", SNI: OptValue{Values: []string{"x.example"}}, Out: []string{"b", "c", "a"}, MaxTTL: 5, Words: []string{"h"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestLineAsFarAsItCanBeRead: a completion needs what stands in front of a
// fault.
func TestLineAsFarAsItCanBeRead(t *testing.T) {
	t.Parallel()
	var got parsed
	l, err := Parse(newApp(&got), strings.Fields("trace --nosuch h --json --max-ttl"))
	if err == nil {
		t.Fatal("no error")
	}
	if f := l.Pending(); f == nil || f.Names()[0] != "max-ttl" {
		t.Errorf("pending %v, want max-ttl", f)
	}
	if diff := cmp.Diff([]string{"trace", "h"}, append(l.Commands(), l.Words()...)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, ok := l.Value("json"); !ok {
		t.Error("the flag behind the fault is lost")
	}
	l, err = Parse(newApp(&got), strings.Fields("trace h"))
	if f := l.Pending(); f != nil || err != nil || l.HelpWanted() {
		t.Errorf("pending %v, error %v, help %v: want nothing", f, err, l.HelpWanted())
	}
	l, err = Parse(newApp(&got), strings.Fields("trace --nosuch -h"))
	if err != nil || !l.HelpWanted() {
		t.Errorf("error %v, help %v: want help and no error", err, l.HelpWanted())
	}
}
