package probe

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// Kind is the kind of a test.
type Kind string

// The kinds of test.
const (
	SYN  Kind = "syn"  // a bare SYN
	ACK  Kind = "ack"  // a bare ACK that belongs to no connection: it draws the host's genuine reset (RFC 9293 §3.10.7.1)
	SNI  Kind = "sni"  // a ClientHello with a server_name (RFC 6066 §3)
	Host Kind = "host" // an HTTP/1.1 request with a Host (RFC 9112 §3.2)
)

// Stimulus is what is said to the server once the connection stands.
type Stimulus struct {
	Kind   Kind
	Name   string        // server_name or Host; "" for none
	Path   string        // of an HTTP request; "" is "/"
	Shape  payload.Shape // of a ClientHello; "" is payload.Plain
	Length int           // total bytes, padded; 0: the natural length
	Seed   uint64        // of the random fields
	Form   Form          // how the same name is dressed; "" is Plainly
}

// Form dresses a stimulus up without changing what a server makes of it, or
// says the name in another place.
type Form string

// The forms.
const (
	Plainly      Form = ""
	UpperCase    Form = "upper_case"    // the name in capitals
	TrailingDot  Form = "trailing_dot"  // the name with the root's dot
	TLSRecords   Form = "tls_records"   // a ClientHello in two TLS records, cut inside the name (RFC 8446 §5.1)
	NameInPath   Form = "in_path"       // an HTTP request whose path has the name, with a control's Host
	InPadding    Form = "in_padding"    // a ClientHello with a control's server_name and the name in its padding
	AbsoluteForm Form = "absolute_form" // an HTTP request in absolute-form (RFC 9112 §3.2.2)
)

// Bytes is the payload, extra bytes longer than Length or than its natural
// length. A SYN has none, nor has an ACK. Not every Kind knows every Form.
func (s Stimulus) Bytes(extra int) ([]byte, error) {
	length := s.Length
	if length == 0 && extra > 0 {
		b, err := s.Bytes(0)
		if err != nil {
			return nil, err
		}
		length = len(b)
	}
	if length > 0 {
		length += extra
	}
	if s.Form != Plainly && s.Name == "" {
		return nil, fmt.Errorf("probe: form %s without a name", s.Form)
	}
	switch s.Kind {
	case SNI:
		return s.hello(length)
	case Host:
		return s.request(length)
	case SYN, ACK:
	}
	return nil, nil
}

// Role is what a trial is for.
type Role string

// The roles.
const (
	Control  Role = "control"  // a harmless name that the server is expected to treat like the test name
	Test     Role = "test"     // the name asked about
	Baseline Role = "baseline" // how this server treats an unknown name, no name, another port
)

// Profile is the option set of our SYN.
type Profile uint8

// The SYN profiles.
const (
	LinuxSYN Profile = iota // MSS, SACK permitted, timestamps, NOP, window scale: what Linux sends
	BareSYN                 // no options, a 20-byte header
)

// Trial is one connection, or one bare packet, with one stimulus.
type Trial struct {
	Role     Role
	Remote   netip.AddrPort
	Stimulus Stimulus
	Profile  Profile

	// TTLs: nil sends the stimulus once, at the system's TTL. Otherwise one
	// copy per TTL, ascending, all at the same sequence number and each
	// stamped with its TTL k: its acknowledgment number is k lower and it is
	// k bytes longer; its IPv4 ID is base+k. For a SYN the sequence number
	// itself is k lower.
	TTLs []uint8
	// Step is the time between two copies; 0 sends them back to back. With a
	// step the copies carry no stamp, and the sweep ends at the first reset:
	// the copy sent last drew it.
	Step time.Duration
	// Ahead leaves a gap of that many bytes before the stimulus, so that the
	// peer's TCP may acknowledge it selectively but no application reads it.
	Ahead int

	// Twice sends the stimulus, or every copy, again at once, as a
	// retransmission would be: some boxes act on the second only.
	Twice bool
	// Reader, if not ReadNothing, follows the TTL-limited copies on the same
	// connection, at the system's TTL and at the same sequence number: what
	// becomes of it tells whether a copy that drew nothing set something off.
	Reader Reader
	Read   Stimulus      // what a ReadStimulus says
	Pause  time.Duration // from the last copy to the reader

	// TTL is the TTL of the packets that carry the stimulus where TTLs is
	// nil; 0: the system's, 64.
	TTL uint8
	// Split are offsets, ascending, at which the stimulus is cut into
	// segments; SplitGap is the time between them. nil: as few segments as
	// the peer's MSS allows.
	Split    []int
	SplitGap time.Duration
	// Unconnected sends the stimulus without a handshake.
	Unconnected bool
	MSS         uint16 // that we announce and keep to; 0: the usual 1460 (IPv6: 1440)

	// Of an exchanger on ordinary sockets, which gives each copy a connection
	// of its own (see flow.Kernel). OnePort has all of them come from one
	// port, and so take one path, one after the other, as a LocalPort does.
	// ExactTTL repeats the trial, each time deaf to packets with less
	// remaining TTL than some, until that of the answer is known. Others,
	// which see packets, take no notice.
	OnePort, ExactTTL bool

	// Fetch, where a ClientHello is the stimulus or the reader, goes on to the
	// end of the handshake and asks for the page of this host, which nobody on
	// the path can read. "" leaves it at the ClientHello.
	Fetch string

	LocalPort uint16        // 0: leased
	RTO       time.Duration // after which a lost SYN is sent again; 0: a second (RFC 6298 §2.1)
	Timeout   time.Duration // silence limit after the SYN, and again after the stimulus; 0: one second
	Linger    time.Duration // keep listening that long after a reset, or whatever else ends the trial: late packets are evidence
	Watch     time.Duration // keep listening that long after an answer: a forged reset may come late; 0: Linger
	// Beside marks a trial that only accompanies others: once all trials of
	// its Exchange that are not marked so are over, watching it for a late
	// packet has told enough and ends.
	Beside bool
}

// Reader is what is sent after a TTL-limited trigger to see what it did.
type Reader string

// The readers.
const (
	ReadNothing  Reader = ""
	ReadFIN      Reader = "fin"      // our FIN: a server that holds the connection answers FIN, one that was reset in our name answers RST
	ReadStimulus Reader = "stimulus" // a harmless request
	// ReadSYNACK sends nothing behind the copies, nor anything before them: a
	// server that has not heard of us since our SYN repeats its SYN-ACK (RFC
	// 6298 §5), as long as nobody stops it or its packets.
	ReadSYNACK Reader = "synack"
)

// Exchanger carries trials out on some network, all at the same time, started
// in their order. A network that misbehaves is in the records; an error means
// that something could not be measured. There is a record for every trial in
// any case, as far as it came; one that never began has no events.
type Exchanger interface {
	Exchange(ctx context.Context, trials ...Trial) ([]flow.Record, error)
}

// Choosy is an Exchanger that cannot carry every trial out. Of the others its
// records have no events.
type Choosy interface {
	Exchanger
	Able(Trial) bool
}
