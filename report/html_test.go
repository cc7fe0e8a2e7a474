package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
)

func liveHTML(t *testing.T, docs ...Document) (*element, []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, docs); err != nil {
		t.Fatal(err)
	}
	return parsed(t, b.Bytes()), b.Bytes()
}

// TestHTML: the page has all that the text has, with the path and the packets
// drawn, the verdict first, and nothing from elsewhere.
func TestHTML(t *testing.T) {
	for _, ex := range examples() {
		t.Run(ex.name, func(t *testing.T) {
			d := New(ex.res, meta)
			root, page := liveHTML(t, d)
			sane(t, root, page)
			body := strings.Join(strings.Fields(root.all("body", "")[0].words()), " ")
			first := root.all("article", "")[0].children[1]
			if words := first.words(); first.attr["class"] != "verdict "+string(d.Verdict.Outcome) || !strings.Contains(words, strings.ToUpper(string(d.Verdict.Outcome))) {
				t.Errorf("%q is below the title, want the verdict", words)
			}
			says := func(s string) {
				if s = strings.Join(strings.Fields(clean(s, true)), " "); !strings.Contains(body, s) {
					t.Errorf("the page does not say %q", s)
				}
			}
			says(d.Verdict.Summary)
			says(d.pathTitle())
			for _, r := range d.pathRows() {
				for _, cell := range append(r.cells, r.name, r.network) {
					says(cell)
				}
			}
			for _, m := range d.marks() {
				says(m.text)
			}
			for _, r := range d.remarks() {
				says(r)
			}
			for _, test := range d.Tests {
				says(test.title())
				says(test.Next)
				for _, e := range slices.Concat(test.Evidence, test.Against) {
					says(e.Detail)
					says(string(e.Rule))
					says(ranges(e.Packets[:min(len(e.Packets), maxRanges)]))
				}
				for _, f := range test.fields(true) {
					if f.label != "for" && f.label != "against" {
						for _, item := range f.items {
							says(item)
						}
					}
				}
				for _, v := range test.Matrix {
					says(v.Name)
				}
			}
			if n := len(root.all("svg", "ladder")); n != len(d.Exchanges) {
				t.Errorf("%d ladders, want %d", n, len(d.Exchanges))
			}
			var embedded any
			if err := json.Unmarshal([]byte(root.all("script", "")[0].text), &embedded); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHTMLOfSaved: the JSON alone makes the same page, and so does that inside
// of the page.
func TestHTMLOfSaved(t *testing.T) {
	for _, ex := range examples() {
		if ex.name == "hostile" { // what is not UTF-8 cannot come back from JSON
			continue
		}
		d := New(ex.res, meta)
		root, page := liveHTML(t, d)
		saved, err := Read(strings.NewReader(root.all("script", "")[0].text))
		if err != nil {
			t.Fatal(err)
		}
		if _, again := liveHTML(t, saved); !bytes.Equal(page, again) {
			t.Errorf("%s: another page (-measured +saved):\n%s", ex.name, cmp.Diff(string(page), string(again)))
		}
	}
}

// TestHTMLOfOlder: a result of a version that kept no packets has a page
// without ladders.
func TestHTMLOfOlder(t *testing.T) {
	var keys map[string]any
	line, err := New(everything(), meta).JSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(line, &keys); err != nil {
		t.Fatal(err)
	}
	delete(keys, "exchanges")
	if line, err = json.Marshal(keys); err != nil {
		t.Fatal(err)
	}
	d, err := Read(bytes.NewReader(line))
	if err != nil {
		t.Fatal(err)
	}
	root, page := liveHTML(t, d)
	sane(t, root, page)
	if len(root.all("svg", "ladder")) > 0 || strings.Contains(root.words(), "on the wire") || len(root.all("svg", "route")) == 0 {
		t.Error("the page has ladders, or no path")
	}
}

// TestHTMLDraws: the drawing of the packets marks what is forged by a word.
func TestHTMLDraws(t *testing.T) {
	root, _ := liveHTML(t, New(everything(), meta))
	ladders := root.all("svg", "ladder")
	var forged []string
	for _, g := range ladders[0].all("g", "packet") {
		if number := g.all("text", "number")[0].words(); strings.Contains(g.words(), forgedMark) {
			forged = append(forged, number)
			if len(g.all("path", "cross")) != 1 || g.attr["class"] != "packet foreign" {
				t.Errorf("packet %s: class %q, and no cross where it begins", number, g.attr["class"])
			}
		}
	}
	if diff := cmp.Diff([]string{"#12", "#14", "#15", "#16"}, forged); diff != "" {
		t.Errorf("forged packets (-want +got):\n%s", diff)
	}
	second := root.all("section", "")[1]
	if len(second.all("svg", "ladder")) != 0 || len(second.all("a", "")) != 1 {
		t.Error("what is drawn at the first test is drawn again at the second, or is not pointed at")
	}
}

// TestHTMLSeveral: several results are one page, with a line for each at the
// top and one array of JSON.
func TestHTMLSeveral(t *testing.T) {
	docs := documents(3)
	root, page := liveHTML(t, docs...)
	sane(t, root, page)
	var lines []string
	for _, a := range root.all("table", "")[0].all("a", "") {
		lines = append(lines, a.attr["href"])
	}
	if diff := cmp.Diff([]string{"#result-1", "#result-2", "#result-3"}, lines); diff != "" {
		t.Errorf("lines at the top (-want +got):\n%s", diff)
	}
	var embedded []Document
	if err := json.Unmarshal([]byte(root.all("script", "")[0].text), &embedded); err != nil || len(embedded) != 3 {
		t.Errorf("%d results in the page, error %v", len(embedded), err)
	}
	if title := root.all("title", "")[0].text; title != "rstprobe example.com:443 and 2 other targets" {
		t.Errorf("title %q", title)
	}
	none, page := liveHTML(t)
	sane(t, none, page)
	if got := none.all("script", "")[0].text; got != "[]" {
		t.Errorf("JSON of no result: %s", got)
	}
}

// TestHTMLHostile: whatever the network says stays text.
func TestHTMLHostile(t *testing.T) {
	root, page := liveHTML(t, New(markedUp(), meta))
	sane(t, root, page)
	if n := len(root.all("script", "")); n != 1 || bytes.Contains(page, []byte(markup)) || !strings.Contains(root.words(), markup) {
		t.Errorf("%d scripts, want the JSON, and the markup only as text", n)
	}
}

func TestHTMLTooLarge(t *testing.T) {
	res := nothingInterferes()
	res.Summary = strings.Repeat("x", maxEmbedded)
	root, _ := liveHTML(t, New(res, meta))
	if len(root.all("script", "")) != 0 || !strings.Contains(root.words(), "too large for this page") {
		t.Error("a page with megabytes of JSON, or one that does not say why it has none")
	}
}

func TestHTMLNext(t *testing.T) {
	tests := func(next ...string) (d Document) {
		for _, n := range next {
			d.Tests = append(d.Tests, Test{Next: n})
		}
		return d
	}
	for _, tt := range []struct {
		d    Document
		want []string
	}{
		{tests(), nil}, {tests(""), nil}, {tests("a"), []string{"a"}},
		{tests("a", "", "b", "a"), []string{"Tests 1, 4: a", "Test 3: b"}},
	} {
		if diff := cmp.Diff(tt.want, tt.d.next()); diff != "" {
			t.Errorf("next (-want +got):\n%s", diff)
		}
	}
}

func TestHTMLFails(t *testing.T) {
	if err := HTML(failing{}, documents(1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v, want that of the writer", err)
	}
}

// TestHTMLEmpty: a result of nothing at all has a page, too.
func TestHTMLEmpty(t *testing.T) {
	root, page := liveHTML(t, New(diagnosis.Result{}, Meta{}), Document{})
	sane(t, root, page)
	if words := root.words(); !strings.Contains(words, "INCONCLUSIVE") || !strings.Contains(words, "not traced") {
		t.Errorf("the page says %s", fmt.Sprintf("%.300q", words))
	}
}
