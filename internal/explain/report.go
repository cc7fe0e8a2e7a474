package explain

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/probe"
)

// Report is what a capture shows.
type Report struct {
	Position      Position
	Flows         []Flow // the conversations with something to explain, by time
	Conversations int    // all of them
	Omitted       int    // those with something to explain beyond the limit
	Verdict       Verdict
}

// Verdict sums a capture up.
type Verdict struct {
	Outcome probe.Overall
	Summary string // one sentence
	Chinese string // the same in Chinese
}

// Flow is one conversation with something to explain.
type Flow struct {
	Client, Server netip.AddrPort
	Guessed        bool // the SYN is not in the capture: which end is the client was guessed
	Start          time.Time
	Position       Position
	Outcome        probe.Outcome // as the client would say it
	Stage          probe.Stage
	Trigger        probe.Trigger // what the packet that drew the first reset, or the silence, had to say
	Name           string        // the name in it; "": none
	Signature      Signatures
	Resets         []Reset   // every reset, copies of one packet once, in order
	Ending         Judgement // of a conversation that ended otherwise than by a reset; Cause "" if there is nothing to say
	Artefact       string    // what about the capture itself may mislead; "": nothing
}

// Reset is one reset.
type Reset struct {
	Packet        int
	Copies        []int // numbers of copies of the same packet
	From, Toward  netip.AddrPort
	TriggerPacket int    // 0: none
	Link          string // by which numbers they belong together
	Wait          time.Duration
	TTL           uint8 // as captured
	Hops          int   // routers crossed, if it was sent with the usual initial TTL next above
	SenderTTL     uint8 // of the sender's other packets, the lowest; 0: none in the capture
	SenderHops    int
	Judgement
}

// Judgement says who ended something, why, and how sure that is.
type Judgement struct {
	Author     probe.Author
	Cause      probe.Cause
	Pattern    string // the row of the cause table (Causes)
	Confidence probe.Confidence
	Evidence   []probe.Evidence
	Against    []probe.Evidence
	Next       string // what to capture or run next
	Summary    string // one sentence
	Chinese    string // the same in Chinese
}
