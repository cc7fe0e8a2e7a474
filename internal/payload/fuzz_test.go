package payload

import (
	"bytes"
	"crypto/tls"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzServerName holds ServerName to crypto/tls: what a real server reads as
// the name, it reads too. It must find nothing that is not in the input, and
// nothing else when more input follows.
func FuzzServerName(f *testing.F) {
	config := &tls.Config{}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := ServerName(b)
		if ok != (got != "") {
			t.Fatalf("ServerName = %q, %v", got, ok)
		}
		if at, found := serverName(b); found && string(b[at.lo:at.hi]) != got {
			t.Errorf("ServerName = %q, at its offset stands %q", got, b[at.lo:at.hi])
		}
		if longer, _ := ServerName(append(bytes.Clone(b), 0)); ok && longer != got {
			t.Errorf("ServerName = %q, with a byte more %q", got, longer)
		}
		info, _, _ := serve(config, b) // the handshake fails for want of a certificate: only what was read matters
		if info != nil && len(b) < MaxLength && info.ServerName != got {
			t.Errorf("ServerName = %q, crypto/tls reads %q", got, info.ServerName)
		}
	})
}

// FuzzHostHeader wants of the host that it stands in the input, on one line
// and without blanks around it.
func FuzzHostHeader(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := HostHeader(b)
		if ok != (got != "") {
			t.Fatalf("HostHeader = %q, %v", got, ok)
		}
		if !ok {
			return
		}
		if strings.Contains(got, "\n") || strings.Trim(got, " \t") != got {
			t.Errorf("HostHeader = %q", got)
		}
		if s, _ := host(b); string(b[s.lo:s.hi]) != got {
			t.Errorf("HostHeader = %q, at its offset stands %q", got, b[s.lo:s.hi])
		}
		if longer, _ := HostHeader(append(bytes.Clone(b), 'x')); longer != got {
			t.Errorf("HostHeader = %q, with a byte more %q", got, longer)
		}
	})
}

// FuzzRecognise wants of a reply that it keeps to its kind and prints on one
// line.
func FuzzRecognise(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		r := Recognise(b)
		if (r.Kind == NoReply) != (len(b) == 0) || r.Kind > OtherReply {
			t.Errorf("kind %d of %d bytes", r.Kind, len(b))
		}
		if r.Kind != AlertReply && (r.Alert != 0 || r.Level != 0) || r.Kind == AlertReply && r.Level == 0 {
			t.Errorf("kind %d with alert %d of level %d", r.Kind, r.Alert, r.Level)
		}
		if r.Kind != HTTPReply && (r.Status != 0 || r.Location != "") || r.Status != 0 && (r.Status < 100 || r.Status > 999) {
			t.Errorf("kind %d with status %d, location %q", r.Kind, r.Status, r.Location)
		}
		if s := r.String(); s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Errorf("String = %q", s)
		}
	})
}
