package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/internal/browsertest"
)

// TestSigningIn in a real browser, at the width of a phone: what the headers
// allow is enough, and from the page that was wanted one comes to it.
func TestSigningIn(t *testing.T) {
	b := browsertest.Open(t)
	t.Run("from this machine", func(t *testing.T) { signIn(t, b, "127.0.0.1") })
	t.Run("from another one", func(t *testing.T) { signIn(t, b, "watch.example") })
}

func signIn(t *testing.T, b *browsertest.Browser, host string) {
	w := newWorld(t, Settings{Token: token, Hosts: []string{host}})
	w.pages = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if file, ok := map[string]string{
			"/assets/report.css": "../../../report/templates/style.css", "/assets/page.css": "../page/assets/page.css", "/assets/icon.svg": "../page/assets/icon.svg",
		}[r.URL.Path]; ok {
			http.ServeFile(out, r, file)
			return
		}
		out.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(out, "<!DOCTYPE html><html lang=en><link rel=icon href=/assets/icon.svg><title>rstprobe</title><h1>You are at %s</h1>", r.URL.Path)
	})
	base := "http://" + strings.Replace(w.serve(), "127.0.0.1", host, 1)
	t.Cleanup(func() { b.Visit(t, "about:blank", browsertest.View{Width: 360}) }) // the server waits for its connections
	for _, dark := range []bool{false, true} {
		for _, flaw := range b.Visit(t, base+"/check/shop", browsertest.View{Width: 360, Dark: dark}) {
			if host != "127.0.0.1" && strings.Contains(flaw, "Cross-Origin-Opener-Policy header has been ignored") {
				continue // it tells that over HTTP there is no such thing
			}
			t.Errorf("dark %v: %s", dark, flaw)
		}
	}
	sign := func(given string) string {
		return "(() => { if (!window.sent) { window.sent = true; document.querySelector('#token').value = " + fmt.Sprintf("%q", given) + "; document.querySelector('button').click() } return false })()"
	}
	b.Text(t, "String("+sign("wrong-wrong-wrong")+")")
	b.Wait(t, "document.querySelector('[role=alert]') !== null")
	if got := b.Text(t, "document.querySelector('[role=alert]').textContent"); got != "The token is wrong." {
		t.Errorf("a wrong token: %q", got)
	}
	b.Text(t, "String("+sign(token)+")")
	b.Wait(t, "document.querySelector('h1') !== null && document.querySelector('h1').textContent.startsWith('You are')")
	if got := b.Text(t, "document.querySelector('h1').textContent"); got != "You are at /check/shop" {
		t.Errorf("signed in: %q", got)
	}
	if got := b.Text(t, "document.cookie"); got != "" {
		t.Errorf("scripts see the cookie %q", got)
	}
}
