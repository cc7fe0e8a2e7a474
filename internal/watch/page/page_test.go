package page

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// names are those of the rows of the matrix.
func (w *world) names(f filter) []string {
	var out []string
	for _, r := range w.page.matrixView(f).Rows {
		out = append(out, r.Name)
	}
	return out
}

// TestTroubleFirst: the worst is on top, of that the newest, and what is well
// follows by its name.
func TestTroubleFirst(t *testing.T) {
	w := shown(t)
	got := w.names(filter{})
	want := []string{"shop", "bank", "mail", "wave", "perhaps", hostileName, "fresh", "site-01", "site-02"}
	if diff := cmp.Diff(want, got[:len(want)]); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	var tiles []string
	for _, tile := range w.page.matrixView(filter{}).Tiles {
		tiles = append(tiles, fmt.Sprint(tile.Count, " ", tile.Text()))
	}
	if diff := cmp.Diff([]string{"1 interference", "2 failing", "1 flapping", "1 perhaps changed", "1 not measured well", "1 not known yet", "24 ok"}, tiles); diff != "" {
		t.Errorf("tiles (-want +got):\n%s", diff)
	}
	if title := w.page.matrixView(filter{}).Title; title != "1 × interference – rstprobe" {
		t.Errorf("title %q", title)
	}
}

// TestFilter: by text anywhere, by label, by state, and all of them together.
func TestFilter(t *testing.T) {
	w := shown(t)
	for _, tt := range []struct {
		name string
		f    filter
		want []string
	}{
		{"name", filter{Text: "SITE-07"}, []string{"site-07"}},
		{"target", filter{Text: "bank.example/login"}, []string{"bank"}},
		{"value of a label", filter{Text: "berlin"}, []string{"shop"}},
		{"label", filter{Label: "team=pay"}, []string{"bank", "mail"}},
		{"half a label", filter{Label: "team=pa"}, nil},
		{"state", filter{State: "flapping"}, []string{"wave"}},
		{"state that there is not", filter{State: "nonsense"}, nil},
		{"all at once", filter{Text: "mail", Label: "team=pay", State: "failing"}, []string{"mail"}},
		{"nothing", filter{Text: "<script>x"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, w.names(tt.f)); diff != "" {
				t.Errorf("checks (-want +got):\n%s", diff)
			}
			page := w.get(tt.f.url())
			if page.Code != http.StatusOK || strings.Contains(page.Body.String(), "<script>x") {
				t.Errorf("GET %s: %d", tt.f.url(), page.Code)
			}
			for _, name := range tt.want {
				if !strings.Contains(page.Body.String(), ">"+name+"</a>") {
					t.Errorf("GET %s lacks %s", tt.f.url(), name)
				}
			}
		})
	}
}

// TestNames: whatever a check is called, it has its pages, and its name stands
// there as text.
func TestNames(t *testing.T) {
	w := empty(t)
	names := []string{".", "..", "a/b", "a//b", "/", "a b", "ü 漢", "%2F", "a?b#c&d=e", "x.svg", "+", hostileName, `"><img src=x onerror=alert(1)>`, "https://bank.example/login", "javascript:alert(1)"}
	var checks []watchfile.Check
	for _, name := range names {
		checks = append(checks, check(name, "shop.example:443", nil, probe.SNI))
	}
	w.page.Watched(checks)
	for _, c := range checks {
		w.run(c, resetAt4, now.Add(-time.Minute))
	}
	server := httptest.NewServer(w.page)
	defer server.Close()
	matrix := fetch(t, server.URL+"/", http.StatusOK)
	for _, name := range names {
		for _, address := range []string{checkURL(name), checkURL(name) + map[bool]string{true: "&", false: "?"}[strings.Contains(checkURL(name), "?")] + "range=24h"} {
			if body := fetch(t, server.URL+address, http.StatusOK); !strings.Contains(body, `<h1 id="name">`+escaped(name)+"</h1>") {
				t.Errorf("%s is not the page of %q", address, name)
			} else {
				harmless(t, address, body)
			}
		}
		if !strings.Contains(matrix, `href="`+escaped(checkURL(name))+`"`) {
			t.Errorf("the matrix has no link to %q", name)
		}
		if body := fetch(t, server.URL+badgeURL(name), http.StatusOK); !strings.Contains(body, escaped(name)+":") {
			t.Errorf("%s is not the badge of %q: %s", badgeURL(name), name, body)
		}
	}
	harmless(t, "/", matrix)
}

// escaped is a text as html/template writes it.
func escaped(s string) string {
	return strings.NewReplacer("+", "&#43;", "&#34;", "&#34;").Replace(html.EscapeString(s))
}

// harmless reports what a page must not have.
func harmless(t *testing.T, address, body string) {
	t.Helper()
	for _, bad := range []string{"<script>", "<img src=x", `href="javascript`, " style=", " onclick="} {
		if strings.Contains(body, bad) {
			t.Errorf("%s has %s", address, bad)
		}
	}
}

// fetch is what a server answers.
func fetch(t *testing.T, address string, code int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != code {
		t.Errorf("GET %s: %s", address, answer.Status)
	}
	return string(b)
}

// TestMissing: what is not there is told with what may be meant; what is
// nonsense, with what to write.
func TestMissing(t *testing.T) {
	w := shown(t)
	for _, tt := range []struct {
		path string
		code int
		want string
	}{
		{"/check/shpo", 404, `Did you mean <a href="/check/shop">shop</a>?`},
		{"/check/nothing-like-that", 404, `There is no check called &#34;nothing-like-that&#34;.`},
		{"/check/", 404, "There is no check called"},
		{"/badge/shpo.svg", 404, "shop"},
		{"/badge/shop.png", 404, "ends in .svg"},
		{"/run/999999", 404, "There is no such run"},
		{"/run/999999/report", 404, "There is no such run"},
		{"/run/999999/json", 404, "There is no such run"},
		{"/run/x", 400, "is not the number of a run"},
		{"/run/-1", 400, "is not the number of a run"},
		{"/diff?a=1", 400, "which two runs to compare"},
		{"/diff?a=1&b=999999", 404, "There is no such run"},
		{"/diff?a=1&b=<b>", 400, "&lt;b&gt;"},
		{"/check/shop?range=5y", 400, "none of the stretches of time"},
		{"/nothing", 404, "There is no page /nothing here."},
		{"/assets/nothing", 404, ""},
	} {
		got := w.get(tt.path)
		if got.Code != tt.code || !strings.Contains(got.Body.String(), tt.want) {
			t.Errorf("GET %s: %d, want %d with %q:\n%s", tt.path, got.Code, tt.code, tt.want, got.Body)
		}
	}
	if post := httptest.NewRecorder(); true {
		w.page.ServeHTTP(post, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
		if post.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST /: %d", post.Code)
		}
	}
}

// brokenHistory fails.
type brokenHistory struct{ History }

var errSecret = errors.New("open /var/lib/secret.db: disk I/O error")

func (brokenHistory) Entries(string, int) ([]store.Entry, error) { return nil, errSecret }
func (brokenHistory) Run(int64) (store.Run, error)               { return store.Run{}, errSecret }
func (brokenHistory) Names() ([]string, error)                   { return nil, errSecret }

// TestFailure: what went wrong here is in the log, and not on the page.
func TestFailure(t *testing.T) {
	w := shown(t)
	w.page.history = brokenHistory{w.store}
	for _, path := range []string{"/check/shop", "/run/1", "/run/1/report", "/run/1/json", "/diff?a=1&b=2", "/badge/none.svg"} {
		got := w.get(path)
		if got.Code != http.StatusInternalServerError || strings.Contains(got.Body.String(), "secret") || !strings.Contains(got.Body.String(), "Its log says why") {
			t.Errorf("GET %s: %d %s", path, got.Code, got.Body)
		}
		if last := w.log.lines[len(w.log.lines)-1]; !strings.Contains(last, "secret.db") {
			t.Errorf("GET %s: the log has %s", path, last)
		}
	}
	if got := w.get("/"); got.Code != http.StatusOK { // which needs no history
		t.Errorf("GET /: %d", got.Code)
	}
}

// TestRun: its report is what rstprobe report writes, and its JSON the
// document.
func TestRun(t *testing.T) {
	w := shown(t)
	run, err := w.store.Run(720)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := report.HTML(&want, []report.Document{run.Document}); err != nil {
		t.Fatal(err)
	}
	got := w.get("/run/720/report")
	if diff := cmp.Diff(want.String(), got.Body.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if policy := got.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "style-src 'unsafe-inline'") || strings.Contains(policy, "script-src") {
		t.Errorf("policy of the report: %s", policy)
	}
	file := w.get("/run/720/json")
	doc, err := report.Read(file.Body)
	if err != nil {
		t.Fatal(err)
	}
	if doc.RunID != run.Document.RunID || file.Header().Get("Content-Disposition") != "attachment; filename=run-720.json" {
		t.Errorf("JSON of run %s, %v", doc.RunID, file.Header())
	}
	page := w.get("/run/720").Body.String()
	for _, part := range []string{
		"resets connections", `href="/run/720/report"`, `href="/run/720/json"`, `href="/run/719"`, `href="/diff?a=719&amp;b=720"`, `href="/check/shop"`,
		"between hops 5 and 6 (10.9.5.2)", `<svg class="route"`,
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page of a run lacks %s", part)
		}
	}
}

// TestDiff: what differs is marked, and only that.
func TestDiff(t *testing.T) {
	w := shown(t)
	entries, err := w.store.Entries("shop", 1000)
	if err != nil {
		t.Fatal(err)
	}
	first := func(from time.Duration) int64 {
		i := slices.IndexFunc(entries, func(e store.Entry) bool { return !e.Started.Before(now.Add(-from)) })
		return entries[i].ID
	}
	before, detour, reset := first(10*day_), first(6*day_), first(30*time.Hour)
	rows := func(a, b int64) (marked []string) {
		body := w.get(diffURL(a, b)).Body.String()
		for _, row := range strings.Split(body, "<tr")[1:] {
			if strings.HasPrefix(row, ` class="differs"`) {
				_, row, _ = strings.Cut(row, "<td>")
				marked = append(marked, row[:strings.Index(row, "</td>")])
			}
		}
		return marked
	}
	for _, tt := range []struct {
		name string
		a, b int64
		want []string
	}{
		{"the same", before, before, nil},
		{"another router", before, detour, []string{"5"}},
		{"another answer", before, reset, []string{"sni shop.example"}},
		{"both", detour, reset, []string{"sni shop.example", "5"}},
	} {
		if diff := cmp.Diff(tt.want, rows(tt.a, tt.b)); diff != "" {
			t.Errorf("%s: marked rows (-want +got):\n%s", tt.name, diff)
		}
	}
	if body := w.get(diffURL(before, detour)).Body.String(); !strings.Contains(body, "The paths part at hop 5: 1 router differs.") {
		t.Error("the page does not say where the paths part")
	}
}

// TestCheckPage: it has the past in words, the boxes with their first and last
// sight, and the path of the last run with its box.
func TestCheckPage(t *testing.T) {
	w := shown(t)
	for _, tt := range []struct {
		path string
		want []string
	}{
		{"/check/shop?range=30d", []string{
			"between hops 5 and 6 (10.9.5.2)", "the box moved from between hops 3 and 4 (10.9.3.2) to between hops 5 and 6 (10.9.5.2)",
			"interference for 1 d 6 h", "there now", "BOX between hop 5", "The last clean run", `class="interference"`,
		}},
		{"/check/shop?range=400d", []string{"not watched for 310 d"}},
		{"/check/shop?range=24h", []string{`<strong aria-current="true">24 hours</strong>`}},
		{"/check/perhaps?range=24h", []string{"perhaps now reset", "to be tested again"}},
		{"/check/wave?range=24h", []string{"flapping"}},
		{"/check/fresh", []string{"no run yet", "None is kept."}},
		{"/check/bank", []string{"TLS name (SNI)", "HTTP name (Host)", "by the server itself"}},
	} {
		body := w.get(tt.path).Body.String()
		for _, part := range tt.want {
			if !strings.Contains(body, part) {
				t.Errorf("%s lacks %q", tt.path, part)
			}
		}
	}
}

// TestNoLongerWatched: its history stays to be seen, its state does not.
func TestNoLongerWatched(t *testing.T) {
	w := shown(t)
	w.page.Watched(nil)
	if body := w.get("/check/shop").Body.String(); !strings.Contains(body, "no longer watched") || !strings.Contains(body, "720") {
		t.Errorf("its page:\n%s", body)
	}
	if body := w.get("/").Body.String(); !strings.Contains(body, "Nothing is watched.") {
		t.Errorf("the matrix:\n%s", body)
	}
	if got := w.get("/badge/shop.svg"); got.Code != http.StatusNotFound {
		t.Errorf("its badge: %d", got.Code)
	}
}

// TestBadge: well-formed, with the state in words and in colour.
func TestBadge(t *testing.T) {
	w := shown(t)
	for name, want := range map[string][]string{
		"shop":      {"shop: interference: reset, between hops 5 and 6 (10.9.5.2)", "#b3261e"},
		"bank":      {"bank: failing", "#855600"},
		"fresh":     {"fresh: not known yet", "#565e68"},
		"site-01":   {"site-01: ok", "#1b6e3c"},
		hostileName: {"&lt;script&gt;alert(1)"},
	} {
		got := w.get(badgeURL(name))
		if kind, who := got.Header().Get("Content-Type"), got.Header().Get("Cross-Origin-Resource-Policy"); kind != "image/svg+xml" || who != "same-site" {
			t.Errorf("%s is %s, for %s", name, kind, who)
		}
		for _, part := range want {
			if !strings.Contains(got.Body.String(), part) {
				t.Errorf("the badge of %s lacks %s:\n%s", name, part, got.Body)
			}
		}
		if err := xml.NewDecoder(bytes.NewReader(got.Body.Bytes())).Decode(&struct{ XMLName xml.Name }{}); err != nil {
			t.Errorf("the badge of %s: %v", name, err)
		}
	}
}

// TestOwnNetwork: trouble of our own network is told above everything else, and
// goes away with it.
func TestOwnNetwork(t *testing.T) {
	w := shown(t)
	const banner = "Our own network is in trouble"
	for _, trouble := range []bool{false, true, false} {
		w.page.Network(trouble)
		for _, path := range []string{"/", "/check/shop"} {
			if got := strings.Contains(w.get(path).Body.String(), banner); got != trouble {
				t.Errorf("%s: banner %v with trouble %v", path, got, trouble)
			}
		}
	}
}

// TestBadRuns: a run that was late, failed, had no address or told nothing
// makes a check that is well worth a look.
func TestBadRuns(t *testing.T) {
	c := check("shop", "shop.example:443", nil, probe.SNI)
	for _, tt := range []struct {
		name   string
		happen func(w *world)
		want   string // "": nothing
	}{
		{"all is well", func(*world) {}, ""},
		{"late", func(w *world) { w.set(now.Add(time.Hour)) }, "no run since"},
		{"could not measure", func(w *world) {
			w.page.Failed("shop", true)
			w.run(c, clean, now)
		}, "the last run could not be measured"},
		{"could not be kept", func(w *world) {
			w.page.Failed("shop", false)
			w.run(c, clean, now)
		}, "the last run could not be kept"},
		{"failed before", func(w *world) {
			w.page.Failed("shop", true)
			w.run(c, clean, now)
			w.run(c, clean, now.Add(time.Second))
		}, ""},
		{"not resolved", func(w *world) {
			w.page.Ran(store.Run{Check: "shop", Started: now, Ended: now, Lookup: "no such name", Document: document(c, clean, now)}, 0, nil)
		}, "name not resolved"},
		{"told nothing", func(w *world) {
			for i := range 5 {
				w.run(c, undecided, now.Add(time.Duration(i-5)*c.Interval))
			}
		}, "tells nothing since 14:43:26"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := empty(t)
			w.page.Watched([]watchfile.Check{c})
			w.run(c, clean, now.Add(-26*time.Minute-800*time.Millisecond))
			if tt.name != "told nothing" {
				w.run(c, clean, now.Add(-time.Minute))
			}
			tt.happen(w)
			row := w.page.matrixView(filter{}).Rows[0]
			if got := strings.Join(row.Last.Trouble, ", "); got != tt.want || (row.Rank == unmeasured) != (tt.want != "") {
				t.Errorf("trouble %q at rank %s, want %q", got, row.Rank.Text(), tt.want)
			}
		})
	}
}

// TestAfterRestart: a new process shows what the one before did.
func TestAfterRestart(t *testing.T) {
	after := shown(t).page.matrixView(filter{})
	before := common.world.page.matrixView(filter{})
	if diff := cmp.Diff(before, after, cmp.AllowUnexported(matrixView{}, tile{})); diff != "" {
		t.Errorf("the matrix (-before +after):\n%s", diff)
	}
}

// TestCompressed: large pages are, for browsers that take it.
func TestCompressed(t *testing.T) {
	w := shown(t)
	plain := w.get("/").Body.String()
	req := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
	req.Header.Set("Accept-Encoding", "br, gzip")
	out := httptest.NewRecorder()
	w.page.ServeHTTP(out, req)
	z, err := gzip.NewReader(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(z)
	if err != nil || string(got) != plain {
		t.Errorf("%v; what is unpacked differs from what is sent without", err)
	}
}

// TestLookupIsToldOnce: why a name could not be resolved stands beside what a
// run found, but for where that is all it found.
func TestLookupIsToldOnce(t *testing.T) {
	p := New(Config{})
	for summary, want := range map[string]string{"Nothing interferes.": "no such name", "The name could not be resolved: no such name.": ""} {
		if got := p.runView(store.Entry{Summary: summary, Lookup: "no such name"}).Lookup; got != want {
			t.Errorf("%s %q, want %q", summary, got, want)
		}
	}
}

// TestSignOut is there where people sign in.
func TestSignOut(t *testing.T) {
	w := shown(t)
	signIn := false
	p := New(Config{History: w.store, SignIn: func() bool { return signIn }})
	for range 2 {
		out := httptest.NewRecorder()
		p.ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		if got := strings.Contains(out.Body.String(), `<form method="post" action="/logout">`); got != signIn {
			t.Errorf("people sign in: %v, and out: %v", signIn, got)
		}
		signIn = true
	}
}

// TestAssets are kept by browsers where their address says which version it is,
// and only there: without it, a later rstprobe has another file.
func TestAssets(t *testing.T) {
	w := empty(t)
	for address, want := range map[string]string{
		assetURL("page.css"): "public, max-age=31536000, immutable", "/assets/page.css": "no-store", "/assets/page.css?0": "no-store",
	} {
		got := w.get(address)
		if keep := got.Header().Get("Cache-Control"); got.Code != http.StatusOK || keep != want {
			t.Errorf("%s: %d, %q, want %q", address, got.Code, keep, want)
		}
	}
}

// TestWithoutScript: the pages that change are loaded again now and then, and
// no page has anything that a strict policy forbids.
func TestWithoutScript(t *testing.T) {
	w := shown(t)
	for _, path := range []string{"/", "/check/shop", "/run/700", "/diff?a=1&b=700", "/nothing"} {
		body := w.get(path).Body.String()
		live := path == "/" || path == "/check/shop"
		if got := strings.Contains(body, `<noscript><meta http-equiv="refresh" content="60"/></noscript>`); got != live {
			t.Errorf("%s is loaded again: %v", path, got)
		}
		for _, bad := range []string{"<style", " style=", "<script>", "http://", "@import"} {
			if strings.Contains(strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""), bad) {
				t.Errorf("%s has %s", path, bad)
			}
		}
	}
}
