package deliver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
)

var (
	day   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	event = alert.Event{
		Version: 1, Status: alert.Firing, Receiver: "ops", Check: "shop", Target: "shop.example", Labels: map[string]string{"team": "web", "check": "mine"},
		Question: state.Question{Kind: probe.SNI, Name: "shop.example"}, To: state.Axes{Outcome: probe.Reset},
		Since: day, FiringSince: day, At: day.Add(time.Minute), Summary: "a box", Run: 17, URL: "https://watch.example/run/17", Key: "k1",
	}
)

// webhookTo is a receiver at an address below the one of a server.
func webhookTo(address string, change func(*alert.Webhook)) alert.Receiver {
	w := alert.Webhook{Address: alert.Address{URL: alert.Secret(address)}, Timeout: time.Minute}
	if change != nil {
		change(&w)
	}
	return alert.Receiver{Name: "ops", Via: w}
}

// got is a request as a server saw it.
type got struct {
	Method, Path, Query, Body string
	Header                    http.Header
}

// listening is a server that keeps what it gets.
func listening(t *testing.T, answer http.HandlerFunc) (address string, requests <-chan got) {
	t.Helper()
	out := make(chan got, 10) // more than any test sends
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		out <- got{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header}
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, out
}

func noContent(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// TestWebhook: what is sent, without a template and with one.
func TestWebhook(t *testing.T) {
	t.Parallel()
	address, requests := listening(t, noContent)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("Bearer sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := webhookTo(address+"/hook?room=1", func(w *alert.Webhook) {
		w.Address.Headers = map[string]alert.Secret{"x-team": "web"}
		w.Address.HeaderFiles = map[string]string{"Authorization": token}
	})
	if err := sender(r, "1.2.3")(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	in := <-requests
	if in.Method != "POST" || in.Path != "/hook" || in.Query != "room=1" {
		t.Errorf("request: %+v", in)
	}
	for name, want := range map[string]string{
		"Idempotency-Key": "k1", "Content-Type": "application/json", "User-Agent": "rstprobe/1.2.3", "X-Team": "web", "Authorization": "Bearer sesame",
	} {
		if have := in.Header.Get(name); have != want {
			t.Errorf("%s: %q, want %q", name, have, want)
		}
	}
	var back alert.Event
	if err := json.Unmarshal([]byte(in.Body), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(event, back, cmp.Comparer(func(a, b state.Axes) bool { return a == b })); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}

	template, err := alert.ParseTemplate(`{"text": {{json .Summary}}}`, true)
	if err != nil {
		t.Fatal(err)
	}
	r = webhookTo(address, func(w *alert.Webhook) {
		w.Template = template
		w.Address.Headers = map[string]alert.Secret{"Content-Type": "application/x-chat+json"}
	})
	if err := sender(r, "")(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	if in := <-requests; in.Body != `{"text": "a box"}` || in.Header.Get("Content-Type") != "application/x-chat+json" {
		t.Errorf("request: %+v", in)
	}
}

// TestServersThatFail in every way that they do: what is delivered, what is
// tried again and when, and what is not.
func TestServersThatFail(t *testing.T) {
	t.Parallel()
	leads := make(chan struct{}, 10) // more than are sent
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leads <- struct{}{} }))
	t.Cleanup(elsewhere.Close)
	code := func(n int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(n)
		}
	}
	hangUp := func(head string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, head) // who does not read it is tested, too
			_ = conn.Close()
		}
	}
	for _, tt := range []struct {
		name    string
		answer  http.HandlerFunc
		want    string // of the error; "": delivered
		refused bool
		after   time.Duration
	}{
		{"ok", code(200), "", false, 0},
		{"created", code(201), "", false, 0},
		{"fails", code(500), "the answer is 500 Internal Server Error", false, 0},
		{"is overloaded", code(503, "Retry-After", "120"), "503", false, 2 * time.Minute},
		{"has too much", code(429, "Retry-After", "3600"), "429 Too Many Requests", false, time.Hour},
		{"has too much, and does not say until when", code(429), "429", false, 0},
		{"says when in a way that nobody reads", code(429, "Retry-After", "soon"), "429", false, 0},
		{"was too slow itself", code(408), "408", false, 0},
		{"does not want it", code(400), "400 Bad Request", true, 0},
		{"is gone", code(410, "Retry-After", "1"), "410", true, 0},
		{"redirects", code(302, "Location", elsewhere.URL), "302 Found: redirects are not followed", false, 0},
		{"redirects a post", code(308, "Location", elsewhere.URL), "308", false, 0},
		{"dies before it answers", hangUp(""), "EOF", false, 0},
		{"dies in the head", hangUp("HTTP/1.1 204 No"), "EOF", false, 0},
		{"dies in the body", hangUp("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n12345"), "", false, 0},
		{"dies in the body of a failure", hangUp("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100\r\n\r\n12345"), "502", false, 0},
		{"speaks something else", hangUp("220 mail.example ESMTP\r\n"), "malformed HTTP", false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address, requests := listening(t, tt.answer)
			err := sender(webhookTo(address+"/sesame", nil), "")(t.Context(), event)
			<-requests
			switch {
			case (err == nil) != (tt.want == ""), err != nil && !strings.Contains(err.Error(), tt.want):
				t.Fatalf("error %v, want %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "sesame"):
				t.Errorf("the error shows the address: %v", err)
			}
			ask := later{}
			if got := errors.As(err, &ask); ask.after != tt.after || got != (tt.after > 0) {
				t.Errorf("it asks for %v, want %v", ask.after, tt.after)
			}
			if got := errors.As(err, new(refusal)); got != tt.refused {
				t.Errorf("refused for good: %t, want %t (%v)", got, tt.refused, err)
			}
		})
	}
	t.Cleanup(func() {
		if len(leads) > 0 {
			t.Error("a redirect was followed")
		}
	})
}

// TestServerThatStalls never answers: the attempt ends with its time, and with
// the program.
func TestServerThatStalls(t *testing.T) {
	t.Parallel()
	address, requests := listening(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	err := sender(webhookTo(address+"/sesame", func(w *alert.Webhook) { w.Timeout = 50 * time.Millisecond }), "")(t.Context(), event)
	if err == nil || err.Error() != "deliver: no answer within 50ms" {
		t.Errorf("error %v", err)
	}
	<-requests
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-requests
		cancel()
	}()
	if err := sender(webhookTo(address, nil), "")(ctx, event); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestWhereTo: what is wrong with an address or a file of one is said without
// it.
func TestWhereTo(t *testing.T) {
	t.Parallel()
	address, requests := listening(t, noContent)
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		a    alert.Address
		want string // "": it arrives
	}{
		{"a file", alert.Address{URLFile: file("good", address+"/sesame\n")}, ""},
		{"no file", alert.Address{URLFile: filepath.Join(dir, "none")}, "no such file"},
		{"an empty file", alert.Address{URLFile: file("empty", "\n")}, "empty is empty"},
		{"a file of two lines", alert.Address{URLFile: file("two", address+"\n"+address)}, "more than one line"},
		{"a long file", alert.Address{URLFile: file("long", address+strings.Repeat("x", maxSecretFile))}, "more than one line"},
		{"no address", alert.Address{URLFile: file("bad", "sesame")}, "bad holds no address"},
		{"a broken address", alert.Address{URLFile: file("broken", "http://sesame:%zz")}, "broken holds no address"},
		{"no file of a header", alert.Address{URL: alert.Secret(address), HeaderFiles: map[string]string{"X": filepath.Join(dir, "none")}}, "no such file"},
		{"a user", alert.Address{URL: alert.Secret("http://me:sesame@" + u.Host)}, ""},
		{"nobody listens", alert.Address{URL: "http://127.0.0.1:1/sesame"}, "connection refused"},
	} {
		r := webhookTo("", func(w *alert.Webhook) { w.Address = tt.a })
		err := sender(r, "")(t.Context(), event)
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "sesame")) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
		if ready := Ready(r); tt.name != "nobody listens" && (ready == nil) != (tt.want == "") {
			t.Errorf("%s: ready: %v", tt.name, ready)
		}
		if err == nil {
			if in := <-requests; tt.name == "a user" && in.Header.Get("Authorization") != "Basic bWU6c2VzYW1l" {
				t.Errorf("%s: %+v", tt.name, in)
			}
		}
	}
}

func TestRetryAfterField(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		field string
		want  time.Duration
		ok    bool
	}{
		{"", 0, false}, {"0", 0, true}, {"120", 2 * time.Minute, true}, {"-1", 0, false}, {"1.5", 0, false},
		{"Fri, 02 Jan 2026 03:14:05 GMT", 10 * time.Minute, true}, {"Thu, 01 Jan 2026 03:14:05 GMT", 0, true},
		{"99999999999999999999", 0, false},
	} {
		if got, ok := retryAfter(tt.field, day); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q: %v %t, want %v %t", tt.field, got, ok, tt.want, tt.ok)
		}
	}
}

// TestAlertmanager: the form that its interface takes.
func TestAlertmanager(t *testing.T) {
	t.Parallel()
	address, requests := listening(t, noContent)
	via := alert.Alertmanager{Address: alert.Address{URL: alert.Secret(address + "/am/")}, Labels: map[string]string{"severity": "page"}, Timeout: time.Minute}
	before := time.Now()
	send := sender(alert.Receiver{Name: "am", Via: via}, "")
	posted := func(events ...alert.Event) []map[string]any {
		t.Helper()
		if err := send(t.Context(), events...); err != nil {
			t.Fatal(err)
		}
		in := <-requests
		if in.Path != "/am/api/v2/alerts" {
			t.Errorf("path %s", in.Path)
		}
		var all []map[string]any
		if err := json.Unmarshal([]byte(in.Body), &all); err != nil || len(all) != len(events) {
			t.Fatalf("body %s: %v", in.Body, err)
		}
		return all
	}
	take := func(e alert.Event) map[string]any {
		t.Helper()
		return posted(e)[0]
	}
	one := take(event)
	ends, err := time.Parse(time.RFC3339, one["endsAt"].(string))
	if err != nil || ends.Before(before.Add(lapse)) {
		t.Errorf("a firing alert ends at %v, %v", one["endsAt"], err)
	}
	delete(one, "endsAt")
	want := map[string]any{
		"labels": map[string]any{"alertname": "RstprobeCheck", "check": "shop", "question": "sni shop.example", "severity": "page", "team": "web"},
		"annotations": map[string]any{
			"summary": "a box", "target": "shop.example", "from": "unknown", "to": "reset", "since": "2026-01-02T03:04:05Z", "flapping": "false", "run": "17",
		},
		"startsAt": "2026-01-02T03:04:05Z", "generatorURL": "https://watch.example/run/17",
	}
	if diff := cmp.Diff(want, one); diff != "" {
		t.Errorf("alert (-want +got):\n%s", diff)
	}

	over := event
	over.Status, over.URL = alert.Resolved, ""
	two := take(over)
	if diff := cmp.Diff(want["labels"], two["labels"]); diff != "" {
		t.Errorf("it is another alert when it is over (-want +got):\n%s", diff)
	}
	if two["endsAt"] != "2026-01-02T03:05:05Z" || two["generatorURL"] != nil {
		t.Errorf("a resolved alert: %v", two)
	}

	both := posted(over, event)
	if both[0]["endsAt"] != "2026-01-02T03:05:05Z" || both[1]["startsAt"] != "2026-01-02T03:04:05Z" {
		t.Errorf("two alerts: %v", both)
	}

	// The clock was set back: a beginning behind the end would be refused.
	over.At = over.FiringSince.Add(-time.Hour)
	if a := take(over); a["startsAt"] != a["endsAt"] || a["endsAt"] != "2026-01-02T02:04:05Z" {
		t.Errorf("an alert that ended before it began: %v", a)
	}

	for name, e := range map[string]alert.Event{
		"RstprobeTest":       alert.TestOf(alert.Receiver{Name: "am", Via: via}, time.Now()),
		"RstprobeOwnNetwork": {Status: alert.Firing, Question: alert.OwnNetwork},
	} {
		if l := take(e)["labels"].(map[string]any); l["alertname"] != name {
			t.Errorf("labels %v, want the name %s", l, name)
		}
	}
}
