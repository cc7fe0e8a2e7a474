package page

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/report"
)

// resultView is the page of a run.
type resultView struct {
	frame
	Name      string // of its check
	Run       runView
	PathTitle string
	Path      template.HTML
	Table     template.HTML
	Tests     []testView
	Before    int64 // the run of the same check before it; 0: there is none
	After     int64 // likewise
	Compare   string
}

type testView struct {
	Question, Text, Place string
	Rank                  rank
}

// runOf is the run that a request is about.
func (p *Page) runOf(text string) (store.Run, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return store.Run{}, badRequest(fmt.Sprintf("%q is not the number of a run.", text))
	}
	return p.history.Run(id)
}

// kept is a run; false: it is not kept any more.
func (p *Page) kept(id int64) (store.Run, bool, error) {
	run, err := p.history.Run(id)
	if errors.Is(err, store.ErrNoRun) {
		return run, false, nil
	}
	return run, err == nil, err
}

// run answers with what a run found, in short.
func (p *Page) run(w http.ResponseWriter, r *http.Request) error {
	run, err := p.runOf(r.PathValue("id"))
	if err != nil {
		return err
	}
	d := run.Document
	v := resultView{
		frame: p.frame(fmt.Sprintf("run %d of %s – rstprobe", run.ID, run.Check)), Name: run.Check, PathTitle: d.PathTitle(),
		Run: p.runView(store.Entry{ID: run.ID, Started: run.Started, Took: run.Ended.Sub(run.Started), Retest: run.Retest,
			Verdict: d.Verdict.Outcome, Summary: d.Verdict.Summary, Lookup: run.Lookup}),
	}
	if v.Path, err = d.PathPicture(); err != nil {
		return err
	}
	if v.Table, err = d.PathTable(); err != nil {
		return err
	}
	v.Tests = testsOf(d)
	if v.Before, v.After, err = p.history.Beside(run.Check, run.ID); err != nil {
		return err
	}
	if v.Before != 0 {
		v.Compare = diffURL(v.Before, run.ID)
	}
	return p.write(w, r, http.StatusOK, "run", v)
}

// reportPolicy is that of a page with its style sheet inside. It may not do
// more than any other of ours, but for that.
const reportPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// report answers with the page that rstprobe report makes of a run.
func (p *Page) report(w http.ResponseWriter, r *http.Request) error {
	run, err := p.runOf(r.PathValue("id"))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := report.HTML(&b, []report.Document{run.Document}); err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", reportPolicy)
	p.send(w, r, http.StatusOK, "text/html; charset=utf-8", b.Bytes())
	return nil
}

// json answers with the document of a run.
func (p *Page) json(w http.ResponseWriter, r *http.Request) error {
	run, err := p.runOf(r.PathValue("id"))
	if err != nil {
		return err
	}
	b, err := run.Document.JSON()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=run-%d.json", run.ID))
	p.send(w, r, http.StatusOK, "application/json", append(b, '\n'))
	return nil
}

// diffURL compares two runs.
func diffURL(a, b int64) string { return fmt.Sprintf("/diff?a=%d&b=%d", a, b) }

// diffPage is two runs side by side.
type diffPage struct {
	frame
	Sides [2]side
	Swap  string // the same the other way round
	Diff  diffView
}

// side is one of two runs.
type side struct {
	Name string // of its check
	Run  runView
	Path template.HTML
}

// diff answers with what differs between two runs.
func (p *Page) diff(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if q.Get("a") == "" || q.Get("b") == "" {
		return badRequest("Say which two runs to compare: /diff?a=NUMBER&b=NUMBER. The page of a check lists its runs.")
	}
	a, err := p.runOf(q.Get("a"))
	if err != nil {
		return err
	}
	b, err := p.runOf(q.Get("b"))
	if err != nil {
		return err
	}
	v := diffPage{frame: p.frame(fmt.Sprintf("runs %d and %d – rstprobe", a.ID, b.ID)), Swap: diffURL(b.ID, a.ID)}
	for i, run := range []store.Run{a, b} {
		s := &v.Sides[i]
		d := run.Document
		s.Name = run.Check
		s.Run = p.runView(store.Entry{ID: run.ID, Started: run.Started, Took: run.Ended.Sub(run.Started), Retest: run.Retest,
			Verdict: d.Verdict.Outcome, Summary: d.Verdict.Summary, Lookup: run.Lookup})
		if s.Path, err = d.PathPicture(); err != nil {
			return err
		}
	}
	v.Diff = writer{p.now(), p.zone, true}.diff(period.Compare(a.ID, b.ID, a.Document, b.Document))
	return p.write(w, r, http.StatusOK, "diff", v)
}
