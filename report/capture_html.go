package report

import (
	_ "embed" // for the template
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/rstprobe/rstprobe/internal/explain/twoends"
)

//go:embed capture.html.tmpl
var captureHTML string

// captureTemplate is parsed once; it escapes whatever is put into it.
var captureTemplate = template.Must(template.New("capture").Funcs(template.FuncMap{
	"clean": func(s string) string { return clean(s, true) },
}).Parse(captureHTML))

// maxEmbedded is the largest JSON, in bytes, that goes into the HTML: what a
// browser opens at once.
const maxEmbedded = 4 << 20

// htmlPage is what the template shows.
type htmlPage struct {
	Title, Lang, Outcome, Summary, Class string
	Notes                                []htmlField
	Sweep                                *htmlSweep
	Ends                                 *htmlEnds
	Groups                               []htmlGroup
	Harmless                             string
	Ladders                              string      // what to say about those not drawn; "": all are
	JSON                                 template.JS // encoding/json escapes <, > and &, so that it ends no element
	Left                                 string      // why there is no JSON
}

type htmlField struct {
	Label string
	Items []string
}

// htmlGroup are the findings of one cause.
type htmlGroup struct {
	Title    string
	Count    int
	Findings []htmlFinding
}

type htmlFinding struct {
	ID              int // from 1, as in the text
	Title, Sentence string
	Fields          []htmlField
	Drawing         *htmlDrawing
	See             int // the finding that has the drawing; 0: it is here, or nowhere
}

type htmlDrawing struct {
	drawing
	Notes   []string
	Omitted string
	Three   bool
}

type htmlTable struct {
	Header []string
	Rows   []htmlRow
}

type htmlRow struct {
	Cells []string
	Class string // box, bad or "" for nothing of note
	Wide  string // instead of cells
}

type htmlSweep struct {
	Title   string
	Fields  []htmlField
	Path    string
	Table   htmlTable
	Legend  string
	Remarks []string
}

type htmlEnds struct {
	Title string
	Pairs []htmlPair
}

type htmlPair struct {
	Items   []htmlFinding
	Table   *htmlTable
	Drawing *htmlDrawing
}

// CaptureHTML writes c as one page that needs nothing else: no network, no
// script. It has the parts of CaptureText, with the packets of each
// conversation drawn as far as reread shows them, and the JSON.
func CaptureHTML(w io.Writer, c Capture, style CaptureStyle, reread Reread) error {
	page, err := c.page(style, reread)
	if err != nil {
		return err
	}
	if err := captureTemplate.Execute(w, page); err != nil {
		return fmt.Errorf("report: write HTML: %w", err)
	}
	return nil
}

func (c *Capture) page(style CaptureStyle, reread Reread) (*htmlPage, error) {
	page := &htmlPage{
		Title: "rstprobe explain " + c.File, Lang: "en", Class: string(c.Verdict.Outcome),
		Outcome: strings.ToUpper(string(c.Verdict.Outcome)), Summary: c.Verdict.in(style.Chinese), Notes: htmlFields(c.notes()),
	}
	if style.Chinese {
		page.Lang = "zh"
	}
	line, err := c.JSON()
	if err != nil {
		return nil, err
	}
	if len(line) <= maxEmbedded {
		page.JSON = template.JS(line) //nolint:gosec // see htmlPage.JSON
	} else {
		page.Left = fmt.Sprintf("The JSON, %d bytes, is too large for this page; -o FILE.json writes it.", len(line))
	}
	told, quiet := c.told(style.All)
	ladders, err := c.ladders(told, reread)
	if err != nil {
		return nil, err
	}
	page.Groups, page.Harmless, page.Ladders = htmlGroups(told, ladders, style.Chinese), quiet, undrawn(told, ladders, reread)
	if c.Sweep != nil {
		page.Sweep = c.Sweep.html()
	}
	if c.BothEnds != nil {
		page.Ends = c.BothEnds.html(style.Chinese)
	}
	return page, nil
}

// undrawn says which conversations are not drawn, and why; "": all are.
func undrawn(told []finding, ladders map[*CaptureFlow]*ladder, reread Reread) string {
	flows := map[*CaptureFlow]bool{}
	for _, f := range told {
		flows[f.flow] = true
	}
	switch n := len(flows) - len(ladders); {
	case n == 0:
		return ""
	case reread == nil:
		return "No conversation is drawn: " + errOnce.Error() + "."
	default:
		return fmt.Sprintf("%s not drawn: there is room for %d.", count(n, "more conversation is", "more conversations are"), maxLadders)
	}
}

// htmlGroups are findings by cause, in the order of the first of each.
func htmlGroups(told []finding, ladders map[*CaptureFlow]*ladder, chinese bool) []htmlGroup {
	var out []htmlGroup
	drawn := map[*CaptureFlow]int{}
	for i, f := range told {
		kind := f.kind()
		at := slices.IndexFunc(out, func(g htmlGroup) bool { return g.Title == kind })
		if at < 0 {
			at = len(out)
			out = append(out, htmlGroup{Title: kind})
		}
		one := htmlFinding{
			ID: i + 1, Title: f.title(), Sentence: f.sentence(chinese), Fields: htmlFields(f.fields()), See: drawn[f.flow],
		}
		if l := ladders[f.flow]; l != nil && one.See == 0 {
			one.Drawing, drawn[f.flow] = l.html(), one.ID
		}
		g := &out[at]
		g.Count += 1 + len(f.alike)
		g.Findings = append(g.Findings, one)
	}
	return out
}

func (l *ladder) html() *htmlDrawing {
	return &htmlDrawing{drawing: l.svg(), Notes: l.notes(), Omitted: l.omitted(), Three: l.places == threePlaces}
}

func htmlFields(fields []field) []htmlField {
	var out []htmlField
	for _, f := range fields {
		out = append(out, htmlField{f.label, f.items})
	}
	return out
}

// html is the sweep with its path.
func (s *Sweep) html() *htmlSweep {
	d := s.document()
	out := &htmlSweep{
		Title: s.title(), Fields: htmlFields(s.fields()), Path: d.pathTitle(), Legend: legend, Remarks: d.remarks(),
		Table: htmlTable{Header: append(slices.Clone(header), "")},
	}
	box := func(m mark) htmlRow { return htmlRow{Class: "box", Wide: "BOX " + m.text} }
	marks := d.marks()
	for _, h := range d.Path.Hops {
		for ; len(marks) > 0 && marks[0].after < h.TTL; marks = marks[1:] {
			out.Table.Rows = append(out.Table.Rows, box(marks[0]))
		}
		row := htmlRow{Cells: append(h.cells(), h.note())}
		if inside(h.TTL, d.marks()) {
			row.Cells[0] = "? " + row.Cells[0]
		}
		if interferes(h.Test) {
			row.Class = "bad"
		}
		out.Table.Rows = append(out.Table.Rows, row)
	}
	for _, m := range marks {
		out.Table.Rows = append(out.Table.Rows, box(m))
	}
	return out
}

// html is what both captures show together.
func (e *BothEnds) html(chinese bool) *htmlEnds {
	out := &htmlEnds{Title: e.title()}
	found := func(one item) htmlFinding {
		return htmlFinding{Title: one.title, Sentence: one.summary[language(chinese)], Fields: htmlFields(one.fields)}
	}
	for i := range e.Pairs {
		p := &e.Pairs[i]
		var pair htmlPair
		for _, one := range p.told() {
			pair.Items = append(pair.Items, found(one))
		}
		if len(pair.Items) > 0 && i < maxLadders && len(p.shownRows()) > 0 {
			pair.Drawing = p.ladder(e.Clock).html()
		}
		table := htmlTable{Header: rowHeader}
		for _, r := range p.Rows {
			row := htmlRow{Cells: r.cells()}
			if r.Fate == twoends.Injected {
				row.Class = "bad"
			}
			table.Rows = append(table.Rows, row)
		}
		if len(table.Rows) > 0 {
			pair.Table = &table
		}
		out.Pairs = append(out.Pairs, pair)
	}
	for i := range e.Missing {
		out.Pairs = append(out.Pairs, htmlPair{Items: []htmlFinding{found(e.Missing[i].told())}})
	}
	return out
}
