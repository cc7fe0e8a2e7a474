package report

import (
	"fmt"
	"io"
	"iter"
	"net/netip"
	"reflect"
	"strings"
	"sync"
)

// Redactor hides who measured: our own address, and the routers nearest to us,
// wherever they occur. It does so before anything is rendered, so that no
// output can forget to: what it returns holds nothing to hide.
//
// It goes by what may be shown, and hides every other address: the targets and
// whatever else was sent to on purpose, and routers farther away. Each hidden
// address has a stand-in, always the same: that of hop 3 is 192.0.2.3 or
// 2001:db8::3 (RFC 5737, RFC 3849), unless it is taken.
//
// A nil Redactor hides nothing. Any number of goroutines may use one.
type Redactor struct {
	hops int

	mu     sync.Mutex
	asked  map[netip.Addr]bool // what was sent to on purpose, and other addresses of a target's name
	own    map[netip.Addr]bool
	near   map[netip.Addr]int        // routers to hide, and their TTL
	far    map[netip.Addr]bool       // routers behind them
	names  map[string]int            // of near routers, in lower case, and their TTL
	stands map[netip.Addr]netip.Addr // what is hidden, and what stands for it
	taken  map[netip.Addr]bool       // as a stand-in
}

// NewRedactor hides our own address and the first hops routers; 0: the address
// only.
func NewRedactor(hops int) *Redactor {
	return &Redactor{
		hops: hops, asked: map[netip.Addr]bool{}, own: map[netip.Addr]bool{}, near: map[netip.Addr]int{}, far: map[netip.Addr]bool{},
		names: map[string]int{}, stands: map[netip.Addr]netip.Addr{}, taken: map[netip.Addr]bool{},
	}
}

// Show allows addresses that were sent to on purpose.
func (r *Redactor) Show(addrs ...netip.Addr) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.show(addrs...)
}

func (r *Redactor) show(addrs ...netip.Addr) {
	for _, a := range addrs {
		if a.IsValid() {
			r.asked[plainAddr(a)] = true
		}
	}
}

// Document is d without what is to be hidden. One that hides as much already
// is left as it is.
func (r *Redactor) Document(d Document) Document {
	if r == nil || d.Redacted != nil && *d.Redacted >= r.hops {
		return d
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.learn(d)
	d = rewritten(reflect.ValueOf(d), r.text, r.addr).Interface().(Document)
	r.blur(d)
	hops := r.hops
	d.Redacted = &hops
	return d
}

// blur takes out, in place, what tells whose the nearest routers are.
func (r *Redactor) blur(d Document) {
	for i, h := range d.Path.Hops {
		if h.TTL <= r.hops { // no more than these: whatever else is known tells whose router it is
			d.Path.Hops[i] = Hop{TTL: h.TTL, IP: h.IP, RTTMS: h.RTTMS, Control: h.Control, Test: h.Test, Sent: h.Sent, Answered: h.Answered, Altered: h.Altered}
		}
	}
	for l := range d.locations() {
		if l.AfterTTL <= r.hops {
			l.Network = Network{}
		}
	}
}

// locations are all places that a document names.
func (d Document) locations() iter.Seq[*Location] {
	return func(yield func(*Location) bool) {
		for _, t := range d.Tests {
			all := []*Location{t.Location}
			for _, b := range t.Boxes {
				all = append(all, b.Location)
			}
			for _, f := range t.Flows {
				all = append(all, f.Location)
			}
			for _, l := range all {
				if l != nil && !yield(l) {
					return
				}
			}
		}
	}
}

// Redacted is v, of any type, without what is to be hidden, as far as it is
// known already: routers are hidden at any distance until a Document has told
// it.
func Redacted[T any](r *Redactor, v T) T {
	if r == nil {
		return v
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return rewritten(reflect.ValueOf(v), r.text, r.addr).Interface().(T)
}

// Writer writes to w what Redacted makes of it. An address must not be cut by the
// end of a Write.
func (r *Redactor) Writer(w io.Writer) io.Writer {
	if r == nil {
		return w
	}
	return redactingWriter{r, w}
}

type redactingWriter struct {
	r *Redactor
	w io.Writer
}

func (w redactingWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(w.w, Redacted(w.r, string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// learn takes from a document what is to be hidden and what may be shown.
func (r *Redactor) learn(d Document) {
	r.us(d.SourceIP)
	r.show(d.Target.IP)
	if d.Lookup != nil {
		r.show(d.Lookup.Answers...) // which are the target's
	}
	typed := func(s string) {
		findAddresses([]byte(s), func(_, _ int, a netip.Addr) bool { r.show(a); return true })
	}
	typed(d.Target.Input)
	typed(d.Target.Host)
	for _, a := range d.Attempts {
		r.show(a.IP)
		for _, s := range a.Steps {
			r.router(s.TTL, s.IP)
		}
	}
	for l := range d.locations() {
		r.router(l.AfterTTL, l.AfterIP)
		r.router(l.AtTTL, l.AtIP)
		if l.DeviceTTL != nil && l.DeviceIP != nil {
			r.router(*l.DeviceTTL, *l.DeviceIP)
		}
	}
	for _, h := range d.Path.Hops {
		r.router(h.TTL, h.IP)
		if h.TTL <= r.hops && h.Name != "" {
			r.names[strings.ToLower(h.Name)] = h.TTL
		}
	}
	for _, t := range d.Tests {
		typed(t.Name)
		for _, c := range t.ControlNames {
			typed(c)
		}
		for _, f := range t.Flows {
			for i, ip := range f.Routers {
				r.router(i+1, ip)
			}
		}
	}
}

// us notes an address of ours. Loopback is everybody's.
func (r *Redactor) us(a netip.Addr) {
	if a.IsValid() && !a.IsLoopback() {
		r.own[plainAddr(a)] = true
	}
}

// router notes one at a distance. One that was seen near stays hidden wherever
// it is seen again.
func (r *Redactor) router(ttl int, ip netip.Addr) {
	if !ip.IsValid() {
		return
	}
	ip = plainAddr(ip)
	if ttl > r.hops {
		r.far[ip] = true
	} else if old, ok := r.near[ip]; !ok || ttl < old {
		r.near[ip] = ttl
	}
}

// hidden reports whether a plain address is to be hidden. The target is not,
// however near it is, unless it is ourselves.
func (r *Redactor) hidden(a netip.Addr) bool {
	_, near := r.near[a]
	known := r.far[a] || r.taken[a] || a.IsUnspecified()
	return r.own[a] || !r.asked[a] && (near || !known)
}

// addr is a, or what stands for it.
func (r *Redactor) addr(a netip.Addr) netip.Addr {
	if !a.IsValid() || !r.hidden(plainAddr(a)) {
		return a
	}
	s := r.standIn(plainAddr(a))
	if a.Is4In6() {
		return netip.AddrFrom16(s.As16()) // as long as it was
	}
	return s
}

// text is s with what stands for addresses and names.
func (r *Redactor) text(s string) string {
	s = string(replaceAddresses([]byte(s), func(a netip.Addr) (string, bool) {
		if !r.hidden(a) {
			return "", false
		}
		return r.standIn(a).String(), true
	}))
	for name, ttl := range r.names {
		s = replaceName(s, name, fmt.Sprintf("[hop %d]", ttl))
	}
	return s
}

// replaceName replaces a name in lower case, however it is written.
func replaceName(s, name, by string) string {
	for from := 0; ; {
		i := strings.Index(asciiLower(s[from:]), name)
		if i < 0 {
			return s
		}
		s = s[:from+i] + by + s[from+i+len(name):]
		from += i + len(by)
	}
}

// asciiLower is s in lower case, byte for byte as long.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// The last octet of the stand-ins that are no hop's: hops have 1 … 64.
const (
	ownStand     = 254
	unknownStand = 100 // and up
)

// standIn is what stands for a hidden address.
func (r *Redactor) standIn(a netip.Addr) netip.Addr {
	if s, ok := r.stands[a]; ok {
		return s
	}
	n := unknownStand
	if ttl, ok := r.near[a]; ok {
		n = ttl
	}
	if r.own[a] {
		n = ownStand
	}
	s := documentation(a, n)
	for tries := 0; tries < maxStands && (r.taken[s] || r.asked[s] || r.far[s] || r.own[s] || r.near[s] > 0); tries++ {
		n++
		s = documentation(a, n)
	}
	r.stands[a], r.taken[s] = s, true
	return s
}

// maxStands is how many addresses documentation has of IPv4; should they all
// be taken, one stands for several.
const maxStands = 3 * 256

// documentation is the n-th address, modulo all that there are, of those set
// aside for documentation in the family of like: RFC 5737, RFC 3849.
func documentation(like netip.Addr, n int) netip.Addr {
	if like.Is6() {
		return netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 14: byte(n >> 8), 15: byte(n)}) //nolint:gosec // modulo on purpose
	}
	prefix := [][3]byte{{192, 0, 2}, {198, 51, 100}, {203, 0, 113}}[n>>8%3]
	return netip.AddrFrom4([4]byte{prefix[0], prefix[1], prefix[2], byte(n)}) //nolint:gosec // modulo on purpose
}
