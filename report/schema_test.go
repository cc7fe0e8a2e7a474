package report

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, line []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestSchemaHolds(t *testing.T) {
	s := compileSchema(t)
	for _, ex := range examples() {
		line, err := New(ex.res, meta).JSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, s, line); err != nil {
			t.Errorf("%s: %v", ex.name, err)
		}
	}
	line, err := New(diagnosis.Result{}, Meta{}).JSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, s, line); err != nil {
		t.Errorf("no meta: %v", err)
	}
}

// TestContractExample: the example that is published as the contract lacks
// only the keys that were added since.
func TestContractExample(t *testing.T) {
	const example = `{"schema_version":1,"run_id":"r","started_at":"2026-01-02T03:04:05.678Z","duration_ms":412.3,"rstprobe_version":"v",
 "mode":"raw","source_ip":"10.9.0.1",
 "target":{"input":"example.com:443","host":"example.com","ip":"10.9.6.2","port":443},
 "verdict":{"outcome":"interference","summary":"one sentence a person can act on"},
 "tests":[
  {"kind":"sni","name":"blocked.example","control_names":["control.example"],
   "outcome":"reset","stage":"data","trigger":"sni","author":"in_path","cause":"M3",
   "confidence":"proved",
   "counts":{"test_bad":3,"test_total":3,"control_bad":0,"control_total":4},
   "evidence":[{"rule":"below-server-ttl","supports":"in_path","decisive":true,"detail":"...","packets":[12,14]}],
   "against":[],"next":"",
   "location":{"after_ttl":3,"after_ip":"10.9.2.2","at_ttl":4,"at_ip":"10.9.3.2","device_ttl":3,"device_ip":"10.9.2.2",
               "method":"coded_burst","votes":3,"rounds":3,"forward_hops":3,"reverse_hops":3}}],
 "path":{"server_ttl":7,"hops":[{"ttl":1,"ip":"10.9.0.2","name":"","asn":0,"rtt_ms":0.21,"control":"time_exceeded","test":"time_exceeded"}]}}`
	d, err := Read(strings.NewReader(example))
	if err != nil {
		t.Fatal(err)
	}
	line, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, compileSchema(t), line); err != nil {
		t.Error(err)
	}
	var want, got map[string]any
	if err := json.Unmarshal([]byte(example), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	added := cmpopts.IgnoreMapEntries(func(k string, _ any) bool {
		return slices.Contains([]string{"interrupted", "packets_sent", "packets_dropped"}, k)
	})
	inLocation := cmp.FilterPath(func(p cmp.Path) bool {
		return strings.Contains(p.GoString(), `"location"`)
	}, cmpopts.IgnoreMapEntries(func(k string, _ any) bool { return k == "evidence" }))
	if diff := cmp.Diff(want, got, added, inLocation); diff != "" {
		t.Errorf("read and written (-contract +got):\n%s", diff)
	}
}

// TestSchemaRefuses: the schema notices what the contract forbids.
func TestSchemaRefuses(t *testing.T) {
	s := compileSchema(t)
	line, err := New(inPathReset(), meta).JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, old, new string }{
		{"unknown key", `"run_id":`, `"surprise":1,"run_id":`},
		{"missing key", `"interrupted":false,`, ``},
		{"null list", `"against":[]`, `"against":null`},
		{"number as a string", `"votes":3`, `"votes":"3"`},
		{"unknown author", `"author":"in_path"`, `"author":"censor"`},
		{"unknown cause", `"cause":"M5"`, `"cause":"M21"`},
		{"no address", `"source_ip":"10.9.0.1"`, `"source_ip":"somewhere"`},
		{"no time", `"started_at":"2026-`, `"started_at":"26-`},
		{"other version", `"schema_version":1`, `"schema_version":2`},
	} {
		t.Run(test.name, func(t *testing.T) {
			changed := bytes.Replace(line, []byte(test.old), []byte(test.new), 1)
			if bytes.Equal(changed, line) {
				t.Fatalf("nothing to replace: %s", test.old)
			}
			if err := validate(t, s, changed); err == nil {
				t.Error("the schema accepts it")
			}
		})
	}
}

// TestSchemaShape: every object is closed, needs all its keys and explains
// each of them.
func TestSchemaShape(t *testing.T) {
	var root any
	if err := json.Unmarshal([]byte(Schema), &root); err != nil {
		t.Fatal(err)
	}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(at, x)
			}
		case map[string]any:
			if props, ok := v["properties"].(map[string]any); ok {
				if v["additionalProperties"] != false {
					t.Errorf("%s is not closed", at)
				}
				var required []string
				for _, r := range v["required"].([]any) {
					required = append(required, r.(string))
				}
				slices.Sort(required)
				if diff := cmp.Diff(slices.Sorted(maps.Keys(props)), required); diff != "" {
					t.Errorf("%s: required (-properties +required):\n%s", at, diff)
				}
				for k, p := range props {
					if d, _ := p.(map[string]any)["description"].(string); d == "" {
						t.Errorf("%s.%s is not explained", at, k)
					}
				}
			}
			for k, x := range v {
				walk(at+"."+k, x)
			}
		}
	}
	walk("schema", root)
}

// TestSchemaEnums: the schema and the code have the same words.
func TestSchemaEnums(t *testing.T) {
	var root struct {
		Properties map[string]struct {
			Properties map[string]struct{ Enum []string }
		}
		Defs map[string]struct {
			Enum       []string
			Properties map[string]struct{ Enum []string }
		} `json:"$defs"`
	}
	dec := json.NewDecoder(strings.NewReader(Schema))
	if err := dec.Decode(&root); err != nil {
		t.Fatal(err)
	}
	test := root.Defs["test"].Properties
	for _, e := range []struct {
		name      string
		want, got []string
	}{
		{"overall", words(probe.Clean, probe.Interference, probe.ServerRefuses, probe.OverallUnreachable, probe.OverallInconclusive),
			root.Properties["verdict"].Properties["outcome"].Enum},
		{"kind", words(probe.SYN, probe.SNI, probe.Host), test["kind"].Enum},
		{"outcome", words(probe.OK, probe.Reset, probe.Fin, probe.Drop, probe.Stall, probe.InjectedResponse, probe.Alert,
			probe.Refused, probe.Unreachable, probe.Inconclusive), test["outcome"].Enum},
		{"stage", words(probe.StageSYN, probe.StageHandshake, probe.StageData, probe.StageResponse), test["stage"].Enum},
		{"trigger", words(probe.TriggerNone, probe.TriggerAddress, probe.TriggerPort, probe.TriggerSYN, probe.TriggerProtocol,
			probe.TriggerSNI, probe.TriggerHost, probe.TriggerPath, probe.TriggerVolume, probe.TriggerHistory, probe.TriggerUnknown),
			test["trigger"].Enum},
		{"author", words(slices.Collect(maps.Keys(authorText))...), root.Defs["author"].Enum},
		{"confidence", words(probe.Proved, probe.Likely, probe.Possible, probe.UndeterminedDegree), test["confidence"].Enum},
		{"cause", append(words(slices.Collect(maps.Keys(causes))...), ""), test["cause"].Enum},
		{"answer", words(slices.Collect(maps.Keys(answerText))...), root.Defs["answer"].Enum},
		{"method", words(traceroute.CodedBurst, traceroute.TimedSteps, traceroute.DarkZone, traceroute.SYNSweep),
			root.Defs["location"].Properties["method"].Enum},
	} {
		less := cmpopts.SortSlices(func(a, b string) bool { return a < b })
		if diff := cmp.Diff(e.want, e.got, less); diff != "" {
			t.Errorf("%s (-code +schema):\n%s", e.name, diff)
		}
	}
}

func words[T ~string](in ...T) []string {
	var out []string
	for _, w := range in {
		out = append(out, string(w))
	}
	return out
}

func TestCauseText(t *testing.T) {
	if n := len(causes); n != 20+21+7+5 {
		t.Errorf("%d causes are explained, want %d", n, 20+21+7+5)
	}
	for c := range causes {
		if CauseText(c) == "" {
			t.Errorf("%s is not explained", c)
		}
	}
	for _, c := range []probe.Cause{"", "M21", "X1"} {
		if got := CauseText(c); got != "" {
			t.Errorf("CauseText(%q) = %q, want nothing", c, got)
		}
	}
}
