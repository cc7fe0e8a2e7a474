package config

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// plain is a node as values of Go.
func plain(n Node) any {
	switch n.Kind() {
	case Scalar:
		return n.Text()
	case List:
		out := []any{}
		for _, i := range n.Items() {
			out = append(out, plain(i))
		}
		return out
	case Map:
		out := map[string]any{}
		for _, f := range n.Fields() {
			out[f.Key.Text()] = plain(f.Value)
		}
		return out
	}
	return nil
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       any
	}{
		{"empty", "", nil},
		{"only comments", "# nothing\n", nil},
		{"only a null", "null\n", nil},
		{"one key", "rate: 500\n", map[string]any{"rate": "500"}},
		{"no newline at the end", "rate: 500", map[string]any{"rate": "500"}},
		{"byte order mark", "\ufeffrate: 500", map[string]any{"rate": "500"}},
		{"carriage returns", "rate: 500\r\njson: true\r\n", map[string]any{"rate": "500", "json": "true"}},
		{"document marker", "---\nrate: 500\n", map[string]any{"rate": "500"}},
		{"as it is written", "a: 0x1F\nb: 1_000\nc: 2m30s\nd: 1.50\ne: yes\nf: 2001:db8::1\ng: 2026-01-02", map[string]any{
			"a": "0x1F", "b": "1_000", "c": "2m30s", "d": "1.50", "e": "yes", "f": "2001:db8::1", "g": "2026-01-02",
		}},
		{"quoted", `a: "x\ty"` + "\nb: 'it''s'\n\"c\": 1", map[string]any{"a": "x\ty", "b": "it's", "c": "1"}},
		{"nothing and null", "a:\nb: ~\nc: null\nd: ''\n", map[string]any{"a": nil, "b": nil, "c": nil, "d": ""}},
		{"lists", "a: [x, 'y']\nb:\n- 1\n- 2\nc: []\n", map[string]any{
			"a": []any{"x", "y"}, "b": []any{"1", "2"}, "c": []any{},
		}},
		{"block text", "a: |\n  one\n  two\n", map[string]any{"a": "one\ntwo\n"}},
		{"nested", "explain:\n  lang: zh\n  json: true\n", map[string]any{"explain": map[string]any{"lang": "zh", "json": "true"}}},
		{"nested, one line", "explain: {lang: zh}\n", map[string]any{"explain": map[string]any{"lang": "zh"}}},
		{"comment behind a value", "rate: 500 # slow\n", map[string]any{"rate": "500"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n, err := Parse("c.yaml", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, plain(n)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"same key twice", "rate: 1\nrate: 2\n", "c.yaml:2:1: "},
		{"same key twice, in brackets", "a: {b: 1, b: 2}\n", "already defined at [1:5]\n"},
		{"two documents", "rate: 1\n---\nrate: 2\n", "c.yaml:3:1: a second document"},
		{"open bracket", "a: [1, 2\n", "c.yaml:1:4: "},
		{"open quote", "a: 'x\n", "c.yaml:1:4: "},
		{"tab as indent", "a:\n\tb: 1\n", "c.yaml:2:1: "},
		{"pattern without quotes", "a: {b: [127.0.0.0/8:*]}\n", "stands in quotes"},
		{"anchor", "a: &x 1\n", "c.yaml:1:4: anchors"},
		{"alias", "a: 1\nb: *x\n", "c.yaml:2:4: anchors"},
		{"a text that looks like one", "a:\n- *.example\n", "in quotes a text that begins with *"},
		{"tag", "a: !!str 1\n", "c.yaml:1:4: anchors"},
		{"merge key", "a: {b: 1}\n<<: {c: 2}\n", "c.yaml:2:1: anchors"},
		{"complex key", "? [a]\n: 1\n", "c.yaml:2:1: "},
		{"deep", strings.Repeat("[", 5000), "more than 100 levels"},
		{"long", strings.Repeat("#\n", MaxSize), "longer than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("c.yaml", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// TestErrorf: an error shows the line and points at the value.
func TestErrorf(t *testing.T) {
	t.Parallel()
	root, err := Parse("c.yaml", []byte("json: true\nexplain:\n    läng: zh\x1b[m\n"))
	if err != nil {
		t.Fatal(err)
	}
	field := root.Fields()[1].Value.Fields()[0]
	for _, tt := range []struct {
		name string
		node Node
		want string
	}{
		{"key", field.Key, "c.yaml:3:5: not läng\n        läng: zh[m\n        ^"},
		{"value", field.Value, "c.yaml:3:11: not läng\n        läng: zh[m\n              ^"},
		{"mapping", root.Fields()[1].Value, "c.yaml:3:5: not läng\n        läng: zh[m\n        ^"},
		{"all", root, "c.yaml:1:1: not läng\n    json: true\n    ^"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := tt.node.Errorf("not %s", "läng")
			if diff := cmp.Diff(tt.want, got.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if e := (*Error)(nil); !errors.As(got, &e) || e.Message != "not läng" {
				t.Errorf("%#v is no *Error with the message", got)
			}
			if at := tt.node.At(); !strings.HasPrefix(got.Error(), at+": ") {
				t.Errorf("At() = %q, the error begins %q", at, got)
			}
		})
	}
}

// TestLongLine: of one that is not for people, the place is shown.
func TestLongLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		at   string
	}{
		{"b: 1 #" + strings.Repeat("x", 1000), "b"},
		{strings.Repeat("'", 998) + ": 1", "'"},
		{"{" + strings.Repeat(" ", 1000) + "b: 1," + strings.Repeat(" ", 1000) + "}", "b"},
	} {
		root, err := Parse("c.yaml", []byte(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(root.Fields()[0].Key.Errorf("wrong").Error(), "\n")
		if caret := strings.Index(lines[2], "^"); len(lines[1]) > maxExcerpt+4 || lines[1][caret:caret+1] != tt.at {
			t.Errorf("%.20s is shown as\n%s\n%s", tt.text, lines[1], lines[2])
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	type check struct {
		Name     string        `yaml:"name"`
		Interval time.Duration `yaml:"interval"`
	}
	type watch struct {
		Checks []check `yaml:"checks"`
	}
	parse := func(text string) (w watch, err error) {
		n, err := Parse("w.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return w, n.Decode(&w)
	}
	got, err := parse("checks:\n  - name: shop\n    interval: 1m30s\n")
	if diff := cmp.Diff(watch{[]check{{"shop", 90 * time.Second}}}, got); diff != "" || err != nil {
		t.Errorf("error %v, -want +got:\n%s", err, diff)
	}
	if got, err := parse(""); err != nil || got.Checks != nil {
		t.Errorf("empty file: %+v, error %v", got, err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "checks:\n  - name: shop\n    intervall: 1m\n", "w.yaml:3:5: unknown field \"intervall\"\n        intervall: 1m\n        ^"},
		{"wrong kind", "checks: 5\n", "w.yaml:1:9: "},
		{"no duration", "checks: [{interval: soon}]", "soon"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := parse(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// FuzzParse: whatever is in a file, reading it ends, and what it is read as
// can be pointed at.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a: [1, {b: c}]\n", "- x\n- |\n  y\n", "a: &x 1\nb: *x\n", "? a\n: b\n", "\"\\x\"", "a:\n\t- b", "--- \n...\n---", "<<: 1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := Parse("c.yaml", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "c.yaml:") {
				t.Errorf("error without place: %v", err)
			}
			return
		}
		_ = plain(n)
		_ = n.Errorf("wrong")
	})
}

// TestConceal: what is secret is in no excerpt, and neither is an address, or
// what has the name of a secret, in a file that cannot be read.
func TestConceal(t *testing.T) {
	t.Parallel()
	n, err := Parse("w", []byte("a: {é: 1, url: 'https://x.example/sesame', timeout: 5}\nb: https://y.example/z"))
	if err != nil {
		t.Fatal(err)
	}
	inner := n.Fields()[0].Value.Fields()
	inner[1].Value.Conceal()
	for _, tt := range []struct {
		node Node
		want string
	}{
		{inner[0].Value, "w:1:8: wrong\n    a: {é: 1, url: ***\n           ^"},
		{inner[2].Value, "w:1:53: wrong\n    a: {é: 1, url: ***\n                      ^"},
		{n.Fields()[1].Value, "w:2:4: wrong\n    b: https://y.example/z\n       ^"},
	} {
		if got := tt.node.Errorf("wrong").Error(); got != tt.want {
			t.Errorf("got\n%s\nwant\n%s", got, tt.want)
		}
	}
	for _, text := range []string{
		"a: [https://x.example/sesame, b: }",
		"headers:\n  Authorization: Bearer sesame: x",
		`headers: {X-API-Key: "sesame`,
		`h: {X-Auth: "sesame`,
		`headers: {X-Sent-By: "sesame`,
		"headers: {Authorization: sesame, 'Authorization': sesame}",
	} {
		_, err = Parse("w", []byte(text))
		if err == nil || strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), "****") {
			t.Errorf("a file that is no YAML: %v", err)
		}
	}
}
