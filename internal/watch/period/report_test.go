package period

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// example is a day with one of everything.
func example() Report {
	before, after := path("ab*S"), path("axcdS")
	before.Verdict, after.Verdict = report.Verdict{Outcome: probe.Clean, Summary: "Nothing interferes."}, report.Verdict{Outcome: probe.Interference, Summary: "A *box* resets it.\x1b[31m"}
	before.Tests, after.Tests = result(probe.OK, 1).Tests, result(probe.Reset, 1).Tests
	before.StartedAt, after.StartedAt = hour(7.9), hour(8)
	after.Target.IP = netip.MustParseAddr("2001:db8::7")
	after.Path.Hops[1].Name = "edge_1.net.example"
	diff := Compare(95, 97, before, after)
	tally := TallyOf(result(probe.Reset, 1200), Run{Ended: hour(8.2), Retest: true, LookupFailed: true, Told: always})
	tally.Connect = SpreadOf(21.5)
	f := Facts{
		Check: "shop | web", From: hour(0), To: hour(24), Now: now(fine, 16), Path: &diff,
		Coverage: Coverage{Ran: []Interval{from(0, 20)}, Trouble: []Interval{from(18, 19)}, Told: map[state.Question][]Interval{sni: {from(0, 17.5), from(19, 20)}}},
		Changes:  []Change{became(8, fine, blocked), became(12, blocked, refused), flapped(14, refused, fine), settled(16, refused, fine)},
		Hours:    []Hour{{hour(8), tally}, {hour(9), TallyOf(result(probe.OK, 900), Run{Ended: hour(9.5), Trouble: true, Told: always})}},
	}
	f.Changes[0].Run, f.Changes[2].Run, f.Changes[3].Run = 97, 141, 160
	return Report{
		SchemaVersion: SchemaVersion, Type: Type, Version: "1.2.3", MadeAt: hour(25), From: f.From, To: f.To,
		Checks: report.List[Check]{f.Derive(), Facts{Check: "nobody", From: f.From, To: f.To}.Derive()},
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestRendered: as text, Markdown and JSON.
func TestRendered(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(*bytes.Buffer) error{
		"day.txt": func(b *bytes.Buffer) error { return Text(b, example(), Style{Zone: time.FixedZone("", 3600)}) },
		"day.md":  func(b *bytes.Buffer) error { return Markdown(b, example(), Style{}) },
		"day.json": func(b *bytes.Buffer) error {
			e := json.NewEncoder(b)
			e.SetIndent("", " ")
			return e.Encode(example())
		},
		"empty.txt": func(b *bytes.Buffer) error { return Text(b, Report{From: hour(0), To: hour(1)}, Style{}) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsRune(b.Bytes(), '\x1b') {
			t.Errorf("%s has a control character", name)
		}
		golden(t, name, b.Bytes())
	}
}

// TestLongTablesAreCut, in text; the JSON has all.
func TestLongTablesAreCut(t *testing.T) {
	t.Parallel()
	f := Facts{Check: "shop", From: hour(0), To: hour(240), Now: now(fine, 0), Coverage: watched(from(0, 240))}
	for h := 1.0; h < 200; h += 2 {
		f.Changes = append(f.Changes, became(h, fine, blocked), became(h+1, blocked, fine))
	}
	var b bytes.Buffer
	if err := Text(&b, Report{From: f.From, To: f.To, Checks: report.List[Check]{f.Derive()}}, Style{}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n > 2*maxRows+20 || !strings.Contains(b.String(), "140 earlier ones are left out here") {
		t.Errorf("%d lines:\n%.3000s", n, b.String())
	}
}

func compiled(t *testing.T, ref string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json" + ref)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemaHolds for what is written, and for no other keys.
func TestSchemaHolds(t *testing.T) {
	t.Parallel()
	hops := 3
	redacted := example()
	redacted.Redacted = &hops
	for _, x := range []struct {
		ref string
		v   any
	}{{"", example()}, {"", redacted}, {"", Report{SchemaVersion: SchemaVersion, Type: Type}}, {"#/$defs/diff", *example().Checks[0].Path}} {
		text, err := json.Marshal(x.v)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled(t, x.ref).Validate(v); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// TestSchemaIsStrict: every object lists all its keys, and each is explained.
func TestSchemaIsStrict(t *testing.T) {
	t.Parallel()
	var root map[string]any
	if err := json.Unmarshal([]byte(Schema), &root); err != nil {
		t.Fatal(err)
	}
	objects := 0
	var look func(where string, v any)
	look = func(where string, v any) {
		m, _ := v.(map[string]any)
		if props, ok := m["properties"].(map[string]any); ok {
			objects++
			var required []string
			for _, r := range m["required"].([]any) {
				required = append(required, r.(string))
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(props)), slices.Sorted(slices.Values(required))); diff != "" || m["additionalProperties"] != false {
				t.Errorf("%s: keys and required keys (-keys +required):\n%s", where, diff)
			}
		}
		for k, x := range m {
			look(where+"/"+k, x)
		}
	}
	look("", root)
	if objects < 15 {
		t.Errorf("only %d objects were looked at", objects)
	}
}
