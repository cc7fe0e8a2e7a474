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
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	return compiled(t, Schema)
}

func compiled(t *testing.T, text string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
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
	later := []string{
		"attempts", "lookup", "platform", "redacted", "waited_ms", "wait_share", "rerouted", "interrupted", "packets_sent", "packets_dropped", "exchanges", "steps", "settings",
		"boxes", "flows", "matrix", "residual", // of a test
		"server_ip",                   // of the path
		"sent", "answered", "altered", // of a hop
		"as_owner", "country", // of an address
	}
	added := cmpopts.IgnoreMapEntries(func(k string, _ any) bool { return slices.Contains(later, k) })
	within := func(key string, later ...string) cmp.Option {
		return cmp.FilterPath(func(p cmp.Path) bool { return strings.Contains(p.GoString(), `"`+key+`"`) },
			cmpopts.IgnoreMapEntries(func(k string, _ any) bool { return slices.Contains(later, k) }))
	}
	if diff := cmp.Diff(want, got, added, within("location", "evidence", "asn"), within("target", "name", "asn")); diff != "" {
		t.Errorf("read and written (-contract +got):\n%s", diff)
	}
}

// TestSchemaRefuses: the schema notices what the contract forbids.
func TestSchemaRefuses(t *testing.T) {
	s := compileSchema(t)
	line, err := New(everything(), meta).JSON()
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
		{"share above 1", `"wait_share":0.6`, `"wait_share":60`},
		{"unknown method", `"method":"coded_burst"`, `"method":"guess"`},
		{"no flags", `"flags":"R."`, `"flags":"RST"`},
		{"payload not printable", `"payload":""`, `"payload":"\u001b[2J"`},
		{"unknown end", `"ends":["reset"`, `"ends":["dead"`},
		{"unknown scope", `"scope":"three_tuple"`, `"scope":""`},
		{"no place after an alteration", `"after":2,`, ``},
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
	for name, text := range map[string]string{"schema": Schema, "explain-schema": CaptureSchema} {
		var root any
		if err := json.Unmarshal([]byte(text), &root); err != nil {
			t.Fatal(err)
		}
		walk(name, root)
	}
}

// TestSchemaEnums: the schema and the code have the same words.
func TestSchemaEnums(t *testing.T) {
	type enum struct{ Enum []string }
	var root struct {
		Properties map[string]struct{ Properties map[string]enum }
		Defs       map[string]struct {
			Enum       []string
			Properties map[string]enum
		} `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(Schema), &root); err != nil {
		t.Fatal(err)
	}
	of := func(def, property string) []string { return root.Defs[def].Properties[property].Enum }
	// Parts of questions, not questions: a bare ACK is never one by itself.
	kinds := slices.DeleteFunc(constants(t, "../probe", "Kind"), func(k string) bool { return k == string(probe.ACK) })
	scopes := slices.DeleteFunc(constants(t, "../internal/residual", "Scope"), func(s string) bool { return s == "" })
	for _, e := range []struct {
		name      string
		want, got []string
	}{
		{"overall", constants(t, "../probe", "Overall"), root.Properties["verdict"].Properties["outcome"].Enum},
		{"kind", kinds, of("test", "kind")},
		{"outcome", constants(t, "../probe", "Outcome"), root.Defs["outcome"].Enum},
		{"stage", constants(t, "../probe", "Stage"), of("test", "stage")},
		{"trigger", constants(t, "../probe", "Trigger"), of("test", "trigger")},
		{"author", constants(t, "../probe", "Author"), root.Defs["author"].Enum},
		{"confidence", constants(t, "../probe", "Confidence"), root.Defs["confidence"].Enum},
		{"cause", append(texts(t, causes), ""), root.Defs["cause"].Enum},
		{"answer", constants(t, "../traceroute", "Answer"), root.Defs["answer"].Enum},
		{"method", constants(t, "../traceroute", "Method"), of("location", "method")},
		{"change", constants(t, "../traceroute", "Change"), of("alteration", "change")},
		{"ip_id", constants(t, "../probe", "IDKind"), of("box", "ip_id")},
		{"scope", scopes, of("residual", "scope")},
		{"timer", constants(t, "../internal/residual", "Timer"), of("residual", "timer")},
	} {
		less := cmpopts.SortSlices(func(a, b string) bool { return a < b })
		if diff := cmp.Diff(e.want, e.got, less); diff != "" {
			t.Errorf("%s (-code +schema):\n%s", e.name, diff)
		}
	}
}
