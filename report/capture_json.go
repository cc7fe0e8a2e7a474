package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// WriteJSON writes the document on one line, with a line feed. It is safe to
// print on a terminal, as that of a Document. Flows are written one after the
// other: there may be very many.
func (c Capture) WriteJSON(w io.Writer) error {
	flows := c.Flows
	c.Flows = nil
	rest, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("report: encode explanation of %s: %w", c.File, err)
	}
	// Before this key there are no others of the name, and in strings quotes
	// are escaped.
	const empty = `"flows":[]`
	at := bytes.Index(rest, []byte(empty)) + len(empty) - 1

	const full = 1 << 16 // bytes that are worth a write
	e := encoder{b: append(make([]byte, 0, full+full/4), EscapeControls(rest[:at])...)}
	for i := range flows {
		e.comma(i)
		e.flow(&flows[i])
		if len(e.b) >= full {
			if err := e.flush(w); err != nil {
				return err
			}
		}
	}
	e.b = append(append(e.b, EscapeControls(rest[at:])...), '\n')
	return e.flush(w)
}

// JSON is what WriteJSON writes, without the line feed.
func (c Capture) JSON() ([]byte, error) {
	var b bytes.Buffer
	if err := c.WriteJSON(&b); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// encoder appends what encoding/json and EscapeControls would, in a tenth of
// the time: that compacts lists again at every level. Whoever adds a field to
// one of its types adds it here, or TestCaptureJSONIsPlain fails.
type encoder struct {
	b   []byte
	err error // the last
}

func (e *encoder) flush(w io.Writer) error {
	if e.err != nil {
		return fmt.Errorf("report: encode explanation: %w", e.err)
	}
	if _, err := w.Write(e.b); err != nil {
		return fmt.Errorf("report: write explanation: %w", err)
	}
	e.b = e.b[:0]
	return nil
}

func (e *encoder) flow(f *CaptureFlow) {
	e.addr(`{"client":`, f.Client)
	e.addr(`,"server":`, f.Server)
	e.bool(`,"guessed":`, f.Guessed)
	e.time(`,"started_at":`, f.StartedAt)
	e.text(`,"capture_position":`, string(f.Position))
	e.text(`,"outcome":`, string(f.Outcome))
	e.text(`,"stage":`, string(f.Stage))
	e.text(`,"trigger":`, string(f.Trigger))
	e.text(`,"name":`, f.Name)
	e.text(`,"signature":{"toward_server":`, string(f.Signature.TowardServer))
	e.text(`,"toward_client":`, string(f.Signature.TowardClient))
	e.text(`,"raw_toward_server":`, string(f.Signature.RawTowardServer))
	e.text(`,"raw_toward_client":`, string(f.Signature.RawTowardClient))
	e.float(`,"window_ms":`, f.Signature.WindowMS)
	e.raw(`},"resets":[`)
	for i := range f.Resets {
		e.comma(i)
		e.reset(&f.Resets[i])
	}
	e.raw(`],"ending":`)
	if j := f.Ending; j != nil {
		e.raw("{")
		e.judgement(j)
		e.raw("}")
	} else {
		e.raw("null")
	}
	e.text(`,"artefact":`, f.Artefact)
	e.raw("}")
}

func (e *encoder) reset(r *CaptureReset) {
	e.int(`{"packet":`, r.Packet)
	e.ints(`,"copies":`, r.Copies)
	e.addr(`,"from":`, r.From)
	e.addr(`,"toward":`, r.Toward)
	e.int(`,"trigger_packet":`, r.TriggerPacket)
	e.text(`,"link":`, r.Link)
	e.float(`,"wait_ms":`, r.WaitMS)
	e.int(`,"ttl":`, int(r.TTL))
	e.int(`,"hops":`, r.Hops)
	e.int(`,"sender_ttl":`, int(r.SenderTTL))
	e.int(`,"sender_hops":`, r.SenderHops)
	e.raw(",")
	e.judgement(&r.Judgement)
	e.raw("}")
}

// judgement writes the fields without braces: in a reset they are the reset's.
func (e *encoder) judgement(j *Judgement) {
	e.text(`"author":`, string(j.Author))
	e.text(`,"cause":`, string(j.Cause))
	e.text(`,"pattern":`, j.Pattern)
	e.text(`,"confidence":`, string(j.Confidence))
	e.text(`,"summary":`, j.Summary)
	e.text(`,"summary_zh":`, j.SummaryZH)
	e.evidence(`,"evidence":`, j.Evidence)
	e.evidence(`,"against":`, j.Against)
	e.text(`,"next":`, j.Next)
}

func (e *encoder) evidence(key string, list []Evidence) {
	e.raw(key + "[")
	for i := range list {
		v := &list[i]
		e.comma(i)
		e.text(`{"rule":`, string(v.Rule))
		e.text(`,"supports":`, string(v.Supports))
		e.bool(`,"decisive":`, v.Decisive)
		e.text(`,"detail":`, v.Detail)
		e.ints(`,"packets":`, v.Packets)
		e.raw("}")
	}
	e.raw("]")
}

func (e *encoder) raw(s string) { e.b = append(e.b, s...) }

// comma goes before element i of a list.
func (e *encoder) comma(i int) {
	if i > 0 {
		e.b = append(e.b, ',')
	}
}

func (e *encoder) bool(key string, v bool) { e.b = strconv.AppendBool(append(e.b, key...), v) }

func (e *encoder) int(key string, v int) { e.b = strconv.AppendInt(append(e.b, key...), int64(v), 10) }

func (e *encoder) ints(key string, list []int) {
	e.raw(key + "[")
	for i, v := range list {
		e.comma(i)
		e.int("", v)
	}
	e.raw("]")
}

// float writes what has no exponent in JSON by itself, and leaves the rest to
// encoding/json.
func (e *encoder) float(key string, v float64) {
	e.raw(key)
	if abs := math.Abs(v); v == 0 || 1e-6 <= abs && abs < 1e21 {
		e.b = strconv.AppendFloat(e.b, v, 'f', -1, 64)
		return
	}
	e.marshal(v)
}

func (e *encoder) time(key string, v time.Time) {
	e.raw(key + `"`)
	b, err := v.AppendText(e.b)
	if err != nil {
		e.err = err
		return
	}
	e.b = append(b, '"')
}

func (e *encoder) addr(key string, v netip.AddrPort) {
	e.raw(key)
	if !v.IsValid() || v.Addr().Zone() != "" {
		e.marshal(v)
		return
	}
	e.b = append(v.AppendTo(append(e.b, '"')), '"')
}

func (e *encoder) text(key, v string) {
	e.raw(key)
	if !plain(v) {
		e.marshal(v)
		return
	}
	e.b = append(append(append(e.b, '"'), v...), '"')
}

// plain reports whether nothing in a string is escaped.
func plain(s string) bool {
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		switch {
		case r == '"', r == '\\', r == '<', r == '>', r == '&', unicode.IsControl(r), r == '\u2028', r == '\u2029', r == utf8.RuneError:
			return false
		}
		i += n
	}
	return true
}

func (e *encoder) marshal(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		e.err = err
		return
	}
	e.b = append(e.b, EscapeControls(b)...)
}
