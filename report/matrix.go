package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/terminal"
	"github.com/rstprobe/rstprobe/probe"
)

// Variant is one way of saying the name, or of sending it, and what became of
// it: a row of the matrix that shows what exactly triggers.
type Variant struct {
	Name  string              `json:"name"`
	Doc   string              `json:"doc"`
	Acted int                 `json:"acted"`
	Total int                 `json:"total"`
	Ends  List[probe.Outcome] `json:"ends"`
}

func newMatrix(rows []diagnosis.Variant) List[Variant] {
	out := List[Variant]{}
	for _, v := range rows {
		out = append(out, Variant{Name: v.Name, Doc: v.Doc, Acted: v.Acted, Total: v.Total, Ends: append(List[probe.Outcome]{}, v.Ends...)})
	}
	return out
}

const matrixTitle = "what exactly triggers; acted: how many met another end than a control of the same form"

var matrixHeader = []string{"acted", "ended", "what was sent"}

// cells are the columns of a row, as matrixHeader names them.
func (v Variant) cells() []string {
	if v.Total == 0 {
		return []string{"-", "-", v.Doc + " (tells nothing: its control failed too)"}
	}
	var ends []string
	for _, e := range v.Ends {
		if !slices.Contains(ends, string(e)) {
			ends = append(ends, string(e))
		}
	}
	return []string{fmt.Sprintf("%d/%d", v.Acted, v.Total), strings.Join(ends, ", "), v.Doc}
}

// matrix prints one line per variant.
func (p *printer) matrix(rows []Variant) {
	if len(rows) == 0 {
		return
	}
	p.field(field{"triggers", []string{matrixTitle}})
	table := [][]string{matrixHeader}
	for _, v := range rows {
		cells := v.cells()
		if p.style.Verbose {
			cells[2] = v.Name + ": " + cells[2]
		}
		table = append(table, cells)
	}
	var widths [2]int
	for _, cells := range table {
		for i := range widths {
			cells[i] = p.clean(cells[i])
			widths[i] = max(widths[i], terminal.Width(cells[i]))
		}
	}
	for i, cells := range table {
		color := ""
		if i > 0 && rows[i-1].Acted > 0 {
			color = red
		}
		first := fmt.Sprintf("    %-*s  %-*s  ", widths[0], cells[0], widths[1], cells[1])
		p.wrap(first, strings.Repeat(" ", terminal.Width(first)), cells[2], color)
	}
}

// markdownMatrix writes the matrix as a table.
func markdownMatrix(b *strings.Builder, rows []Variant) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "**triggers:** %s\n\n| %s | name |\n|---|---|---|---|\n", escape(matrixTitle), strings.Join(matrixHeader, " | "))
	for _, v := range rows {
		for _, c := range append(v.cells(), v.Name) {
			b.WriteString("| " + escape(c) + " ")
		}
		b.WriteString("|\n")
	}
	b.WriteByte('\n')
}
