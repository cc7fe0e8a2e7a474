package report

import (
	"bytes"
	"net/netip"
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
)

// Frames are frames without what is to be hidden: in headers, quoted ones too,
// it has stand-ins, and so have its bytes in what was said; its letters there
// are x's. To be called when all documents of the run have gone through
// Document.
func (r *Redactor) Frames(frames []pcapio.Frame) []pcapio.Frame {
	if r == nil {
		return frames
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	headers := map[netip.Addr]bool{}
	for _, f := range frames {
		p, _ := packet.Parse(f.Raw) //nolint:errcheck // as far as it can be read
		for _, end := range []netip.AddrPort{p.Src, p.Dst, p.ICMP.Quote.Src, p.ICMP.Quote.Dst} {
			if end.Addr().IsValid() {
				headers[plainAddr(end.Addr())] = true
			}
		}
	}
	var hide []netip.Addr // what nobody mistakes for other bytes
	for _, known := range []map[netip.Addr]bool{r.own, headers} {
		for a := range known {
			if r.hidden(a) {
				hide = append(hide, a)
			}
		}
	}
	for a := range r.near {
		hide = append(hide, a)
	}
	out := slices.Clone(frames)
	for i, f := range out {
		out[i].Raw = packet.Edit(f.Raw, r.addr, func(b []byte) { r.blot(b, hide) })
		out[i].Comment = r.text(f.Comment)
	}
	return out
}

// blots is how often blot looks again: what hides one address may complete
// another with the bytes beside it.
const blots = 4

// blot hides in place: addresses in bytes behind their stand-ins, addresses
// and names in letters behind as many x's.
func (r *Redactor) blot(b []byte, hide []netip.Addr) {
	for range blots {
		was := bytes.Clone(b)
		r.blotOnce(b, hide)
		if bytes.Equal(b, was) {
			return
		}
	}
}

func (r *Redactor) blotOnce(b []byte, hide []netip.Addr) {
	for _, a := range hide {
		overwrite(b, a.AsSlice(), r.addr(a).AsSlice())
	}
	findAddresses(b, func(from, to int, a netip.Addr) bool {
		if r.hidden(a) {
			blank(b[from:to])
		}
		return r.hidden(a)
	})
	for name := range r.names {
		low := []byte(asciiLower(string(b)))
		for from := 0; ; from += len(name) {
			i := bytes.Index(low[from:], []byte(name))
			if i < 0 {
				break
			}
			from += i
			blank(b[from : from+len(name)])
		}
	}
}

// overwrite replaces all of old by as many bytes.
func overwrite(b, old, by []byte) {
	for i := bytes.Index(b, old); i >= 0; i = bytes.Index(b, old) {
		copy(b[i:], by)
		b = b[i+len(old):]
	}
}

// blank leaves of a text only its punctuation.
func blank(b []byte) {
	for i, c := range b {
		if hex(c) || 'g' <= c && c <= 'z' || 'G' <= c && c <= 'Z' {
			b[i] = 'x'
		}
	}
}
