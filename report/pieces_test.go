package report

import (
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
)

// TestPieces: what others build pages of is what a page of results has, and as
// safe.
func TestPieces(t *testing.T) {
	for _, ex := range examples() {
		d := New(ex.res, meta)
		var page strings.Builder
		if err := HTML(&page, []Document{d}); err != nil {
			t.Fatal(err)
		}
		picture, err := d.PathPicture()
		if err != nil {
			t.Fatal(err)
		}
		table, err := d.PathTable()
		if err != nil {
			t.Fatal(err)
		}
		if traced := len(d.Path.Hops) > 0; traced != (picture != "") {
			t.Errorf("%s: traced %v, picture %q", ex.name, traced, picture)
		} else if traced && (!strings.Contains(page.String(), string(picture)) || !strings.Contains(page.String(), string(table))) {
			t.Errorf("%s: the page has another picture or table", ex.name)
		}
		if !strings.Contains(page.String(), Stylesheet) {
			t.Errorf("%s: the page has another style sheet", ex.name)
		}
	}
	d := New(markedUp(), meta)
	picture, err := d.PathPicture()
	if err != nil || strings.Contains(string(picture), "<img") {
		t.Errorf("of hostile names: %v, %s", err, picture)
	}
	if got := New(diagnosis.Result{}, meta).PathTitle(); got != "Path: not traced" {
		t.Errorf("title %q", got)
	}
	if got := Clean("a\x1b[2J\u202e"); got != `a\x1b[2J\u202e` {
		t.Errorf("clean: %q", got)
	}
}
