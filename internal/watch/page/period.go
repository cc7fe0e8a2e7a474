package page

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/period"
)

// periodView is the page about several checks between two times.
type periodView struct {
	frame
	From, To moment
	Length   string
	Checks   []periodCheck
	Data     template.JS // the report as JSON; "": it is too large
}

// periodCheck is one of the checks.
type periodCheck struct {
	ID   string
	Name string
	Past pastView
	Path *diffView // nil: fewer than two runs are kept
}

// maxData is the largest JSON, in bytes, that goes into a page: what a browser
// opens at once.
const maxData = 4 << 20

// Period writes what checks were like between two times as one page that needs
// nothing else: no network, no script. Times are shown in zone; nil: UTC.
// The report itself is inside as JSON, unless it is too large.
func Period(w io.Writer, r period.Report, zone *time.Location) error {
	words := writer{now: r.MadeAt, zone: cmp.Or(zone, time.UTC)}
	v := periodView{
		frame: frame{Title: "rstprobe: " + count(len(r.Checks), "check", "checks"), At: words.moment(r.MadeAt), Version: r.Version, CSS: inlineCSS()},
		From:  words.moment(r.From), To: words.moment(r.To), Length: period.Lasting(r.To.Sub(r.From)),
	}
	for i, c := range r.Checks {
		one := periodCheck{ID: fmt.Sprintf("check-%d", i+1), Name: c.Check, Past: words.past(c)}
		if c.Path != nil {
			d := words.diff(*c.Path)
			one.Path = &d
		}
		v.Checks = append(v.Checks, one)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("page: encode the report: %w", err)
	}
	if len(data) <= maxData {
		v.Data = template.JS(data) //nolint:gosec // encoding/json escapes <, > and &, so that it ends no element
	}
	v.Version = cmp.Or(v.Version, "of an unknown version")
	if err := pages.ExecuteTemplate(w, "period", v); err != nil {
		return fmt.Errorf("page: write the report: %w", err)
	}
	return nil
}
