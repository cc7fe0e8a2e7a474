package report

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// Attempt is one connection that was carried out, or one packet outside of
// any, and how it ended. Its times are offsets from StartedMS, 1 µs
// resolution.
type Attempt struct {
	ID            int                 `json:"id"`   // from 1, in the order of starting
	Test          int                 `json:"test"` // that it was made for, from 1; 0: for all of them
	Role          probe.Role          `json:"role"`
	Kind          probe.Kind          `json:"kind"`
	Name          string              `json:"name"` // "": none was said
	Path          string              `json:"path"` // of an HTTP request, "/" at least; else ""
	Manner        Manner              `json:"manner"`
	Form          probe.Form          `json:"form"` // "": plainly
	IP            netip.Addr          `json:"ip"`
	Port          uint16              `json:"port"`
	LocalPort     uint16              `json:"local_port"`
	StartedMS     float64             `json:"started_ms"`   // after Document.StartedAt
	ConnectedMS   *float64            `json:"connected_ms"` // nil, null in JSON: no SYN-ACK
	AnsweredMS    *float64            `json:"answered_ms"`  // nil, null in JSON: no data came
	EndedMS       float64             `json:"ended_ms"`     // by what ended it, else when watching stopped
	Outcome       probe.Outcome       `json:"outcome"`
	Stage         probe.Stage         `json:"stage"`
	Failure       Failure             `json:"failure"` // "": none
	Reply         ReplyKind           `json:"reply"`
	Status        int                 `json:"status"` // of an HTTP answer; 0: none
	BytesSent     int                 `json:"bytes_sent"`
	BytesReceived int                 `json:"bytes_received"` // in order
	Resets        List[AttemptReset]  `json:"resets"`
	Steps         List[AttemptedStep] `json:"steps"` // ascending by TTL; empty unless the TTL was limited
}

// AttemptReset is a reset that came on an attempt's connection.
type AttemptReset struct {
	Packet int     `json:"packet"` // number in the exported capture; 0: it is not in there
	AtMS   float64 `json:"at_ms"`
	TTL    uint8   `json:"ttl"`
	Flags  string  `json:"flags"` // as tcpdump writes them
	Window uint16  `json:"window"`
}

// AttemptedStep is what the copy with one TTL drew.
type AttemptedStep struct {
	TTL    int               `json:"ttl"`
	IP     netip.Addr        `json:"ip"` // of the router that said so; invalid, "" in JSON: none did
	Answer traceroute.Answer `json:"answer"`
}

// Manner is in which way a stimulus was sent.
type Manner string

// The manners.
const (
	Ordinary    Manner = "ordinary"    // as any client does
	Segmented   Manner = "segmented"   // cut into more segments than need be
	Repeated    Manner = "repeated"    // sent twice
	Limited     Manner = "limited"     // with another TTL than the system's
	SweptBurst  Manner = "sweep"       // one stamped copy per TTL, back to back
	SweptTimed  Manner = "timed_sweep" // one copy per TTL, one after the other
	ThenRead    Manner = "then_read"   // TTL-limited copies, then a harmless packet
	Ahead       Manner = "ahead"       // ahead of sequence, so that no application reads it
	Unconnected Manner = "unconnected" // without a handshake
)

// Complete reports whether a connection in this manner is one that a client
// could have made: the stimulus reached out for the server, behind a
// handshake.
func (m Manner) Complete() bool { return m == Ordinary || m == Segmented || m == Repeated }

// ReplyKind is what the answer to an attempt looked like.
type ReplyKind string

// The kinds of answer.
const (
	NoReply    ReplyKind = ""
	HelloReply ReplyKind = "server_hello"
	AlertReply ReplyKind = "alert"
	HTTPReply  ReplyKind = "http"
	OtherReply ReplyKind = "other"
)

var replyKinds = map[payload.ReplyKind]ReplyKind{
	payload.NoReply: NoReply, payload.ServerHello: HelloReply, payload.AlertReply: AlertReply,
	payload.HTTPReply: HTTPReply, payload.OtherReply: OtherReply,
}

// newAttempts are the attempts that began.
func newAttempts(res diagnosis.Result) List[Attempt] {
	out := List[Attempt]{}
	for _, a := range res.Attempts {
		if len(a.Record.Events) > 0 {
			out = append(out, newAttempt(len(out)+1, res, a))
		}
	}
	return out
}

func newAttempt(id int, res diagnosis.Result, a diagnosis.Attempt) Attempt {
	t, o := a.Trial, probe.Observe(a.Record)
	out := Attempt{
		ID: id, Test: a.Question, Role: t.Role, Kind: t.Stimulus.Kind, Name: t.Stimulus.Name, Path: requestPath(t.Stimulus),
		Manner: manner(t), Form: t.Stimulus.Form, IP: t.Remote.Addr(), Port: t.Remote.Port(), LocalPort: a.Record.Key.Local.Port(),
		StartedMS: max(0, milliseconds(a.Record.Start.Sub(res.Started))), EndedMS: milliseconds(endedAt(o, a.Record.End)),
		Outcome: o.Outcome, Stage: o.Stage, Failure: failure(t.Stimulus.Kind, o),
		Reply: replyKinds[o.Reply.Kind], Status: o.Reply.Status, BytesReceived: o.Said,
		Resets: List[AttemptReset]{}, Steps: steps(a),
	}
	if a.Question > len(res.Tests) { // interrupted before it had an answer
		out.Test = 0
	}
	if o.SYNACK != nil {
		out.ConnectedMS = offset(o.SYNACK.At)
	}
	if len(o.Data) > 0 {
		out.AnsweredMS = offset(o.Data[0].At)
	}
	for _, s := range o.Sent {
		out.BytesSent += len(s.Packet.TCP.Payload)
	}
	for _, r := range o.Resets {
		out.Resets = append(out.Resets, AttemptReset{
			Packet: r.N, AtMS: milliseconds(r.At), TTL: r.Packet.TTL, Flags: r.Packet.TCP.Flags.String(), Window: r.Packet.TCP.Window,
		})
	}
	return out
}

func offset(d time.Duration) *float64 {
	ms := milliseconds(d)
	return &ms
}

// requestPath is what is asked for; "" without a request.
func requestPath(s probe.Stimulus) string {
	if s.Kind != probe.Host {
		return ""
	}
	if s.Path == "" {
		return "/"
	}
	return s.Path
}

// manner is the way of a trial; what departs most from an ordinary client
// names it.
func manner(t probe.Trial) Manner {
	switch {
	case t.Reader != probe.ReadNothing:
		return ThenRead
	case len(t.TTLs) > 0 && t.Step > 0:
		return SweptTimed
	case len(t.TTLs) > 0:
		return SweptBurst
	case t.Unconnected, t.Stimulus.Kind == probe.ACK:
		return Unconnected
	case t.Ahead > 0:
		return Ahead
	case t.TTL > 0:
		return Limited
	case t.Twice:
		return Repeated
	case len(t.Split) > 0:
		return Segmented
	}
	return Ordinary
}

// endedAt is when what ended a connection came, as its client would say; end,
// when watching stopped, where nothing did.
func endedAt(o probe.Observation, end time.Duration) time.Duration {
	by := map[probe.Outcome][]probe.Seen{
		probe.Reset: o.Resets, probe.Refused: o.Resets, probe.Fin: o.FINs,
		probe.Alert: o.Data, probe.OK: o.Data, probe.Unreachable: o.Errors,
	}[o.Outcome]
	switch {
	case len(by) == 0 && o.Outcome == probe.OK && o.SYNACK != nil: // nothing was said
		return o.SYNACK.At
	case len(by) == 0:
		return end
	case o.SYNACK != nil: // what came before the connection stood did not keep it from standing
		return max(by[0].At, o.SYNACK.At)
	}
	return by[0].At
}

// steps are what the copies of a TTL-limited trial drew.
func steps(a diagnosis.Attempt) List[AttemptedStep] {
	out := List[AttemptedStep]{}
	if len(a.Trial.TTLs) == 0 {
		return out
	}
	sweep := traceroute.Read(a.Record)
	last := int(a.Trial.TTLs[len(a.Trial.TTLs)-1])
	for _, h := range traceroute.Merge(last, last, nil, nil, []traceroute.Sweep{sweep}).Hops {
		if h.Test != traceroute.NotSent {
			out = append(out, AttemptedStep{TTL: h.TTL, IP: h.Addr, Answer: h.Test})
		}
	}
	return out
}
