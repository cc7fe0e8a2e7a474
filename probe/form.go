package probe

import (
	"fmt"
	"strings"

	"github.com/rstprobe/rstprobe/internal/payload"
)

// hello is a ClientHello in the stimulus's form, length bytes or as long as
// is natural.
func (s Stimulus) hello(length int) ([]byte, error) {
	switch s.Form {
	case Plainly:
		return payload.ClientHello(s.Name, s.Shape, length, s.Seed)
	case UpperCase:
		return payload.ClientHello(strings.ToUpper(s.Name), s.Shape, length, s.Seed)
	case TrailingDot:
		return payload.ClientHello(s.Name+".", s.Shape, length, s.Seed)
	case InPadding:
		return payload.ClientHelloHiding(payload.DefaultControl(s.Name, 0), s.Name, s.Shape, length, s.Seed)
	case TLSRecords:
		if length > 0 {
			length = max(1, length-payload.RecordHeader) // 0 would be the natural one
		}
		b, err := payload.ClientHello(s.Name, s.Shape, length, s.Seed)
		if err != nil {
			return nil, err
		}
		at, ok := payload.NameMiddle(b, s.Name)
		if !ok {
			return nil, fmt.Errorf("probe: name %q is too short to be cut", s.Name)
		}
		return payload.TwoRecords(b, at)
	case NameInPath, AbsoluteForm:
	}
	return nil, fmt.Errorf("probe: a ClientHello has no form %q", s.Form)
}

// request is an HTTP request in the stimulus's form, likewise.
func (s Stimulus) request(length int) ([]byte, error) {
	switch s.Form {
	case Plainly:
		return payload.HTTPRequest(s.Name, s.Path, length)
	case UpperCase:
		return payload.HTTPRequest(strings.ToUpper(s.Name), s.Path, length)
	case TrailingDot:
		return payload.HTTPRequest(s.Name+".", s.Path, length)
	case NameInPath:
		path := strings.TrimSuffix(s.Path, "/") + "/" + s.Name
		return payload.HTTPRequest(payload.DefaultControl(s.Name, 0), path, length)
	case AbsoluteForm:
		return payload.AbsoluteRequest(s.Name, s.Path, length)
	case TLSRecords, InPadding:
	}
	return nil, fmt.Errorf("probe: an HTTP request has no form %q", s.Form)
}
