package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Saved are the results that a file holds: of measurements or of captures.
type Saved struct {
	Documents []Document
	Captures  []Capture
}

// ErrRead says that a file could not be read, whatever it holds.
var ErrRead = errors.New("cannot be read")

// PositionError says where in a file something is wrong.
type PositionError struct {
	Line, Column int  // from 1; columns are bytes
	Truncated    bool // the file ends there, in the middle of a result
	Err          error
}

func (e *PositionError) Error() string {
	return fmt.Sprintf("line %d, column %d: %v", e.Line, e.Column, e.Err)
}

func (e *PositionError) Unwrap() error { return e.Err }

// ReadSaved reads what --json and -o wrote: one object, several one behind
// another, or an array of them; or what rstprobe history --export wrote, of
// which it takes the runs. Keys that it does not know it passes over, for
// later versions may add some. An error says where; what was whole before it
// is returned as well.
func ReadSaved(r io.Reader) (Saved, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return Saved{}, fmt.Errorf("%w: %w", ErrRead, err)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // as some editors begin a file
	var s Saved
	in := reader{text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	array := bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("["))
	if array {
		if _, err := in.dec.Token(); err != nil {
			return s, in.fault(0, err)
		}
	}
	for in.dec.More() {
		var raw json.RawMessage
		start := in.next()
		if err := in.dec.Decode(&raw); err != nil {
			return s, in.fault(start, err)
		}
		if err := s.add(raw); err != nil {
			return s, in.fault(start, err)
		}
	}
	if array {
		if _, err := in.dec.Token(); err != nil { // the bracket
			return s, in.fault(in.next(), err)
		}
	}
	if rest := in.next(); rest < len(text) {
		return s, in.fault(rest, errors.New("something follows the results"))
	}
	if len(s.Documents)+len(s.Captures) == 0 {
		return s, errors.New("there is no result in it")
	}
	return s, nil
}

// besides are the types of the lines that stand beside runs in an export of
// the history. They hold no result of their own.
var besides = []string{"change", "coverage", "rollup"}

// add reads one result.
func (s *Saved) add(raw json.RawMessage) error {
	var line struct {
		Type     string          `json:"type"`     // of a line of rstprobe history
		Document json.RawMessage `json:"document"` // of a run in an export of it
	}
	if err := json.Unmarshal(raw, &line); err != nil {
		return err
	}
	switch {
	case line.Type == "run" && line.Document != nil:
		raw = line.Document
	case slices.Contains(besides, line.Type):
		return nil
	case line.Type == "period":
		return errors.New("this is what report --from TIME wrote, which is made from the history each time: write report --from TIME again")
	}
	var head struct {
		Version  *int            `json:"schema_version"`
		Target   json.RawMessage `json:"target"`           // of a measurement
		Position json.RawMessage `json:"capture_position"` // of a capture
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return err
	}
	switch {
	case head.Version != nil && *head.Version != SchemaVersion: // whatever has become of the other keys
		return fmt.Errorf("schema_version is %d, and this rstprobe reads %d: use the version that wrote it", *head.Version, SchemaVersion)
	case head.Version == nil || head.Target == nil && head.Position == nil:
		return errors.New("this is no result of rstprobe: write the name of a file that --json or -o wrote")
	case head.Position != nil:
		var c Capture
		if err := json.Unmarshal(raw, &c); err != nil {
			return err
		}
		s.Captures = append(s.Captures, c)
		return nil
	}
	var d Document
	if err := json.Unmarshal(raw, &d); err != nil {
		return err
	}
	for l := range d.locations() {
		if l.DeviceTTL == nil || l.DeviceIP == nil { // one says nothing without the other
			l.DeviceTTL, l.DeviceIP = nil, nil
		}
	}
	s.Documents = append(s.Documents, d)
	return nil
}

// reader knows where in its text a decoder is.
type reader struct {
	text []byte
	dec  *json.Decoder
}

// next is where the next value begins.
func (r reader) next() int {
	i := int(r.dec.InputOffset())
	return i + len(r.text[i:]) - len(bytes.TrimLeft(r.text[i:], " \t\r\n,"))
}

// fault says where an error is about a value that begins at start.
func (r reader) fault(start int, err error) error {
	at, cut := start, false
	wrongType := (*json.UnmarshalTypeError)(nil)
	switch syntax := (*json.SyntaxError)(nil); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		cut = true
	case errors.As(err, &wrongType):
		at, err = at+int(wrongType.Offset), fmt.Errorf("%s holds a %s, which it cannot be: %w", wrongType.Field, wrongType.Value, err)
	case errors.As(err, &syntax):
		// The decoder counts from where it pleases; a second look does not.
		var v json.RawMessage
		if again := json.Unmarshal(r.text[start:], &v); errors.As(again, &syntax) {
			at += max(0, int(syntax.Offset)-1)
		}
	}
	if cut {
		at, err = len(r.text), errors.New("the file ends in the middle of a result")
	}
	before := r.text[:min(at, len(r.text))]
	return &PositionError{
		Line: 1 + bytes.Count(before, []byte("\n")), Column: len(before) - bytes.LastIndexByte(before, '\n'),
		Truncated: cut, Err: err,
	}
}
