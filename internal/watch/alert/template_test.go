package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

var errFull = errors.New("disk full")

func TestTemplate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{`{"text": {{json .Summary}}, "team": {{json .Labels.team}}, "hop": {{.To.Place.AtTTL}}}`, ""},
		{`{"attachments": [{"color": "{{if eq .Status "resolved"}}good{{else}}danger{{end}}", "title": {{json .Check}}}]}`, ""},
		{`{{json .}}`, ""},
		{`{"text": {{.Summary}}}`, "is not JSON"},
		{`{"text": "{{.Check}}"}`, "is not JSON"}, // of a check with quotes in its name
		{`{"text": {{json .Sumary}}}`, "can't evaluate field Sumary"},
		{`{{if eq .Status "resolved"}}{{.Nothing}}{{else}}{}{{end}}`, "can't evaluate field Nothing"},
		{`{{range`, "template:1"},
		{`{{shell "reboot"}}`, `function "shell" not defined`},
	} {
		_, err := ParseTemplate(tt.text, true)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%.200s: %v, want %q", tt.text, err, tt.want)
		}
	}
	if _, err := ParseTemplate(strings.Repeat("x", maxBody+1), false); !errors.Is(err, errTooLong) {
		t.Errorf("a long one: %v", err)
	}
	if _, err := ParseTemplate("{{.Summary}}", false); err != nil {
		t.Errorf("plain text: %v", err)
	}
}

// TestSecret: it cannot be printed by mistake.
func TestSecret(t *testing.T) {
	t.Parallel()
	s := Webhook{Address: Address{URL: "https://hooks.example/token", Headers: map[string]Secret{"X": "token"}}}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s.Address.URL, s.Address.URL), string(b)} {
		if strings.Contains(text, "token") || !strings.Contains(text, hidden) {
			t.Errorf("%s", text)
		}
	}
}

// TestEventJSON is the published form of an event. Keys may come, none may go.
func TestEventJSON(t *testing.T) {
	t.Parallel()
	b, err := json.MarshalIndent(samples()[1], "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
 "version": 1,
 "status": "firing",
 "receiver": "sample",
 "check": "the \"shop\"",
 "target": "shop.example:443",
 "labels": {
  "team": "web"
 },
 "question": "sni shop.example",
 "from": {
  "outcome": "ok",
  "trigger": "none",
  "author": "server",
  "place": {
   "after_ttl": 0,
   "at_ttl": 0,
   "at_ip": ""
  }
 },
 "to": {
  "outcome": "reset",
  "trigger": "sni",
  "author": "in_path",
  "place": {
   "after_ttl": 3,
   "at_ttl": 4,
   "at_ip": ""
  }
 },
 "flapping": false,
 "since": "2026-01-02T03:04:05Z",
 "firing_since": "2026-01-02T03:04:05Z",
 "at": "2026-01-02T03:04:05Z",
 "summary": "the \"shop\", sni shop.example: reset by sni, author in_path, between hops 3 and 4; before: ok",
 "run": 17,
 "url": "https://watch.example/run/17",
 "idempotency_key": "`
	if !strings.HasPrefix(string(b), want) {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
}
