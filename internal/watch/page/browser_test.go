package page

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/browsertest"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
)

// views are how pages are looked at: on a phone and on a desktop, by day and by
// night, and on A4 paper within its margins.
func views() []browsertest.View {
	out := []browsertest.View{{Width: 680, Paper: true}}
	for _, width := range browsertest.Widths {
		out = append(out, browsertest.View{Width: width}, browsertest.View{Width: width, Dark: true})
	}
	return out
}

// TestBrowser: every page is shown without a fault by a real browser.
func TestBrowser(t *testing.T) {
	b := browsertest.Open(t)
	w, nothing := shown(t), empty(t)
	nothing.page.Watched(nil)
	w.page.Network(true)
	server, bare := httptest.NewServer(w.page), httptest.NewServer(nothing.page)
	t.Cleanup(server.Close)
	t.Cleanup(bare.Close)
	t.Cleanup(func() { b.Visit(t, "about:blank", browsertest.View{Width: 360}) }) // for a server waits for its listeners
	for _, page := range []struct{ name, address string }{
		{"matrix", server.URL + "/"},
		{"filtered", server.URL + "/?q=site&label=team%3Dweb"},
		{"none left", server.URL + "/?q=nothing+is+called+that"},
		{"nothing watched", bare.URL + "/"},
		{"check", server.URL + "/check/shop?range=30d"},
		{"check 400 days", server.URL + "/check/shop?range=400d"},
		{"check 24 hours", server.URL + "/check/bank?range=24h"},
		{"hostile", server.URL + checkURL(hostileName)},
		{"flapping", server.URL + "/check/wave?range=24h"},
		{"check without a run", server.URL + "/check/fresh"},
		{"run", server.URL + "/run/720"},
		{"report", server.URL + "/run/720/report"},
		{"diff", server.URL + "/diff?a=690&b=720"},
		{"no check", server.URL + "/check/shpo"},
	} {
		t.Run(page.name, func(t *testing.T) {
			for _, v := range views() {
				for _, flaw := range b.Visit(t, page.address, v) {
					if page.name == "no check" && strings.Contains(flaw, "404 (Not Found)") { // the browser says so of any such page
						continue
					}
					t.Errorf("%+v: %s", v, flaw)
				}
			}
		})
	}
	t.Run("period", func(t *testing.T) {
		var file bytes.Buffer
		if err := Period(&file, w.periodOf(60*day_), time.UTC); err != nil {
			t.Fatal(err)
		}
		for _, v := range views() {
			for _, flaw := range b.Show(t, file.Bytes(), v) {
				t.Errorf("%+v: %s", v, flaw)
			}
		}
		b.Print(t)
	})
	for _, line := range w.log.lines {
		t.Errorf("logged: %s", line)
	}
}

// TestLive: an open page shows what happens without being loaded again, says
// when rstprobe is gone, and goes on when it is back. The focus stays where it
// is.
func TestLive(t *testing.T) {
	b := browsertest.Open(t)
	w := empty(t)
	var checks []watchfile.Check
	for i := range 5 {
		checks = append(checks, check(fmt.Sprintf("site-%d", i), "shop.example:443", nil, probe.SNI))
	}
	w.page.Watched(checks)
	for _, c := range checks {
		w.run(c, clean, now.Add(-10*time.Minute))
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	start := func(l net.Listener) *httptest.Server {
		server := httptest.NewUnstartedServer(w.page)
		server.Listener.Close() //nolint:errcheck,gosec // another one takes its place
		server.Listener = l
		server.Start()
		return server
	}
	server := start(listener)
	b.Visit(t, "http://"+address+"/", browsertest.View{Width: 1280})
	first := `document.querySelector("#matrix tbody tr")`
	b.Wait(t, first+`.id === "c-site-0"`)
	b.Wait(t, `(window.here = true) && (document.querySelector("#c-site-3 a").focus(), true)`)

	for i := range 3 { // a box comes, and is confirmed
		w.run(checks[3], resetAt4, now.Add(time.Duration(i-5)*time.Minute))
	}
	b.Wait(t, first+`.id === "c-site-3" && `+first+`.textContent.includes("between hops 3 and 4 (10.9.3.2)")`)
	b.Wait(t, `document.title === "1 × interference – rstprobe"`)
	if got := b.Text(t, `String(window.here && document.activeElement.textContent)`); got != "site-3" {
		t.Errorf("the page was loaded again, or the focus went elsewhere: %s", got)
	}

	// It ends, and the page says so.
	server.CloseClientConnections()
	server.Close()
	b.Wait(t, `!document.getElementById("gone").hidden`)
	if text := b.Text(t, `document.getElementById("gone").textContent`); !strings.Contains(text, "No connection to rstprobe. What is shown is as of 2026-03-14 15:09:26 UTC.") {
		t.Errorf("the page says %q", text)
	}
	w.set(now.Add(time.Minute))
	for i := range 4 {
		w.run(checks[3], clean, now.Add(time.Duration(i)*10*time.Second))
	}
	if listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", address); err != nil {
		t.Fatal(err)
	}
	server = start(listener)
	defer server.Close()
	b.Wait(t, `document.getElementById("gone").hidden && document.getElementById("updated").textContent.startsWith("2026-03-14 15:10:26")`)
	b.Wait(t, first+`.id === "c-site-0" && !document.querySelector("#matrix").textContent.includes("between hops")`)

	// The page of a check does the same.
	b.Visit(t, "http://"+address+"/check/site-2?range=24h", browsertest.View{Width: 1280})
	b.Wait(t, `(window.here = true) && document.querySelectorAll("#runs tbody tr").length === 1`)
	w.run(checks[2], resetAt4, now)
	b.Wait(t, `window.here && document.querySelectorAll("#runs tbody tr").length === 2 && document.querySelector("#paths").textContent.includes("BOX between hop 3")`)
	b.Visit(t, "about:blank", browsertest.View{Width: 360})
}

// TestSessionEnds: where the server wants to know again who looks, an open page
// asks them by the page that is there for that, and not the browser by a window
// of its own.
func TestSessionEnds(t *testing.T) {
	b := browsertest.Open(t)
	w := shown(t)
	var ended atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		switch {
		case !ended.Load():
			w.page.ServeHTTP(out, in)
		case in.URL.Path == "/login":
			out.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(out, "<title>Who is there?</title>") // the browser sees it, or the test fails
		case strings.Contains(in.Header.Get("Accept"), "text/html"): // as of a person; see package server
			http.Redirect(out, in, "/login", http.StatusSeeOther)
		default:
			if in.URL.Path == "/" {
				t.Errorf("a page asks for %s in a way to which the answer is a challenge", in.URL)
			}
			out.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	b.Visit(t, server.URL+"/", browsertest.View{Width: 360})
	ended.Store(true)
	server.CloseClientConnections()
	b.Wait(t, `document.title === "Who is there?"`)
}

// TestUnseenPage: a page that nobody looks at takes no connection, of which a
// browser has six for all that it has open of a server. It is as it should be
// when somebody looks again.
func TestUnseenPage(t *testing.T) {
	b := browsertest.Open(t)
	w := empty(t)
	c := check("shop", "shop.example:443", nil, probe.SNI)
	w.page.Watched([]watchfile.Check{c})
	w.run(c, clean, now.Add(-10*time.Minute))
	came, left := make(chan bool, 10), make(chan bool, 10) // who listens; more than there will be
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if in.URL.Path == "/events" {
			came <- true
			defer func() { left <- true }()
		}
		w.page.ServeHTTP(out, in)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { b.Visit(t, "about:blank", browsertest.View{Width: 360}) })
	hide := func(hidden bool) {
		t.Helper()
		b.Text(t, fmt.Sprintf(`(() => { Object.defineProperty(document, "hidden", {value: %v, configurable: true}); document.dispatchEvent(new Event("visibilitychange")); return "" })()`, hidden))
	}
	b.Visit(t, server.URL+"/", browsertest.View{Width: 360})
	b.Wait(t, `window.here = true`)
	<-came
	hide(true)
	<-left
	for i := range 3 {
		w.run(c, resetAt4, now.Add(time.Duration(i-5)*time.Minute))
	}
	hide(false)
	<-came
	b.Wait(t, `window.here && document.title === "1 × interference – rstprobe"`)
}

// TestCheckGoes: where a check of which nothing is kept is watched no more, its
// open page says so.
func TestCheckGoes(t *testing.T) {
	b := browsertest.Open(t)
	w := empty(t)
	w.page.Watched([]watchfile.Check{check("shop", "shop.example:443", nil, probe.SNI)})
	server := httptest.NewServer(w.page)
	t.Cleanup(server.Close)
	t.Cleanup(func() { b.Visit(t, "about:blank", browsertest.View{Width: 360}) })
	b.Visit(t, server.URL+"/check/shop", browsertest.View{Width: 360})
	w.page.Watched(nil)
	b.Wait(t, `document.title === "Not found"`)
}
