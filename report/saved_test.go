package report

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sum is what a file held: results of measurements, and of captures.
func (s Saved) sum() [2]int { return [2]int{len(s.Documents), len(s.Captures)} }

func TestReadSaved(t *testing.T) {
	const doc, capture = `{"schema_version":1,"target":{},"later":[{}]}`, `{"schema_version":1,"capture_position":"client"}`
	for _, tt := range []struct {
		name, in string
		want     [2]int
		err      string // "": none
	}{
		{"one", doc, [2]int{1, 0}, ""},
		{"lines", doc + "\n" + doc + "\n", [2]int{2, 0}, ""},
		{"one behind another", doc + doc + capture, [2]int{2, 1}, ""},
		{"array", "[\n" + doc + ",\n" + doc + "\n]\n", [2]int{2, 0}, ""},
		{"byte order mark", "\ufeff" + doc, [2]int{1, 0}, ""},
		{"empty array", "[\n\n]\n", [2]int{}, "there is no result in it"},
		{"nothing", "", [2]int{}, "there is no result in it"},
		{"cut", doc + "\n" + doc[:20], [2]int{1, 0}, "line 2, column 21: the file ends in the middle of a result"},
		{"cut in a string", doc[:5], [2]int{}, "line 1, column 6: the file ends in the middle of a result"},
		{"cut array", "[" + doc + ",\n", [2]int{1, 0}, "line 2, column 1: the file ends in the middle of a result"},
		{"array without its end", "[" + doc, [2]int{1, 0}, "line 1, column 47: the file ends in the middle of a result"},
		{"behind an array", "[" + doc + "]\n?", [2]int{1, 0}, "line 2, column 1: something follows the results"},
		{"no JSON", doc + "\nhello", [2]int{1, 0}, "line 2, column 1: invalid character 'h'"},
		{"mistake within", doc + "\n" + `{"schema_version":1,` + "\n" + `  "target":{?}}`, [2]int{1, 0}, "line 3, column 13: invalid character '?'"},
		{"number as text", `{"schema_version":"1"}`, [2]int{}, "schema_version holds a string"},
		{"another version with other keys", `{"schema_version":2,"goal":{}}`, [2]int{}, "line 1, column 1: schema_version is 2, and this rstprobe reads 1"},
		{"another version", `{"schema_version":2,"target":{}}`, [2]int{}, "line 1, column 1: schema_version is 2, and this rstprobe reads 1"},
		{"other JSON", ` {"a":1}`, [2]int{}, "line 1, column 2: this is no result of rstprobe"},
		{"a list of numbers", `[1]`, [2]int{}, "line 1, column"},
		{"an export of the history", `{"type":"change","run":1}` + `{"type":"run","run":1,"document":` + doc + `}{"type":"rollup"}{"type":"coverage"}`, [2]int{1, 0}, ""},
		{"a run within a run", `{"type":"run","document":{"type":"run","document":` + doc + `}}`, [2]int{}, "this is no result of rstprobe"},
		{"an export without a run", `{"type":"change","run":1}`, [2]int{}, "there is no result in it"},
		{"history without the evidence", `{"type":"run","run":1}`, [2]int{}, "this is no result of rstprobe"},
		{"a period", `{"schema_version":1,"type":"period"}`, [2]int{}, "write report --from TIME again"},
		{"no address", `{"schema_version":1,"target":{"ip":"here"}}`, [2]int{}, `unable to parse IP`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadSaved(strings.NewReader(tt.in))
			if got.sum() != tt.want {
				t.Errorf("%v results, want %v", got.sum(), tt.want)
			}
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error = %v, want one with %q", err, tt.err)
			}
			at := (*PositionError)(nil)
			if errors.As(err, &at) && at.Truncated != strings.Contains(tt.err, "the file ends") {
				t.Errorf("truncated: %v", at.Truncated)
			}
		})
	}
	broken := errors.New("disk")
	if _, err := ReadSaved(io.MultiReader(strings.NewReader(doc), readerFunc(func([]byte) (int, error) { return 0, broken }))); !errors.Is(err, ErrRead) || !errors.Is(err, broken) {
		t.Errorf("error = %v, want %v of %v", err, ErrRead, broken)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// TestReadSavedWhole: what was written is read back as it was.
func TestReadSavedWhole(t *testing.T) {
	docs := documents(4)
	for _, ext := range []string{".json", ".jsonl"} {
		path := filepath.Join(t.TempDir(), "x"+ext)
		if err := WriteFile(path, docs, nil); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadSaved(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		for i := range docs {
			want, err := docs[i].JSON()
			if err != nil {
				t.Fatal(err)
			}
			line, err := got.Documents[i].JSON()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(line)); diff != "" {
				t.Errorf("%s, result %d (-written +read):\n%s", ext, i, diff)
			}
		}
	}
}

// FuzzSaved: whatever a file holds, it is refused, or rendered in every format.
func FuzzSaved(f *testing.F) {
	for _, ex := range append(examples(), attemptedExamples()...) {
		line, err := New(ex.res, meta).JSON()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Add([]byte(`{"schema_version":1,"target":{},"tests":[{"location":{"device_ttl":3}}]}`))
	f.Add([]byte(`{"schema_version":1,"target":{},"attempts":[{"kind":"sni","role":"test","manner":"sweep","steps":[{"ttl":3}],"test":1}],"tests":[{"kind":"sni"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		saved, err := ReadSaved(bytes.NewReader(text))
		if err != nil && len(saved.Documents) == 0 {
			return
		}
		docs := saved.Documents
		for i := range docs {
			docs[i] = NewRedactor(2).Document(docs[i])
		}
		for _, format := range formats {
			if format.extension == pcapngExtension {
				continue
			}
			if err := format.write(io.Discard, docs, nil); err != nil {
				t.Logf("%s: %v", format.extension, err) // such as a time that JSON cannot hold
			}
		}
	})
}
