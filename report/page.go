package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed templates
var templateFiles embed.FS

// pages are the templates of all HTML, parsed once; they escape whatever is
// put into them.
var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"clean": func(s string) string { return clean(s, true) },
	"css":   func() template.CSS { return template.CSS(Stylesheet) }, //nolint:gosec // our own
}).ParseFS(templateFiles, "templates/*.tmpl"))

// render writes the page that a template makes of v.
func render(w io.Writer, name string, v any) error {
	if err := pages.ExecuteTemplate(w, name, v); err != nil {
		return fmt.Errorf("report: write HTML: %w", err)
	}
	return nil
}

// maxEmbedded is the largest JSON, in bytes, that goes into a page: what a
// browser opens at once.
const maxEmbedded = 4 << 20

// htmlData is the JSON inside a page.
type htmlData struct {
	ID   string
	JSON template.JS // encoding/json escapes <, > and &, so that it ends no element
	Left string      // why there is none
}

func newHTMLData(id string, line []byte) htmlData {
	if len(line) > maxEmbedded {
		return htmlData{Left: fmt.Sprintf("The JSON, %d bytes, is too large for this page; -o FILE.json writes it.", len(line))}
	}
	return htmlData{ID: id, JSON: template.JS(line)} //nolint:gosec // see htmlData.JSON
}

// htmlField is one labelled part of what there is to say.
type htmlField struct {
	Label string
	Items []string
}

func htmlFields(fields []field) []htmlField {
	var out []htmlField
	for _, f := range fields {
		out = append(out, htmlField{f.label, f.items})
	}
	return out
}

type htmlTable struct {
	Class  string // path, wraps, many or ""
	Header []string
	Rows   []htmlRow
}

type htmlRow struct {
	Cells []string
	Class string // box, bad or "" for nothing of note
	Wide  string // instead of cells
}

// mostZoned is how many letters of an address a table shows: all, with the
// zone that a system may give it (IFNAMSIZ is 16 on Linux).
const mostZoned = 39 + len("%") + 16

// htmlPathTable is the path as a table, with the boxes between its rows.
func htmlPathTable(d Document) htmlTable {
	out := htmlTable{Class: "path", Header: append(header[:len(header):len(header)], "name", "network")}
	d.eachRow(d.pathRows(),
		func(m mark) { out.Rows = append(out.Rows, htmlRow{Class: "box", Wide: "BOX " + m.text}) },
		func(r pathRow) {
			row := htmlRow{Cells: append(r.cells, r.name, r.network)}
			row.Cells[0] = join(" ", r.gutter, row.Cells[0])
			row.Cells[1] = cut(clean(row.Cells[1], true), mostZoned)
			if interferes(r.test) {
				row.Class = "bad"
			}
			out.Rows = append(out.Rows, row)
		})
	return out
}

// htmlDrawing is a ladder with what stands around it.
type htmlDrawing struct {
	drawing
	What    string // "": what stands above says it
	Notes   []string
	Omitted string
}

func (l *ladder) html(what string) *htmlDrawing {
	return &htmlDrawing{drawing: l.svg(), What: what, Notes: l.notes(), Omitted: l.omitted()}
}

// How to read ladders.
const (
	crossLegend     = "Dashed with a cross: not known to be sent, or received, by the end whose name it has."
	ladderLegend    = "Time runs down the page, to scale but for a least distance between packets. " + crossLegend
	sweepLegend     = " A copy with a small TTL ends on the way, where the router is that discards it."
	twoLadderLegend = "The dotted line is the path between both captures; packet numbers are those of the client's and the server's capture. " + crossLegend
)
