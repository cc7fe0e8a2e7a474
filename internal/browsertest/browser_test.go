package browsertest

import (
	"bytes"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// page is a whole page around a body.
func page(style, body string) []byte {
	return fmt.Appendf(nil, `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"/><title>t</title>
<meta name="viewport" content="width=device-width, initial-scale=1"/><meta name="color-scheme" content="light dark"/>
<style>body { color: #000; background: #fff; } @media (prefers-color-scheme: dark) { body { color: #777; background: #fff; } } %s</style></head><body>%s</body></html>`, style, body)
}

// TestShow: each kind of flaw is noticed, and a page without any has none.
func TestShow(t *testing.T) {
	b := Open(t)
	for _, tt := range []struct {
		name, style, body string
		view              View
		want              []string // beginnings of the flaws; nil: none
	}{
		{"nothing wrong", "", `<p>hello</p><svg width="100" height="20" viewBox="0 0 100 20"><text x="1" y="15">in</text></svg>`, View{Width: 360}, nil},
		{"too wide", "", `<div style="width: 500px">x</div>`, View{Width: 360}, []string{"it scrolls sideways", "too wide: <div"}},
		{"wide enough for it", "", `<div style="width: 500px">x</div>`, View{Width: 1280}, nil},
		{"wide, but in a frame of its own", ".wide { overflow-x: auto }", `<div class="wide"><div style="width: 500px">x</div></div>`, View{Width: 360}, nil},
		{"cut off", "", `<svg width="50" height="20" viewBox="0 0 50 20"><text x="30" y="15">longer than that</text></svg>`, View{Width: 360}, []string{"cut off: <text"}},
		{"overlap", "", `<svg width="90" height="20" viewBox="0 0 90 20"><text x="1" y="15">one</text><text x="8" y="16">two</text></svg>`, View{Width: 360}, []string{"overlap: <text"}},
		{"contrast in the dark only", "", `<p>hello</p>`, View{Width: 360, Dark: true}, []string{"contrast 4.48"}},
		{"too wide on paper only", "@media print { p { width: 500px } }", `<p>hello</p>`, View{Width: 360, Paper: true}, []string{"it scrolls sideways"}},
		{"tiny", "p { font-size: 6px }", `<p>hello</p>`, View{Width: 360}, []string{"letters of 6.0"}},
		{"written downwards", "td { overflow-wrap: anywhere }", `<table style="width: 5px"><tr><td>hello</td></tr></table>`, View{Width: 360}, []string{"written downwards: <td"}},
		{"exception", "", `<script>nobody()</script>`, View{Width: 360}, []string{"exception"}},
		{"console", "", `<script>console.error("no")</script>`, View{Width: 360}, []string{"console: error"}},
		{"request", "", `<img src="http://127.0.0.1:1/x" alt=""/>`, View{Width: 360}, []string{"request: http://127.0.0.1:1/x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := b.Show(t, page(tt.style, tt.body), tt.view)
			for _, want := range tt.want {
				if !strings.Contains("\n"+strings.Join(got, "\n"), "\n"+want) {
					t.Errorf("flaws %q, want one that begins with %q", got, want)
				}
			}
			if tt.want == nil && len(got) > 0 {
				t.Errorf("flaws %q, want none", got)
			}
		})
	}
}

// TestVisit: a page of a server may ask that server for more, and nobody else;
// what comes later is waited for.
func TestVisit(t *testing.T) {
	b := Open(t)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			_, _ = w.Write(page("", `<p id="x">wait</p><script src="/later.js"></script>`))
		case "/bad":
			_, _ = w.Write(page("", `<p>hello</p><script src="`+other.URL+`/x.js"></script>`))
		case "/later.js":
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write([]byte(`setTimeout(() => { document.getElementById("x").textContent = "done"; }, 10);`))
		}
	}))
	t.Cleanup(server.Close)
	if flaws := b.Visit(t, server.URL+"/good", View{Width: 360}); len(flaws) > 0 {
		t.Errorf("flaws %q, want none", flaws)
	}
	b.Wait(t, `document.getElementById("x").textContent === "done"`)
	if got := b.Text(t, `document.getElementById("x").textContent`); got != "done" {
		t.Errorf("text %q", got)
	}
	flaws := b.Visit(t, server.URL+"/bad", View{Width: 360})
	if !slices.Contains(flaws, "request: "+other.URL+"/x.js") {
		t.Errorf("flaws %q, want the request to somebody else", flaws)
	}
}

// TestPicture: the picture is as wide as the window and has the whole page,
// which can be printed.
func TestPicture(t *testing.T) {
	b := Open(t)
	b.Show(t, page("", `<div style="height: 2000px">x</div>`), View{Width: 360})
	img, err := png.Decode(bytes.NewReader(b.Picture(t)))
	if err != nil {
		t.Fatal(err)
	}
	if s := img.Bounds().Size(); s.X != 360 || s.Y < 2000 {
		t.Errorf("a picture of %v, want all of the page", s)
	}
	if n := bytes.Count(b.Print(t), []byte("/Type /Page\n")); n < 2 {
		t.Errorf("printed to %d pages, want several", n)
	}
}
