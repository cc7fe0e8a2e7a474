package alert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/template"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
)

// Template makes the body of a request from an event.
type Template struct {
	text string
	t    *template.Template
}

// Equal reports whether two templates, which may be nil, make the same of any
// event.
func (t *Template) Equal(other *Template) bool {
	return t == other || t != nil && other != nil && t.text == other.text
}

// maxBody bounds what a template makes, in bytes; chats take a few thousand.
const maxBody = 1 << 20

// ParseTemplate reads a template in the language of package text/template,
// which has one function more: json gives a value as JSON, quotes included. It
// is carried out on an event of every kind, so that mistakes show at once; with
// asJSON, what comes out must be JSON.
func ParseTemplate(text string, asJSON bool) (*Template, error) {
	t, err := template.New("template").Funcs(template.FuncMap{"json": toJSON}).Parse(text)
	if err != nil {
		return nil, err
	}
	out := &Template{text, t}
	for _, e := range samples() {
		body, err := out.Execute(e)
		if err != nil {
			return nil, err
		}
		if !asJSON {
			continue
		}
		if err := json.Unmarshal(body, new(any)); err != nil {
			return nil, fmt.Errorf("of an event that is %s it makes what is not JSON (%w): write {{json .Summary}} for a text with its quotes, or name another Content-Type in headers", e.Status, err)
		}
	}
	return out, nil
}

// Execute makes the body for an event.
func (t *Template) Execute(e Event) ([]byte, error) {
	var out bytes.Buffer
	if err := t.t.Execute(&bounded{w: &out, left: maxBody}, e); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func toJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// bounded refuses to write more than so many bytes.
type bounded struct {
	w    io.Writer
	left int
}

var errTooLong = errors.New("it makes more than 1 MiB")

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errTooLong
	}
	return b.w.Write(p)
}

// samples are events of every kind, with texts that JSON must escape.
func samples() []Event {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := Receiver{Name: "sample", Via: Webhook{}}
	c := Check{Name: `the "shop"`, Target: "shop.example:443", Labels: map[string]string{"team": "web"}}
	q := state.Question{Kind: probe.SNI, Name: "shop.example"}
	fine := State{Axes: working, Since: at}
	reset := state.Axes{Outcome: probe.Reset, Trigger: probe.TriggerSNI, Author: probe.InPath, Place: state.Place{AfterTTL: 3, AtTTL: 4}}
	wrong := State{Firing: true, Axes: reset, Since: at, FiringSince: at, Told: at}
	out := []Event{TestOf(r, at)}
	for _, e := range []struct {
		Event
		told State
	}{
		{Event{Status: Firing, Question: q, To: reset}, fine},
		{Event{Status: Firing, Question: q, To: reset}, State{}},
		{Event{Status: Firing, Question: q, To: reset, Flapping: true}, fine},
		{Event{Status: Changed, Question: q, To: reset}, wrong},
		{Event{Status: Reminder, Question: q, To: reset}, wrong},
		{Event{Status: Resolved, Question: q, To: working}, wrong},
		{Event{Status: Resolved, Question: q}, wrong},
	} {
		e.Since, e.FiringSince, e.At = at, at, at
		s := e.to(r, c, e.told)
		s.Run, s.URL = 17, "https://watch.example/run/17"
		out = append(out, s)
	}
	return append(out, Event{Status: Firing, Question: OwnNetwork, To: inTrouble, Since: at, FiringSince: at, At: at}.to(r, Check{}, State{}))
}
