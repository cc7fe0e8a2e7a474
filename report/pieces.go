package report

import (
	_ "embed" // for the style sheet
	"html/template"
	"strings"
)

// Stylesheet is the style sheet of all pages. Colours are custom properties, by
// day, by night and on paper, for what others build around the pieces of a
// page to have the same look.
//
//go:embed templates/style.css
var Stylesheet string

// PathPicture is the picture of the path as pages have it, with its legend; ""
// if the path was not traced. It needs Stylesheet.
func (d Document) PathPicture() (template.HTML, error) {
	drawing := d.route()
	if drawing == nil {
		return "", nil
	}
	return piece("route", drawing)
}

// PathTable is the path as the table that pages have, with the boxes between
// its rows.
func (d Document) PathTable() (template.HTML, error) { return piece("table", htmlPathTable(d)) }

// PathTitle says in a few words how far the path goes.
func (d Document) PathTitle() string { return clean(d.pathTitle(), true) }

// Clean is text from the network or a user without what would change how the
// text around it is shown, such as controls and marks for the other direction.
func Clean(s string) string { return clean(s, true) }

func piece(name string, v any) (template.HTML, error) {
	var b strings.Builder
	err := render(&b, name, v)
	return template.HTML(b.String()), err //nolint:gosec // written by the templates of this package, which escape
}
