package server

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"net/http/httptest"
	"net/netip"
)

// TestLogin: a person signs in where a token is needed, comes to where they
// wanted to, and signs out.
func TestLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Settings{Token: token})
	base := "http://" + w.serve()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: client.CheckRedirect}
	html := "Accept: text/html,*/*"
	form := func(path, given, next string, header ...string) *http.Request {
		return request(t, "POST", base+path, url.Values{"token": {given}, "next": {next}}.Encode(), append(header, "Content-Type: application/x-www-form-urlencoded")...)
	}

	got, _ := do(t, browser, request(t, "GET", base+"/check/a%20b?x=1", "", html))
	if at := got.Header.Get("Location"); got.StatusCode != 303 || at != "/login?next=%2Fcheck%2Fa%2520b%3Fx%3D1" {
		t.Fatalf("%d %s", got.StatusCode, at)
	}
	got, body := do(t, browser, request(t, "GET", base+got.Header.Get("Location"), "", html))
	if got.StatusCode != 200 || !strings.Contains(body, `name="next" value="/check/a%20b?x=1"`) {
		t.Errorf("%d %s", got.StatusCode, body)
	}
	got, body = do(t, browser, form("/login", "wrong-wrong-wrong", "/check/x"))
	if got.StatusCode != 401 || !strings.Contains(body, "The token is wrong.") || len(got.Cookies()) > 0 {
		t.Errorf("a wrong token: %d %s %v", got.StatusCode, body, got.Cookies())
	}
	if got, _ := do(t, browser, form("/login", token, "/", "Origin: https://evil.example", "Sec-Fetch-Site: cross-site")); got.StatusCode != 403 || len(got.Cookies()) > 0 {
		t.Errorf("another site may sign people in: %d", got.StatusCode)
	}
	got, _ = do(t, browser, form("/login", " "+token+"\n", "/check/x"))
	if got.StatusCode != 303 || got.Header.Get("Location") != "/check/x" || len(got.Cookies()) != 1 {
		t.Fatalf("%d %v", got.StatusCode, got.Header)
	}
	c := got.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.Secure || strings.Contains(c.Value, token) {
		t.Errorf("cookie: %v", c)
	}
	if got, body := do(t, browser, request(t, "GET", base+"/", "", html)); got.StatusCode != 200 || body != "pages" {
		t.Errorf("signed in: %d %s", got.StatusCode, body)
	}
	if got, _ := do(t, browser, request(t, "POST", base+"/-/reload", "", "Sec-Fetch-Site: cross-site")); got.StatusCode != 403 || w.reloaded > 0 {
		t.Errorf("another site may reload: %d", got.StatusCode)
	}
	if got, _ := do(t, browser, form("/logout", "", "")); got.StatusCode != 303 {
		t.Errorf("logout: %d", got.StatusCode)
	}
	if got, _ := do(t, browser, request(t, "GET", base+"/", "")); got.StatusCode != 401 {
		t.Errorf("signed out: %d", got.StatusCode)
	}
	if log := w.log.String(); strings.Contains(log, "horse") || strings.Contains(log, c.Value) {
		t.Errorf("the log tells the token:\n%s", log)
	}
}

// TestSession: it ends, and with the token; none can be made up from another.
func TestSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		value := sessionUntil(token, time.Now().Add(sessionAge))
		end, mac, _ := strings.Cut(value, ".")
		is := func(v, token string) bool {
			r := httptest.NewRequest("GET", "/", nil)
			r.AddCookie(&http.Cookie{Name: sessionCookie, Value: v})
			return signedIn(r, token, time.Now())
		}
		if !is(value, token) {
			t.Error("it is none")
		}
		for _, v := range []string{end, end + ".", end + "1." + mac, "0" + value, "+" + value, value + "0", "." + mac, ""} {
			if is(v, token) {
				t.Errorf("%q is one, too", v)
			}
		}
		if is(value, token+"x") {
			t.Error("it outlives the token")
		}
		time.Sleep(sessionAge)
		if is(value, token) {
			t.Error("it does not end")
		}
	})
}

// TestLinkFromElsewhere: to a request that a link on another site makes, a
// browser does not add the cookie; so it is made to ask again, once.
func TestLinkFromElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Settings{Token: token})
	base := "http://" + w.serve()
	got, body := do(t, client, request(t, "GET", base+"/check/x?a=1&b=2", "", "Accept: text/html", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"))
	if got.StatusCode != 200 || !strings.Contains(body, `content="0; url=/check/x?a=1&amp;b=2"`) || strings.Contains(body, "pages") {
		t.Errorf("%d %s", got.StatusCode, body)
	}
	got, _ = do(t, client, request(t, "GET", base+"/check/x", "", "Accept: text/html", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate"))
	if got.StatusCode != 303 {
		t.Errorf("once more: %d", got.StatusCode)
	}
}

// TestLocal: nobody is sent elsewhere by a link to us.
func TestLocal(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/check/a?b=c": "/check/a?b=c", "/": "/", "": "/", "https://evil.example/": "/", "//evil.example": "/", "/\\evil.example": "/",
		"check": "/", "javascript:alert(1)": "/", "/\tx": "/", "/login": "/", "/%zz": "/",
	} {
		if got := local(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

// TestTokenFile: it is made once, for the owner alone, and read again.
func TestTokenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rstprobe.db.token")
	if _, err := ReadToken(path); err == nil {
		t.Error("there is a token where there is no file")
	}
	first, made, err := MakeToken(path)
	if err != nil || !made || len(first) < 26 { // 128 bits in base32
		t.Fatalf("%q, %v, %v", first, made, err)
	}
	info, err := os.Stat(path)
	if err != nil || permissionsMean && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	again, made, err := MakeToken(path)
	if err != nil || made || again != first {
		t.Errorf("the second time: %q, %v, %v", again, made, err)
	}
	if Exposed(path) {
		t.Error("everybody may read it")
	}
	if err := os.Chmod(path, 0o604); err != nil { //nolint:gosec // that is what is tested
		t.Fatal(err)
	}
	if permissionsMean && !Exposed(path) {
		t.Error("nobody notices that everybody may read it")
	}
	for _, bad := range []string{"", "short", "sixteen characters", "two-lines-of-it-all\ntwo-lines-of-it-all", "schlüssel-schlüssel"} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := MakeToken(path); err == nil || !strings.Contains(err.Error(), "holds no token: write one line") || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, _, err := MakeToken(filepath.Join(path, "x")); err == nil {
		t.Error("a token was made where none can be")
	}
}

// TestTokenIsWhole: nobody ever sees a file that holds none, so that a kill
// leaves none either; and nothing else is left.
func TestTokenIsWhole(t *testing.T) {
	t.Parallel()
	for range 300 {
		dir := t.TempDir()
		path := filepath.Join(dir, "rstprobe.db.token")
		seen := make(chan error, 1) // it may fail before anybody asks
		go func() {
			for {
				if _, err := ReadToken(path); !errors.Is(err, fs.ErrNotExist) {
					seen <- err
					return
				}
			}
		}()
		if _, _, err := MakeToken(path); err != nil {
			t.Fatal(err)
		}
		if err := <-seen; err != nil {
			t.Fatal(err)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
			t.Fatalf("%v, %v", files, err)
		}
	}
}

// TestSignIn: where there are users, a token opens nothing, and there is
// nothing to sign out of.
func TestSignIn(t *testing.T) {
	t.Parallel()
	web := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(web, []byte("basic_auth_users: {prometheus: $2y$10$x}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !SignIn(token, "") || SignIn("", "") || SignIn(token, web) {
		t.Errorf("with a token: %v, without: %v, with users: %v", SignIn(token, ""), SignIn("", ""), SignIn(token, web))
	}
}

func TestNeedsToken(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]bool{
		"127.0.0.1:1": false, "127.3.2.1:1": false, "[::1]:1": false, "[::ffff:127.0.0.1]:1": false,
		"0.0.0.0:1": true, "[::]:1": true, "192.0.2.1:1": true, "[fe80::1%lo]:1": true, "[::ffff:192.0.2.1]:1": true,
	} {
		if got := NeedsToken(netip.MustParseAddrPort(listen)); got != want {
			t.Errorf("%s: %v, want %v", listen, got, want)
		}
	}
}
