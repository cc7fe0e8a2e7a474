package twoends

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// End is one end of the path, and the capture taken there.
type End uint8

// The ends.
const (
	Client End = iota
	Server
)

func (e End) other() End { return 1 - e }

// String is the name of the end.
func (e End) String() string {
	if e == Client {
		return "client"
	}
	return "server"
}

// Result is what two captures show together.
type Result struct {
	Pairs   []Pair    // the conversations that both captures hold, by time
	Missing []Missing // conversations reset at the client of which the server knows nothing
	Alone   [2]int    // how many conversations only the capture at that end holds
	Omitted [2]int    // how many were not looked at, for there were too many
	Swapped bool      // the captures were given in the wrong order, and exchanged
	Clock   Clock
	Hops    [2]Span // routers that the packets of an end cross on their way
	Missed  [2]int  // packets that passed the capture at that end and are not in it
	Verdict probe.Overall
	Summary string // one sentence
	Chinese string // the same in Chinese
}

// Clock is how the clocks of the captures differ. An offset taken from two
// ways is wrong by what the ways differ in, at most by half the round trip.
type Clock struct {
	Known  bool          // packets of both directions were found in both captures
	Offset time.Duration // what the server's clock is ahead of the client's, at the beginning
	Error  time.Duration // the most that Offset may be wrong by
	RTT    time.Duration // the shortest way there and the shortest way back together
	Drift  float64       // what the server's clock gains, in parts per million; 0: nothing that shows
	Steps  int           // how often one of the clocks was set
}

// Span is a range of whole numbers, its bounds included.
type Span struct{ Low, High int }

// Pair is one connection in both captures.
type Pair struct {
	Start     [2]time.Time  // by the clock of either capture
	Keys      [2]packet.Key // as either end saw the addresses: Local is the client
	First     [2]int        // number of its first packet in either capture
	By        By            // how the two were found to be one
	Rewritten bool          // something between chose sequence numbers of its own
	Offset    time.Duration // what the server's clock was ahead at its time
	Sent      [2]Counts     // what became of the packets of either end
	Rows      []Row         // packet by packet, by time; only where something is to be told
	Foreign   []Foreign     // packets that nobody sent who could have
	Resets    []Reset       // resets that an end did send
	Silence   *Judgement    // of what was taken out of the traffic without a reset; nil: nothing
	Both      bool          // both ends were reset in each other's name
}

// Translated reports whether addresses or ports were changed on the way.
func (p *Pair) Translated() bool { return p.Keys[Client] != p.Keys[Server] }

// By says how two conversations were found to be one.
type By string

// The ways, surest first.
const (
	ByNumbers By = "both initial sequence numbers"
	ByOneISN  By = "one initial sequence number"
	ByPackets By = "sequence and acknowledgment numbers of packets"
	ByAddress By = "addresses, ports and lengths: the sequence numbers were rewritten"
	ByTSval   By = "the timestamp of the SYN: addresses and sequence numbers were rewritten"
)

// Fate is what became of a packet, or where it came from.
type Fate string

// The fates.
const (
	Arrived    Fate = "arrived"
	Merged     Fate = "merged"     // arrived, cut into segments in another way (offload)
	Altered    Fate = "altered"    // arrived with other contents
	Lost       Fate = "lost"       // on the way
	Uncaptured Fate = "uncaptured" // passed both ends, and one capture missed it
	Outside    Fate = "outside"    // the other capture did not run then
	Unkept     Fate = "unkept"     // the other capture may have it among those packets that were not kept
	Doubled    Fate = "doubled"    // by the network: the same packet arrived before
	Injected   Fate = "injected"   // never sent by the one it seems to come from
)

// Counts are the packets in the name of one end, by fate.
type Counts map[Fate]int

// Row is one packet.
type Row struct {
	From   End // in whose name it is
	Packet [2]int
	At     [2]time.Duration // since the pair's Start of either capture; valid where Packet is not 0
	TTL    [2]uint8
	Flags  packet.Flags
	Seq    int // from the sender's initial sequence number on, or its first packet
	Size   int // bytes of payload
	Fate   Fate
}

// Foreign is a packet in the name of an end that the end did not send.
type Foreign struct {
	At      End   // where it was seen
	Packet  int   // its number there
	Copies  []int // numbers of copies of the same packet
	From    netip.AddrPort
	Kind    Kind
	TTL     uint8
	Genuine Span // TTLs that packets of the one it seems to come from have there; 0: none

	// Trigger is the number of the packet that drew it in either capture; 0:
	// it is not there, or not known.
	Trigger     [2]int
	TriggerFrom End    // who sent the trigger
	Name        string // that the trigger asks for; "": none
	Wait        time.Duration
	Distance    *Distance // nil: nothing can be said
	Judgement
}

// Kind is what a foreign packet does.
type Kind string

// The kinds.
const (
	ResetPacket  Kind = "reset"
	FINPacket    Kind = "fin"
	DataPacket   Kind = "data"
	SYNACKPacket Kind = "syn_ack"
	OtherPacket  Kind = "other" // an acknowledgment, a SYN
)

// ends reports whether a packet does harm. A SYN/ACK of something that opens
// connections in the server's place, and bare acknowledgments, do none.
func (k Kind) ends() bool { return k == ResetPacket || k == FINPacket || k == DataPacket }

// Reset is a reset that an end sent itself.
type Reset struct {
	From   End
	Packet [2]int // its number in either capture; 0: it is not there
	Fate   Fate
	Closed bool   // the client had closed the connection before: it does no harm
	Drawn  [2]int // the packet that drew it, if it is the consequence of an earlier reset
	Judgement
}

// Missing is a conversation that was reset at the client, and of which the
// capture at the server, where it should be, holds nothing.
type Missing struct {
	Key     packet.Key
	Start   time.Time
	Packet  int // the reset
	Trigger int // the SYN
	Judgement
}

// Judgement says who did something, why, and how sure that is.
type Judgement struct {
	Author     probe.Author
	Cause      probe.Cause
	Confidence probe.Confidence
	Evidence   []Evidence
	Against    []Evidence
	Next       string // what to capture or run next; "": nothing
	Summary    string // one sentence
	Chinese    string // the same in Chinese
}

// Evidence is one reason. Its Packets are numbers in the capture at the
// client.
type Evidence struct {
	probe.Evidence
	AtServer []int // numbers in the capture at the server
}

// Distance is how far from either end a foreign packet was let loose, from
// its TTLs. It holds if the packets to both ends were sent from one place with
// the same initial TTL. Where packets are copied to a box that sends its own
// from elsewhere, that place is not where the traffic is read.
type Distance struct {
	Initial    Span // the TTL with which it was sent
	FromClient Span // routers between the client and the place
	FromServer Span
	Path       int  // routers between the ends
	Both       bool // from packets to both ends; if not, the usual initial TTLs were tried
	Usual      bool // the initial TTL is one that systems use
}
