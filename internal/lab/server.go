package lab

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
)

// Policy is what a server does with a name that it does not know.
type Policy uint8

// The policies.
const (
	Serve        Policy = iota // answer every name
	PolicyReset                // abortive close (linger 0) once it has read the request
	PolicyAlert                // TLS alert unrecognized_name, then FIN (HTTP: 421, then FIN)
	PolicyFIN                  // FIN without an answer
	PolicyUnread               // close without reading the request, so that the kernel resets (RFC 2525 §2.17)
	PolicySilent               // accept and never answer
)

// Server is how the server behaves. TLS on 443, HTTP on 80.
type Server struct {
	Names   []string // the names it knows; names under control.example, example.com and example.org are known only if listed; nil: all
	Refused []string // of those, names that it does not want to know
	Unknown Policy   // for other names, no name included
	Always  Policy   // for every name, known or not; Serve: as above
	Fails   float64  // share of the connections, by their ports and whatever the name, that it treats as Unknown; 0 … 1
	Closed  []uint16 // ports of 443 and 80 on which nothing listens

	Body  int           // bytes of an HTTP answer's body; 0: a small page that has the name in it
	Large string        // the only name whose page is Body long; "": every page is
	Delay time.Duration // from a request to its answer

	AbortEnd    bool          // ends every connection with an RST right after its answer instead of waiting (linger 0)
	CloseAtOnce bool          // closes every connection as soon as it is open: FIN, and what then comes is reset; where data is quicker a real kernel resets instead of the FIN
	Lingers     time.Duration // after its own FIN it reads on for so long before it resets what comes, as nginx does (lingering_timeout); 0: not at all
	IdleReset   time.Duration // resets a connection idle that long; 0: never
	KeepAlive   time.Duration // probes a connection idle that long, then as often again; resets it after three probes without an answer (RFC 9293 §3.8.4); whole seconds on real kernels; 0: never
	GiveUp      int           // retransmissions of data after which it resets the connection; 0: the usual number, and silence; simnet only
	Dies        time.Duration // after that time the process is killed: connections are reset, ports closed; 0: never

	Front *middlebox.Front // in front of it; nil: nothing
}

// Known reports whether the server knows the name. An empty list knows all but
// the refused ones. A port, the root's dot and the case of letters do not
// count.
func (s Server) Known(name string) bool {
	name, _, _ = strings.Cut(name, ":")
	name = strings.TrimSuffix(name, ".")
	same := func(n string) bool { return strings.EqualFold(n, name) }
	return !slices.ContainsFunc(s.Refused, same) && (len(s.Names) == 0 || slices.ContainsFunc(s.Names, same))
}

// Policy is what the server does on a connection with a client that asks for
// name.
func (s Server) Policy(name string, client, server netip.AddrPort) Policy {
	switch {
	case s.Always != Serve:
		return s.Always
	case s.Fails > 0 && middlebox.Lot(failsSeed, client, server) < s.Fails, !s.Known(name):
		return s.Unknown
	}
	return Serve
}

// failsSeed is of the draw of connections that fail; any number will do.
const failsSeed = 7

// Gate is a Front of its own for one run; nil if the server has none.
func (s Server) Gate() middlebox.Box {
	if s.Front == nil {
		return nil
	}
	f := *s.Front
	return &f
}

// Page is the body of the HTTP answer to a request for name.
func (s Server) Page(name string) string {
	if s.Body == 0 || s.Large != "" && s.Large != name {
		return "hello from " + name + "\n"
	}
	const line = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n"
	return strings.Repeat(line, s.Body/len(line)+1)[:s.Body]
}
