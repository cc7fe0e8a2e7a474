package packet

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse: no input panics or is read behind its end, and what parses as TCP
// parses the same when built again.
func FuzzParse(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := Parse(slices.Clip(raw))
		_ = p.String()
		readOptions(p.TCP.Options)

		ttled := append([]byte(nil), raw...)
		SetTTL(ttled, 1)
		if q, _ := Parse(ttled); p.Src.Addr().IsValid() && q.TTL != 1 {
			t.Errorf("TTL %d after SetTTL to 1", q.TTL)
		}

		if s := p.TCP; s.Missing < 0 || s.Missing > 0xffff+ipv6Len {
			t.Errorf("%d bytes of payload are missing", s.Missing)
		}
		if err != nil || p.Proto != TCP || p.Src.Addr().Is4In6() || p.Dst.Addr().Is4In6() {
			return
		}
		datagram, announced := Trim(raw)
		if n := len(p.TCP.Payload); n > 0 && announced > 0 {
			cut, _ := Parse(slices.Clip(datagram[:len(datagram)-(n+1)/2]))
			if cut.TCP.Len() != p.TCP.Len() {
				t.Errorf("length %d with half the payload, want %d", cut.TCP.Len(), p.TCP.Len())
			}
		}
		built, err := Build(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(built); err != nil {
			t.Error(err)
		}
		again, err := Parse(built)
		if err != nil {
			t.Fatal(err)
		}
		p.Raw, again.Raw = nil, nil
		if diff := cmp.Diff(p, again, same); diff != "" {
			t.Errorf("built and parsed again (-want +got):\n%s", diff)
		}
	})
}

// FuzzQuote: no quote panics, and an ICMP error that quotes a datagram gives
// the quote that the datagram itself gives.
func FuzzQuote(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.raw, 28)
	}
	f.Add(quotedSYN4, 28)
	f.Add(quotedSYN6, 1000)
	f.Fuzz(func(t *testing.T, original []byte, quote int) {
		quote &= 0x7ff
		want, err := ParseQuote(slices.Clip(original[:min(quote, len(original))]))
		if len(want.Raw) > len(original) || len(want.Options) > len(want.Raw) {
			t.Errorf("%d bytes and %d of options quoted of %d", len(want.Raw), len(want.Options), len(original))
		}
		if err != nil || want.Src.Addr().Is4In6() {
			return
		}
		from := router4.Addr()
		if want.Src.Addr().Is6() {
			from = router6.Addr()
		}
		raw, err := BuildTimeExceeded(from, original, quote)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(raw); err != nil {
			t.Error(err)
		}
		got, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		// A quote may look as if an extension structure followed it.
		if len(got.ICMP.Quote.Raw) == legacyExtension {
			return
		}
		if diff := cmp.Diff(want, got.ICMP.Quote, same); diff != "" {
			t.Errorf("quote (-want +got):\n%s", diff)
		}
		_ = got.String()
	})
}
