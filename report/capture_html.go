package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rstprobe/rstprobe/internal/explain/twoends"
)

// htmlPage is what the template shows.
type htmlPage struct {
	Title, Outcome, Summary, Class string
	Lang                           string // of the sentences, where it is not the page's; "": it is
	Notes                          []htmlField
	Sweep                          *htmlSweep
	Ends                           *htmlEnds
	Groups                         []htmlGroup
	Harmless                       string
	Ladders                        string // what to say about those not drawn; "": all are
	Legend                         string // of those that are; "": none is
	Data                           htmlData
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

type htmlSweep struct {
	Title   string
	Fields  []htmlField
	Path    string
	Route   *routeDrawing
	Table   htmlTable
	Legend  string
	Remarks []string
}

type htmlEnds struct {
	Title  string
	Own    string // of the resets that an end sent itself; "": none
	Legend string
	Pairs  []htmlPair
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
	return render(w, "capture", page)
}

func (c *Capture) page(style CaptureStyle, reread Reread) (*htmlPage, error) {
	page := &htmlPage{
		Title: "rstprobe explain " + c.File, Class: string(c.Verdict.Outcome),
		Outcome: strings.ToUpper(string(c.Verdict.Outcome)), Summary: c.Verdict.in(style.Chinese), Notes: htmlFields(c.notes()),
	}
	if style.Chinese {
		page.Lang = "zh-Hans"
	}
	line, err := c.JSON()
	if err != nil {
		return nil, err
	}
	page.Data = newHTMLData("explanation", line)
	told, quiet := c.told(style.All)
	ladders, err := c.ladders(told, reread)
	if err != nil {
		return nil, err
	}
	page.Groups, page.Harmless, page.Ladders = htmlGroups(told, ladders, style.Chinese), quiet, undrawn(told, ladders, reread)
	if len(ladders) > 0 {
		page.Legend = ladderLegend
	}
	if c.Sweep != nil {
		page.Sweep = c.Sweep.html()
	}
	if c.BothEnds != nil {
		page.Ends = c.BothEnds.html(style.Chinese)
		page.Ends.Own = c.ownResets()
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
			one.Drawing, drawn[f.flow] = l.html(""), one.ID
		}
		g := &out[at]
		g.Count += 1 + len(f.alike)
		g.Findings = append(g.Findings, one)
	}
	return out
}

// html is the sweep with its path.
func (s *Sweep) html() *htmlSweep {
	d := s.document()
	return &htmlSweep{
		Title: s.title(), Fields: htmlFields(s.fields()), Path: d.pathTitle(), Legend: legend, Remarks: d.remarks(),
		Route: d.route(), Table: htmlPathTable(d),
	}
}

// html is what both captures show together.
func (e *BothEnds) html(chinese bool) *htmlEnds {
	out := &htmlEnds{Title: e.title(), Legend: twoLadderLegend}
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
			pair.Drawing = p.ladder(e.Clock).html("")
		}
		table := htmlTable{Header: lastFirst(rowHeader)}
		for _, r := range p.Rows {
			row := htmlRow{Cells: lastFirst(r.cells())}
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

// lastFirst moves the column that decides, the packet's fate, to where a phone
// shows it.
func lastFirst(cells []string) []string {
	n := len(cells) - 1
	return slices.Concat(cells[n:], cells[:n])
}
