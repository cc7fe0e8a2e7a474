// Package page shows rstprobe watch to people: the present of all checks, the
// past of each, single runs and what differs between two, as HTML, and as
// badges. All pages work without a script; with one they keep up to date.
//
// The present is told to it, as it is to the metrics; the past is read from
// the history when somebody asks. Who may ask is for the server to decide.
package page

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/argv"
	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/report"
)

// History is the past, as internal/watch/store keeps it. Its methods may be
// called by several goroutines.
type History interface {
	Names() ([]string, error) // of all checks of which anything is kept
	Entries(check string, limit int) ([]store.Entry, error)
	Run(id int64) (store.Run, error) // store.ErrNoRun: there is none
	Beside(check string, run int64) (before, after int64, err error)
	Hours(check string, from, to time.Time) ([]period.Hour, error)
	Period(check string, from, to time.Time, visit func(report.Document)) (period.Check, error)
}

// Config is what a Page needs.
type Config struct {
	History History
	Log     *slog.Logger // of what readers are not told
	Version string       // of rstprobe
	SignIn  func() bool  // whether people sign in, and so may want to sign out; nil: they do not

	Now  func() time.Time // nil: time.Now
	Zone *time.Location   // in which times are shown; nil: that of this machine
}

// Page answers requests for pages. It implements watch.Observer, by which it
// knows the present.
type Page struct {
	history History
	log     *slog.Logger
	version string
	signIn  func() bool
	now     func() time.Time
	zone    *time.Location
	mux     *http.ServeMux
	board   board
	hub     hub
}

// New is a page that was not told anything yet.
func New(cfg Config) *Page {
	p := &Page{history: cfg.History, log: cfg.Log, version: cfg.Version, signIn: cfg.SignIn, now: cfg.Now, zone: cfg.Zone, mux: http.NewServeMux()}
	if p.signIn == nil {
		p.signIn = func() bool { return false }
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.zone == nil {
		p.zone = time.Local
	}
	for pattern, answer := range map[string]func(w http.ResponseWriter, r *http.Request) error{
		"GET /{$}":             p.matrix,
		"GET /check/{name}":    p.check,
		"GET /check/{$}":       p.check, // ?name=, for names that a path cannot have
		"GET /run/{id}":        p.run,
		"GET /run/{id}/report": p.report,
		"GET /run/{id}/json":   p.json,
		"GET /diff":            p.diff,
		"GET /badge/{file}":    p.badge,
		"GET /":                func(_ http.ResponseWriter, r *http.Request) error { return p.noPage(r) },
	} {
		p.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { p.answer(w, r, answer(w, r)) })
	}
	p.mux.HandleFunc("GET /events", p.events)
	p.mux.Handle("GET /assets/{name}", http.HandlerFunc(asset))
	return p
}

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// missing is what was asked for and is not there, in words for the reader.
type missing struct {
	what string
	near string // a check whose name looks alike; "": none does
}

func (m missing) Error() string { return m.what }

// badRequest is a question that has no answer.
type badRequest string

func (b badRequest) Error() string { return string(b) }

// answer tells the reader what went wrong, if anything did: of what failed here
// it says no more than that.
func (p *Page) answer(w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		return
	}
	e := errorView{frame: p.frame("Not found"), Code: http.StatusNotFound}
	var (
		m missing
		b badRequest
	)
	switch {
	case errors.As(err, &m):
		e.Text = m.what
		if m.near != "" {
			e.Near = link{m.near, checkURL(m.near)}
		}
	case errors.As(err, &b):
		e.Title, e.Code, e.Text = "Not understood", http.StatusBadRequest, string(b)
	case errors.Is(err, store.ErrNoRun):
		e.Text = "There is no such run: it was never made, or it is older than what is kept."
	case r.Context().Err() != nil: // nobody reads it any more
		return
	default:
		p.log.Error("a page could not be shown", "path", r.URL.Path, "err", err)
		e.Title, e.Code, e.Text = "This did not work", http.StatusInternalServerError, "rstprobe could not read its history. Its log says why."
	}
	if err := p.write(w, r, e.Code, "error", e); err != nil {
		p.log.Error("a page could not be shown", "path", r.URL.Path, "err", err)
		http.Error(w, "The page could not be shown.", http.StatusInternalServerError)
	}
}

// errorView is the page that says what went wrong.
type errorView struct {
	frame
	Code int
	Text string
	Near link
}

type link struct{ Text, URL string }

func (p *Page) noPage(r *http.Request) error {
	return missing{what: fmt.Sprintf("There is no page %s here.", r.URL.Path)}
}

// noCheck is the error for a check that there is not.
func (p *Page) noCheck(name string) error {
	names, err := p.history.Names()
	if err != nil {
		return err
	}
	now, _ := p.board.all()
	for _, c := range now {
		names = append(names, c.check.Name)
	}
	return missing{fmt.Sprintf("There is no check called %q.", name), argv.Nearest(name, names)}
}

//go:embed templates assets
var files embed.FS

// frame is what all pages have.
type frame struct {
	Title   string
	Check   string // that the page is about; "": all, or none
	Live    bool   // it is kept up to date
	At      moment
	Version string
	SignOut bool         // who looks may sign out
	CSS     template.CSS // in a file of its own; "": the style sheets are linked
}

func (p *Page) frame(title string) frame {
	return frame{Title: title, At: p.moment(p.now()), Version: p.version, SignOut: p.signIn()}
}

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"clean": report.Clean,
	"check": checkURL,
	"badge": badgeURL,
	"asset": assetURL,
	"id":    func(name string) string { return "c-" + url.PathEscape(name) }, // without spaces, which an id must not have
}).ParseFS(files, "templates/*.tmpl"))

// write answers with a page.
func (p *Page) write(w http.ResponseWriter, r *http.Request, code int, name string, view any) error {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, view); err != nil {
		return fmt.Errorf("page: show %s: %w", name, err)
	}
	p.send(w, r, code, "text/html; charset=utf-8", b.Bytes())
	return nil
}

// small is the size, in bytes, up to which an answer is not worth compressing:
// it fits into one segment.
const small = 1400

// send answers with a whole text, compressed for those who take it. It is of
// now, and not to be kept.
func (p *Page) send(w http.ResponseWriter, r *http.Request, code int, kind string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Encoding")
	if len(body) <= small || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.WriteHeader(code)
		_, _ = w.Write(body) // that nobody reads it any more is no concern of ours
		return
	}
	h.Set("Content-Encoding", "gzip")
	w.WriteHeader(code)
	z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil { // the level is one that there is
		panic(err)
	}
	_, _ = z.Write(body) // as above
	_ = z.Close()
}

// checkURL is the page of a check.
func checkURL(name string) string {
	if name == "." || name == ".." || name == "/" { // which mean something else in a path
		return "/check/?name=" + url.QueryEscape(name)
	}
	return "/check/" + url.PathEscape(name)
}

// badgeURL is the badge of a check.
func badgeURL(name string) string { return "/badge/" + url.PathEscape(name) + ".svg" }

// moment is a time as pages show it.
type moment struct {
	Known bool
	ISO   string // for machines
	Full  string // date, time and zone
	Short string // as much of it as tells it from now
	Ago   string
	Zone  string
}

func (p *Page) moment(t time.Time) moment { return momentAt(t, p.now(), p.zone) }

func momentAt(t, now time.Time, zone *time.Location) moment {
	if t.IsZero() {
		return moment{}
	}
	t, now = t.In(zone), now.In(zone)
	short := "2 Jan 2006"
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		short = "15:04:05"
	case now.Sub(t) < 300*24*time.Hour:
		short = "2 Jan 15:04"
	}
	m := moment{Known: true, ISO: t.Format(time.RFC3339), Full: t.Format("2006-01-02 15:04:05 MST"), Short: zoned(t, now, short), Zone: t.Format("MST")}
	if d := now.Sub(t); d >= 0 {
		m.Ago = age(d) + " ago"
	}
	return m
}

// zoned is a time in a layout, with its zone where that is not the one of now,
// which the page names: a period may have both summer and winter time.
func zoned(t, now time.Time, layout string) string {
	if t.Format("MST") != now.Format("MST") {
		layout += " MST"
	}
	return t.Format(layout)
}
