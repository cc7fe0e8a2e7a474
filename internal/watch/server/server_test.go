package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const token = "correct-horse-battery-staple"

// log is what a server has logged.
type log struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.String()
}

// world is a server with handlers that say which they are.
type world struct {
	*testing.T
	log   *log
	web   string
	pages http.Handler // nil: some

	mu       sync.Mutex
	settings Settings
	ready    bool
	reloaded int
	reload   error
	denied   []Reason
}

// with reads or changes what requests see.
func (w *world) with(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func newWorld(t *testing.T, s Settings) *world {
	t.Helper()
	return &world{T: t, log: &log{}, settings: s}
}

func (w *world) config() Config {
	name := func(text string) http.Handler {
		return http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(out, text) })
	}
	pages := http.NewServeMux()
	pages.Handle("/", name("pages"))
	pages.Handle("GET /assets/page.css", name("style"))
	pages.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("out of cheese") })
	pages.HandleFunc("GET /half", func(out http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(out, strings.Repeat("half", 10000))
		panic("out of cheese")
	})
	pages.HandleFunc("POST /read", func(out http.ResponseWriter, in *http.Request) {
		if _, err := io.Copy(io.Discard, in.Body); err != nil {
			http.Error(out, err.Error(), http.StatusRequestEntityTooLarge)
		}
	})
	pages.HandleFunc("GET /badge.svg", func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	})
	if w.pages != nil {
		pages = http.NewServeMux()
		pages.Handle("/", w.pages)
	}
	return Config{
		Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Settings: func() (s Settings) { w.with(func() { s = w.settings }); return s },
		Web:     w.web,
		Metrics: name("metrics"), Probe: name("probe"), Pages: pages,
		Reload: func() (err error) { w.with(func() { w.reloaded++; err = w.reload }); return err },
		Ready:  func() (ok bool) { w.with(func() { ok = w.ready }); return ok },
		Denied: func(r Reason) { w.with(func() { w.denied = append(w.denied, r) }) },
	}
}

// serve has the server listen on an address of this machine, as it would on
// any other, and returns that.
func (w *world) serve() string {
	w.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	s := New(w.Context(), w.config())
	ended := make(chan error, 1) // Serve ends before anybody waits for it
	go func() { ended <- s.Serve(l) }()
	w.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := errors.Join(s.Shutdown(ctx), <-ended); err != nil {
			w.Error(err)
		}
	})
	return l.Addr().String()
}

// request is one of any kind; header is NAME: VALUE, ...
func request(t *testing.T, method, url, body string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range header {
		switch name, value, _ := strings.Cut(h, ": "); name {
		case "":
		case "Host":
			r.Host = value
		default:
			r.Header.Set(name, value)
		}
	}
	return r
}

// client follows no redirect.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func do(t *testing.T, c *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(b)
}

// TestRoutes of a server on this machine alone, that asks nobody.
func TestRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Settings{Hosts: []string{"watch.example", "192.0.2.7"}})
	base := "http://" + w.serve()
	for _, tt := range []struct {
		method, path string
		header       string
		code         int
		body         string
	}{
		{"GET", "/metrics", "", 200, "metrics"},
		{"GET", "/probe?target=x", "", 200, "probe"},
		{"GET", "/", "", 200, "pages"},
		{"GET", "/-/healthy", "", 200, "rstprobe is watching.\n"},
		{"HEAD", "/-/healthy", "", 200, ""},
		{"GET", "/-/ready", "", 503, "rstprobe has not measured anything yet.\n"},
		{"GET", "/login", "", 303, ""},
		{"GET", "/-/reload", "", 405, "Ask by POST.\n"},
		{"POST", "/-/reload", "", 200, "The watch file was read again.\n"},
		{"DELETE", "/metrics", "", 405, "Ask by GET.\n"},

		// DNS rebinding: the browser says the name that it was given.
		{"GET", "/metrics", "Host: evil.example:9315", 403, "This is not the machine"},
		{"GET", "/metrics", "Host: localhost.evil.example", 403, "This is not the machine"},
		{"GET", "/metrics", "Host: 192.0.2.8", 403, "This is not the machine"},
		{"GET", "/metrics", "Host: [2001:db8::1]:9315", 403, "This is not the machine"},
		{"POST", "/-/reload", "Host: evil.example", 403, "This is not the machine"},
		{"GET", "/-/healthy", "Host: evil.example", 200, "rstprobe is watching.\n"}, // a load balancer calls it what it likes
		{"GET", "/metrics", "Host: localhost:9315", 200, "metrics"},
		{"GET", "/metrics", "Host: LocalHost.", 200, "metrics"},
		{"GET", "/metrics", "Host: a.localhost", 200, "metrics"},
		{"GET", "/metrics", "Host: [::1]:9315", 200, "metrics"},
		{"GET", "/metrics", "Host: 127.8.9.1", 200, "metrics"},
		{"GET", "/metrics", "Host: watch.example", 200, "metrics"},
		{"GET", "/metrics", "Host: 192.0.2.7:80", 200, "metrics"},

		// Requests that a page of another site sends.
		{"POST", "/-/reload", "Sec-Fetch-Site: cross-site", 403, "A page of another site may not do that.\n"},
		{"POST", "/-/reload", "Sec-Fetch-Site: same-site", 403, "A page of another site may not do that.\n"},
		{"POST", "/-/reload", "Origin: https://evil.example", 403, "A page of another site may not do that.\n"},
		{"GET", "/probe?target=x", "Sec-Fetch-Site: cross-site", 403, "A page of another site may not have anything probed."},
		{"HEAD", "/probe?target=x", "Sec-Fetch-Site: same-site", 403, ""},
		{"GET", "/probe?target=x", "Sec-Fetch-Site: none", 200, "probe"},
		{"POST", "/-/reload", "Sec-Fetch-Site: same-origin", 200, "The watch file was read again.\n"},
	} {
		got, body := do(t, client, request(t, tt.method, base+tt.path, "", tt.header))
		if got.StatusCode != tt.code || !strings.HasPrefix(body, tt.body) {
			t.Errorf("%s %s %s: %d %q, want %d %q", tt.method, tt.path, tt.header, got.StatusCode, body, tt.code, tt.body)
		}
	}
	if w.reloaded != 2 {
		t.Errorf("read again %d times, want 2", w.reloaded)
	}
	w.with(func() { w.ready, w.reload = true, errors.New("watch.yaml:1:1: no") })
	if got, _ := do(t, client, request(t, "GET", base+"/-/ready", "")); got.StatusCode != 200 {
		t.Errorf("ready: %d", got.StatusCode)
	}
	if got, body := do(t, client, request(t, "POST", base+"/-/reload", "")); got.StatusCode != 500 || body != "watch.yaml:1:1: no\n" {
		t.Errorf("a wrong file: %d %s", got.StatusCode, body)
	}
	want := map[Reason]int{WrongHost: 5, WrongOrigin: 5}
	got := map[Reason]int{}
	for _, r := range w.denied {
		got[r]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("denied (-want +got):\n%s", diff)
	}
}

// TestHeaders are on every answer, whoever gives it.
func TestHeaders(t *testing.T) {
	t.Parallel()
	open, closed := newWorld(t, Settings{}), newWorld(t, Settings{Token: token})
	for _, url := range []string{
		"http://" + open.serve() + "/", "http://" + closed.serve() + "/metrics", "http://" + closed.serve() + "/login", "http://" + open.serve() + "/panic",
		"http://" + open.serve() + "/-/healthy",
	} {
		got, _ := do(t, client, request(t, "GET", url, ""))
		for name, value := range headers {
			if got.Header.Get(name) != value {
				t.Errorf("%s: %s is %q, want %q", url, name, got.Header.Get(name), value)
			}
		}
	}
	got, _ := do(t, client, request(t, "GET", "http://"+open.serve()+"/badge.svg", ""))
	if policy := got.Header.Get("Cross-Origin-Resource-Policy"); policy != "cross-origin" {
		t.Errorf("a handler's own policy became %q", policy)
	}
	if strings.Contains(headers["Content-Security-Policy"], "unsafe") {
		t.Error("scripts or styles need no file")
	}
}

// TestPanic: one request fails, the next one does not, and the log says why.
func TestPanic(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Settings{})
	base := "http://" + w.serve()
	if got, body := do(t, client, request(t, "GET", base+"/panic", "")); got.StatusCode != 500 || strings.Contains(body, "cheese") {
		t.Errorf("%d %s", got.StatusCode, body)
	}
	answer, err := client.Do(request(t, "GET", base+"/half", ""))
	if err == nil {
		_, err = io.ReadAll(answer.Body)
		answer.Body.Close() //nolint:errcheck // only read
	}
	if err == nil {
		t.Error("half an answer was taken for a whole one")
	}
	if got, _ := do(t, client, request(t, "GET", base+"/", "")); got.StatusCode != 200 {
		t.Errorf("after it: %d", got.StatusCode)
	}
	if n := strings.Count(w.log.String(), "out of cheese"); n != 2 || !strings.Contains(w.log.String(), "server_test.go") {
		t.Errorf("the log has it %d times: %s", n, w.log.String())
	}
}

// TestLimits of what somebody may send.
func TestLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Settings{})
	base := "http://" + w.serve()
	for size, code := range map[int]int{maxBody: 200, maxBody + 1: 413} {
		if got, _ := do(t, client, request(t, "POST", base+"/read", strings.Repeat("x", size))); got.StatusCode != code {
			t.Errorf("%d bytes: %d, want %d", size, got.StatusCode, code)
		}
	}
	if got, _ := do(t, client, request(t, "GET", base+"/", "", "X-Large: "+strings.Repeat("x", 2*maxHeader))); got.StatusCode != 431 {
		t.Errorf("a large header: %d", got.StatusCode)
	}
	s := New(t.Context(), w.config())
	if s.http.ReadHeaderTimeout == 0 || s.http.ReadTimeout == 0 || s.http.WriteTimeout == 0 || s.http.IdleTimeout == 0 {
		t.Error("somebody may take as long as they like")
	}
}

// TestShutdown: who is too slow is cut off in the end, and that is no failure.
func TestShutdown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Settings{})
	asked, gone := make(chan struct{}), make(chan struct{})
	w.pages = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(gone)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(t.Context(), w.config())
	ended := make(chan error, 1) // Serve ends before anybody waits for it
	go func() { ended <- s.Serve(l) }()
	slow := request(t, "GET", "http://"+l.Addr().String()+"/slow", "")
	go func() {
		if answer, err := client.Do(slow); err == nil {
			t.Errorf("an answer that nobody has given: %s", answer.Status)
			answer.Body.Close() //nolint:errcheck // there should be none
		}
	}()
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // all the time that there is, is over
	if err := errors.Join(s.Shutdown(ctx), <-ended); err != nil {
		t.Fatal(err) // the handler may then wait for ever
	}
	<-gone
}

// TestToken: what opens a server that others can reach, and what does not.
func TestToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Settings{Token: token})
	base := "http://" + w.serve()
	for _, tt := range []struct {
		name, path string
		header     []string
		user       *url.Userinfo
		code       int
	}{
		{"bearer", "/metrics", []string{"Authorization: Bearer " + token}, nil, 200},
		{"bearer in any case", "/metrics", []string{"Authorization: bearer  " + token}, nil, 200},
		{"password", "/metrics", nil, url.UserPassword("prometheus", token), 200},
		{"reload", "/probe", []string{"Authorization: Bearer " + token}, nil, 200},
		{"any name of ours", "/metrics", []string{"Authorization: Bearer " + token, "Host: whatever.example"}, nil, 200},
		{"nothing", "/metrics", nil, nil, 401},
		{"the token as it is", "/metrics", []string{"Authorization: " + token}, nil, 401},
		{"the token as a user", "/metrics", nil, url.UserPassword(token, ""), 401},
		{"a part", "/metrics", []string{"Authorization: Bearer correct-horse"}, nil, 401},
		{"a cookie", "/metrics", []string{"Cookie: " + sessionCookie + "=" + token}, nil, 401},
		{"a cookie without end", "/metrics", []string{"Cookie: " + sessionCookie + "=99999999999.00"}, nil, 401},
		{"probe", "/probe", nil, nil, 401},
		{"pages", "/", nil, nil, 401},
		{"no asset", "/assets/../metrics", nil, nil, 307}, // to /metrics
		{"healthy", "/-/healthy", nil, nil, 200},
		{"ready", "/-/ready", nil, nil, 401},
		{"what the way in looks like", "/assets/page.css", nil, nil, 200},
	} {
		r := request(t, "GET", base+tt.path, "", tt.header...)
		r.URL.User = tt.user
		got, _ := do(t, client, r)
		if got.StatusCode != tt.code {
			t.Errorf("%s: %d, want %d", tt.name, got.StatusCode, tt.code)
		}
		if challenges := got.Header.Values("WWW-Authenticate"); (len(challenges) == 2) != (tt.code == 401) {
			t.Errorf("%s: challenges %q", tt.name, challenges)
		}
	}
	if got, _ := do(t, client, request(t, "GET", base+"/events", "", "Accept: text/event-stream")); got.StatusCode != 401 || strings.Contains(strings.Join(got.Header.Values("WWW-Authenticate"), " "), "Basic") {
		t.Errorf("a browser asks for a password beside the page: %d %v", got.StatusCode, got.Header)
	}
	if got, _ := do(t, client, request(t, "POST", base+"/-/reload", "")); got.StatusCode != 401 || w.reloaded > 0 {
		t.Errorf("anybody may reload: %d", got.StatusCode)
	}
	w.with(func() { w.settings.Token = "another-token-altogether" }) // as a reload does
	if got, _ := do(t, client, request(t, "GET", base+"/metrics", "", "Authorization: Bearer "+token)); got.StatusCode != 401 {
		t.Errorf("the old token still opens: %d", got.StatusCode)
	}
	if strings.Contains(w.log.String(), "horse") {
		t.Errorf("the log tells the token:\n%s", w.log.String())
	}
}

// TestWrongTokensAreLimited, by who gives them.
func TestWrongTokensAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Settings{Token: token})
		handler := New(t.Context(), w.config()).http.Handler
		try := func(from, given string) int {
			r := httptest.NewRequest("GET", "/metrics", nil)
			r.RemoteAddr = from
			r.Header.Set("Authorization", "Bearer "+given)
			out := httptest.NewRecorder()
			handler.ServeHTTP(out, r)
			return out.Code
		}
		for range failuresAtOnce {
			if code := try("[2001:db8::1]:1000", "a wrong token"); code != 401 {
				t.Fatalf("a wrong token: %d", code)
			}
		}
		if code := try("[2001:db8::2]:2000", token); code != 429 { // of the same network
			t.Errorf("after %d wrong ones, the right one: %d", failuresAtOnce, code)
		}
		if code := try("192.0.2.1:1000", token); code != 200 {
			t.Errorf("somebody else: %d", code)
		}
		time.Sleep(failuresEvery)
		if code := try("[2001:db8::1]:1000", token); code != 200 {
			t.Errorf("the right one, later: %d", code)
		}
		if code := try("[2001:db8::1]:1000", "a wrong token"); code != 401 {
			t.Errorf("one more: %d", code)
		}
		if code := try("[2001:db8::1]:1000", "a wrong token"); code != 429 {
			t.Errorf("and another one: %d", code)
		}
		want := append(slices.Repeat([]Reason{WrongToken}, failuresAtOnce), TooMany, WrongToken, TooMany)
		if diff := cmp.Diff(want, w.denied); diff != "" {
			t.Errorf("denied (-want +got):\n%s", diff)
		}
		if n := strings.Count(w.log.String(), "a wrong token was given"); n != failuresAtOnce+1 || strings.Contains(w.log.String(), "horse") {
			t.Errorf("the log:\n%s", w.log.String())
		}
	})
}

// TestFailuresAreForgotten: many clients take little room, and all those that
// there is none for share one limit.
func TestFailuresAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFailures()
		from := func(i int) string {
			return net.JoinHostPort(net.IPv4(10, byte(i>>16), byte(i>>8), byte(i)).String(), "1")
		}
		client := func(i int) *http.Request { return &http.Request{RemoteAddr: from(i)} }
		for i := range 3 * maxClients {
			f.add(clientOf(client(i)), time.Now())
		}
		if len(f.by) != maxClients {
			t.Errorf("%d clients are remembered", len(f.by))
		}
		if !f.tooMany(clientOf(client(5*maxClients)), time.Now()) {
			t.Error("one more client than there is room for may try what it likes")
		}
		time.Sleep(failuresAtOnce * failuresEvery)
		f.add(clientOf(client(7*maxClients)), time.Now())
		if len(f.by) != 1 {
			t.Errorf("%d clients are remembered for ever", len(f.by))
		}
	})
}
