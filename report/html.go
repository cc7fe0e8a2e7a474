package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rstprobe/rstprobe/probe"
)

// htmlResults is what the template for results shows.
type htmlResults struct {
	Title   string
	Results []htmlResult
	Several bool
	Data    htmlData
}

// htmlResult is the result for one target.
type htmlResult struct {
	ID                      string
	Target                  string
	Known                   string // of the server's address
	Outcome, Class, Summary string
	Warnings                []string
	Next                    []string
	PathTitle               string
	Route                   *routeDrawing
	Table                   *htmlTable
	Boxes                   []string // where no path is drawn
	Legend                  string
	Remarks                 []string
	Overview                *htmlTable
	Tests                   []htmlTest
	Method                  []htmlField
	Settings                *htmlTable
	Command                 string
}

// htmlTest is one test.
type htmlTest struct {
	ID            string
	Number        int
	Title         string
	Outcome, Tone string // Tone is bad, good or warn
	Fields        []htmlField
	For, Against  []htmlEvidence
	Ladders       []*htmlDrawing
	Legend        string // of the ladders
	See           int    // a test with ladders that show this one as well; 0: there is none
	Matrix        *htmlTable
}

type htmlEvidence struct {
	Rule, Detail, Packets, Supports string
	Decisive                        bool
}

// HTML writes results as one page that needs nothing else: no network, no
// script. It has the parts of Text, with the path and the decisive packets
// drawn, and the JSON of the results: an object, or an array of several.
func HTML(w io.Writer, docs []Document) error {
	page := htmlResults{Title: "rstprobe", Several: len(docs) != 1}
	var targets []string
	for i, d := range docs {
		page.Results = append(page.Results, d.html(i))
		targets = append(targets, d.Target.Input)
	}
	if len(targets) > 0 {
		page.Title += " " + targets[0]
	}
	if more := len(targets) - 1; more > 0 {
		page.Title += " and " + count(more, "other target", "other targets")
	}
	lines, err := encode(docs)
	if err != nil {
		return err
	}
	data := bytes.Join(lines, []byte(",\n"))
	if page.Several {
		data = slices.Concat([]byte("["), data, []byte("]"))
	}
	page.Data = newHTMLData("result", data)
	return render(w, "results", page)
}

// html is the document as the n-th of a page.
func (d Document) html(n int) htmlResult {
	out := htmlResult{
		ID: fmt.Sprintf("result-%d", n+1), Target: d.targetText(), Known: d.Target.Identity.text(),
		Outcome: strings.ToUpper(string(d.Verdict.Outcome)), Class: string(d.Verdict.Outcome), Summary: d.Verdict.Summary,
		PathTitle: d.pathTitle(), Route: d.route(), Remarks: d.remarks(), Legend: legend,
		Method: d.method(),
	}
	if d.Interrupted {
		out.Warnings = append(out.Warnings, "INTERRUPTED: the measurement was stopped before its end; this is what it had found.")
	}
	if warning := d.rerouted(); warning != "" {
		out.Warnings = append(out.Warnings, "REROUTED: "+warning)
	}
	if out.Route != nil {
		table := htmlPathTable(d)
		out.Table = &table
	} else {
		for _, m := range d.marks() {
			out.Boxes = append(out.Boxes, "BOX "+m.text)
		}
	}
	if len(d.Settings) > 0 {
		table := d.settingsTable()
		out.Settings = &htmlTable{Class: "wraps", Header: table[0]}
		for _, cells := range table[1:] {
			out.Settings.Rows = append(out.Settings.Rows, htmlRow{Cells: cells})
		}
	}
	if len(d.Tests) > 1 {
		out.Overview = d.overview()
	}
	for i, t := range d.Tests {
		out.Tests = append(out.Tests, d.htmlTest(i, t, out.ID))
	}
	out.Next = d.next()
	if len(d.Tests) > 0 {
		out.Command = d.command()
	}
	return out
}

// next is what to do next, each thing once with the tests that it is for.
func (d Document) next() []string {
	var steps []string
	tests := map[string][]int{}
	for i, t := range d.Tests {
		if t.Next == "" {
			continue
		}
		if tests[t.Next] == nil {
			steps = append(steps, t.Next)
		}
		tests[t.Next] = append(tests[t.Next], i+1)
	}
	if len(d.Tests) > 1 {
		for i, step := range steps {
			steps[i] = fmt.Sprintf("%s %s: %s", plural(len(tests[step]), "Test", "Tests"), ranges(tests[step]), step)
		}
	}
	return steps
}

// overview is a line per test.
func (d Document) overview() *htmlTable {
	out := &htmlTable{Class: "wraps many", Header: []string{"", "test", "outcome", "author", "cause", "confidence", "place"}}
	for i, t := range d.Tests {
		row := htmlRow{Cells: []string{fmt.Sprint(i + 1), t.question(), string(t.Outcome), string(t.Author), string(t.Cause), string(t.Confidence), ""}}
		if t.Location != nil {
			row.Cells[6] = t.Location.place()
		}
		if t.tone() == "bad" {
			row.Class = "bad"
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// question is the title without the names of the controls.
func (t Test) question() string {
	t.ControlNames = nil
	return t.title()
}

// tone is good where nothing is wrong, bad where a box is, else warn.
func (t Test) tone() string {
	switch {
	case t.Outcome == probe.OK, t.Author == probe.Server:
		return "good"
	case boxAuthor(t.Author):
		return "bad"
	}
	return "warn"
}

func (d Document) htmlTest(i int, t Test, id string) htmlTest {
	out := htmlTest{
		ID: fmt.Sprintf("%s-test-%d", id, i+1), Number: i + 1, Title: t.title(),
		Outcome: string(t.Outcome), Tone: t.tone(),
		For: htmlEvidences(t.Evidence), Against: htmlEvidences(t.Against),
	}
	for _, f := range t.fields(true) {
		if !slices.Contains([]string{"for", "against", "next"}, f.label) {
			out.Fields = append(out.Fields, htmlField{f.label, f.items})
		}
	}
	for _, e := range d.exchangesOf(i + 1) {
		if e.Tests[0] == i+1 {
			out.Ladders = append(out.Ladders, d.ladder(e, t).html(upperFirst(e.title())))
		} else {
			out.See = e.Tests[0]
		}
	}
	if len(out.Ladders) > 0 {
		out.Legend = ladderLegend
		if slices.ContainsFunc(d.exchangesOf(i+1), Exchange.sweeps) {
			out.Legend += sweepLegend
		}
	}
	if len(t.Matrix) > 0 {
		table := &htmlTable{Class: "wraps", Header: append(slices.Clone(matrixHeader), "name")}
		for _, v := range t.Matrix {
			row := htmlRow{Cells: append(v.cells(), v.Name)}
			if v.Acted > 0 {
				row.Class = "bad"
			}
			table.Rows = append(table.Rows, row)
		}
		out.Matrix = table
	}
	return out
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func htmlEvidences(evidence []Evidence) []htmlEvidence {
	var out []htmlEvidence
	for _, e := range evidence {
		one := htmlEvidence{Rule: string(e.Rule), Detail: e.Detail, Decisive: e.Decisive}
		if e.Supports != probe.Undetermined {
			one.Supports = "speaks for " + string(e.Supports)
		}
		if len(e.Packets) > 0 {
			one.Packets = packetList(e.Packets)
		}
		out = append(out, one)
	}
	return out
}

// modeText says how packets were sent.
var modeText = map[string]string{
	"raw":    "packets of our own over raw sockets",
	"kernel": "ordinary sockets",
	"auto":   "nothing was sent",
}

// method says how the result came about, and with which settings.
func (d Document) method() []htmlField {
	var controls, places []string
	for _, t := range d.Tests {
		for _, c := range t.ControlNames {
			if !slices.Contains(controls, c) {
				controls = append(controls, c)
			}
		}
		if l := t.Location; l != nil && !slices.Contains(places, l.how()) {
			places = append(places, l.how())
		}
	}
	packets := fmt.Sprintf("%d sent", d.PacketsSent)
	if d.PacketsDropped > 0 {
		packets += fmt.Sprintf("; %s DROPPED by our own kernel, which lowers the confidence", count(d.PacketsDropped, "answer", "answers"))
	}
	var out []htmlField
	add := func(label string, items ...string) {
		if items = slices.DeleteFunc(items, func(s string) bool { return s == "" }); len(items) > 0 {
			out = append(out, htmlField{label, items})
		}
	}
	add("comparison", d.comparison()...)
	add("controls", strings.Join(controls, ", "))
	add("place", places...)
	add("mode", join(": ", d.Mode, modeText[d.Mode]))
	if d.SourceIP.IsValid() {
		add("from", d.SourceIP.String())
	}
	add("started", d.StartedAt.Format("2006-01-02 15:04:05.000 MST"))
	add("took", d.took())
	add("packets", packets)
	add("program", "rstprobe "+d.Version)
	add("run", d.RunID)
	return out
}
