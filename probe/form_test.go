package probe

import (
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/internal/payload"
)

// TestForms: what a server reads as the name, and whether the name asked about
// stands there in one piece, at the natural length and at a given one.
func TestForms(t *testing.T) {
	t.Parallel()
	const name, control = "blocked.example", "control.example" // equally long
	for _, tt := range []struct {
		kind  Kind
		form  Form
		read  string
		whole bool // the name stands there as asked for, in capitals or not
		more  int  // bytes more than the plain form at its natural length
	}{
		{SNI, Plainly, name, true, 0},
		{SNI, UpperCase, "BLOCKED.EXAMPLE", true, 0},
		{SNI, TrailingDot, name + ".", true, 1},
		{SNI, TLSRecords, name, false, payload.RecordHeader},
		{SNI, InPadding, "", true, len(name)},
		{Host, Plainly, name, true, 0},
		{Host, UpperCase, "BLOCKED.EXAMPLE", true, 0},
		{Host, TrailingDot, name + ".", true, 1},
		{Host, NameInPath, "", true, len(name)},
		{Host, AbsoluteForm, name, true, len("http://" + name)},
	} {
		t.Run(string(tt.kind)+" "+string(tt.form), func(t *testing.T) {
			t.Parallel()
			build := func(form Form, length, extra int) []byte {
				b, err := Stimulus{Kind: tt.kind, Name: name, Form: form, Length: length}.Bytes(extra)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			natural := len(build(tt.form, 0, 0))
			if want := len(build(Plainly, 0, 0)) + tt.more; natural != want {
				t.Errorf("natural length %d, want %d", natural, want)
			}
			want := tt.read
			if want == "" {
				want = payload.DefaultControl(name, 0)
				if len(want) != len(control) {
					t.Fatalf("control %q is not as long as the name", want)
				}
			}
			for _, length := range []int{0, natural, 600} {
				for _, extra := range []int{0, 7} {
					b := build(tt.form, length, extra)
					if full := max(length, natural) + extra; len(b) != full {
						t.Errorf("length %d and %d: %d bytes, want %d", length, extra, len(b), full)
					}
					got, ok := payload.ServerName(b)
					if tt.kind == Host {
						got, ok = payload.HostHeader(b)
					}
					if got != want || !ok {
						t.Errorf("length %d: a server reads %q, %v, want %q", length, got, ok, want)
					}
					if whole := strings.Contains(strings.ToLower(string(b)), name); whole != tt.whole {
						t.Errorf("length %d: the name in one piece: %v, want %v", length, whole, tt.whole)
					}
				}
			}
		})
	}
}

func TestNoForm(t *testing.T) {
	t.Parallel()
	for _, s := range []Stimulus{
		{Kind: SNI, Name: "a.example", Form: AbsoluteForm},
		{Kind: SNI, Name: "a.example", Form: NameInPath},
		{Kind: Host, Name: "a.example", Form: TLSRecords},
		{Kind: Host, Name: "a.example", Form: InPadding},
		{Kind: SNI, Name: "a.example", Form: "upside_down"},
		{Kind: SNI, Form: UpperCase},
		{Kind: Host, Form: NameInPath},
		{Kind: SNI, Name: "a", Form: TLSRecords},
		{Kind: SNI, Name: "a.example", Form: TLSRecords, Length: payload.RecordHeader},
	} {
		if b, err := s.Bytes(0); err == nil {
			t.Errorf("%+v: %d bytes and no error", s, len(b))
		}
	}
	for _, kind := range []Kind{SYN, ACK} {
		if b, err := (Stimulus{Kind: kind}).Bytes(3); len(b) > 0 || err != nil {
			t.Errorf("%s says %d bytes, %v", kind, len(b), err)
		}
	}
}
