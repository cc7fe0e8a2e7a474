package report

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/explain/twoends"
	"github.com/rstprobe/rstprobe/probe"
)

// BothEnds is what a capture at the client and one at the server show
// together.
type BothEnds struct {
	ServerFile string            `json:"server_file"` // as typed
	Swapped    bool              `json:"swapped"`     // it is the one at the client
	Clock      Clock             `json:"clock"`
	Matched    int               `json:"matched"` // conversations in both captures
	Alone      PerEnd            `json:"alone"`   // conversations in one of them only
	Omitted    PerEnd            `json:"omitted"` // conversations beyond the limit
	Missed     PerEnd            `json:"missed"`  // packets that passed a capture and are not in it
	Pairs      List[Pair]        `json:"pairs"`   // by time, those with something to tell
	Missing    List[MissingFlow] `json:"missing"`
}

// PerEnd is a number for either capture. Of packet numbers, 0: not there.
type PerEnd struct {
	Client int `json:"client"`
	Server int `json:"server"`
}

// Span is a range of whole numbers, its bounds included.
type Span struct {
	Low  int `json:"low"`
	High int `json:"high"`
}

// Clock is how the clocks of the captures differ.
type Clock struct {
	Known    bool    `json:"known"`
	OffsetMS float64 `json:"offset_ms"` // what the server's is ahead, 1 µs resolution
	ErrorMS  float64 `json:"error_ms"`  // by which that may be wrong at most
	RTTMS    float64 `json:"rtt_ms"`
	DriftPPM float64 `json:"drift_ppm"`
	Steps    int     `json:"steps"`
}

// Endpoints are the ends of a conversation as a capture shows them.
type Endpoints struct {
	Client netip.AddrPort `json:"client"`
	Server netip.AddrPort `json:"server"`
}

// Pair is one conversation in both captures.
type Pair struct {
	AtClient   Endpoints      `json:"at_client"`
	AtServer   Endpoints      `json:"at_server"`
	StartedAt  time.Time      `json:"started_at"` // by the client's clock, UTC, 1 µs resolution
	By         twoends.By     `json:"matched_by"`
	Rewritten  bool           `json:"rewritten"`
	BothReset  bool           `json:"both_reset"`
	FromClient Fates          `json:"from_client"`
	FromServer Fates          `json:"from_server"`
	Rows       List[Row]      `json:"packets"`
	Foreign    List[Foreign]  `json:"foreign"`
	Resets     List[OwnReset] `json:"resets"`
	Silence    *EndsFinding   `json:"silence"` // nil, null in JSON: nothing was taken out
}

// Fates count the packets of one end by what became of them.
type Fates struct {
	Arrived    int `json:"arrived"`
	Merged     int `json:"merged"`
	Altered    int `json:"altered"`
	Lost       int `json:"lost"`
	Uncaptured int `json:"uncaptured"`
	Outside    int `json:"outside"`
	Unkept     int `json:"unkept"`
	Doubled    int `json:"doubled"`
	Injected   int `json:"injected"`
}

// Row is one packet of a conversation.
type Row struct {
	From       string       `json:"from"`      // client or server
	Packet     PerEnd       `json:"packet"`    // its number in either capture
	AtClient   float64      `json:"client_ms"` // since the conversation began there; 0 where it is not
	AtServer   float64      `json:"server_ms"`
	TTL        PerEnd       `json:"ttl"`
	Flags      string       `json:"flags"` // as tcpdump writes them
	Seq        int          `json:"seq"`
	PayloadLen int          `json:"payload_bytes"`
	Fate       twoends.Fate `json:"fate"`
}

// Foreign is a packet that the end in whose name it is never sent.
type Foreign struct {
	At            string         `json:"at"` // the end where it was captured
	Packet        int            `json:"packet"`
	Copies        List[int]      `json:"copies"` // numbers of copies of it there
	From          netip.AddrPort `json:"from"`
	Kind          twoends.Kind   `json:"kind"`
	TTL           uint8          `json:"ttl"`
	GenuineTTL    Span           `json:"genuine_ttl"` // 0: no genuine packet to compare with
	TriggerPacket PerEnd         `json:"trigger_packet"`
	Name          string         `json:"name"` // in the trigger; "": none
	WaitMS        float64        `json:"wait_ms"`
	Distance      *Distance      `json:"distance"` // nil, null in JSON: nothing can be said
	EndsFinding
}

// OwnReset is a reset that an end did send itself.
type OwnReset struct {
	From          string       `json:"from"` // client or server
	Packet        PerEnd       `json:"packet"`
	Fate          twoends.Fate `json:"fate"`
	TriggerPacket PerEnd       `json:"trigger_packet"` // 0: it is not the consequence of an earlier reset
	EndsFinding
}

// Distance is how far from either end a packet was let loose.
type Distance struct {
	InitialTTL Span `json:"initial_ttl"`
	FromClient Span `json:"from_client"`
	FromServer Span `json:"from_server"`
	Path       int  `json:"path"`
	Both       bool `json:"both"`
	Usual      bool `json:"usual"`
}

// MissingFlow is a conversation that was reset at the client and of which the
// capture at the server, where it should be, holds nothing.
type MissingFlow struct {
	Endpoints
	StartedAt     time.Time `json:"started_at"`
	Packet        int       `json:"packet"`
	TriggerPacket int       `json:"trigger_packet"`
	EndsFinding
}

// EndsFinding says who did something, by both captures.
type EndsFinding struct {
	Author     probe.Author       `json:"author"`
	Cause      probe.Cause        `json:"cause"`
	Confidence probe.Confidence   `json:"confidence"`
	Summary    string             `json:"summary"`
	SummaryZH  string             `json:"summary_zh"`
	Evidence   List[EndsEvidence] `json:"evidence"`
	Against    List[EndsEvidence] `json:"against"`
	Next       string             `json:"next"`
}

// EndsEvidence is one reason. Its packets are those of the capture at the
// client.
type EndsEvidence struct {
	Evidence
	AtServer List[int] `json:"packets_at_server"`
}

// WithServer is c with what it and a capture at the server show together. The
// verdict is then about both: what one of them leaves open the other tells.
func (c Capture) WithServer(res twoends.Result, serverFile string) Capture {
	k := res.Clock
	e := BothEnds{
		ServerFile: serverFile, Swapped: res.Swapped,
		Clock: Clock{
			Known: k.Known, OffsetMS: milliseconds(k.Offset), ErrorMS: milliseconds(k.Error), RTTMS: milliseconds(k.RTT),
			DriftPPM: k.Drift, Steps: k.Steps,
		},
		Matched: len(res.Pairs), Alone: perEnd(res.Alone), Omitted: perEnd(res.Omitted), Missed: perEnd(res.Missed),
		Pairs: List[Pair]{}, Missing: List[MissingFlow]{},
	}
	for i := range res.Pairs {
		if p := &res.Pairs[i]; len(p.Rows) > 0 {
			e.Pairs = append(e.Pairs, newPair(p))
		}
	}
	for _, m := range res.Missing {
		e.Missing = append(e.Missing, MissingFlow{
			Endpoints: Endpoints{m.Key.Local, m.Key.Remote}, StartedAt: instant(m.Start), Packet: m.Packet, TriggerPacket: m.Trigger, EndsFinding: newEndsFinding(m.Judgement),
		})
	}
	c.BothEnds = &e
	c.settle()
	c.Verdict = CaptureVerdict{Outcome: res.Verdict, Summary: res.Summary, SummaryZH: res.Chinese}
	return c
}

func perEnd[T int | uint8](n [2]T) PerEnd {
	return PerEnd{int(n[twoends.Client]), int(n[twoends.Server])}
}

func newPair(p *twoends.Pair) Pair {
	out := Pair{
		AtClient:  Endpoints{p.Keys[twoends.Client].Local, p.Keys[twoends.Client].Remote},
		AtServer:  Endpoints{p.Keys[twoends.Server].Local, p.Keys[twoends.Server].Remote},
		StartedAt: instant(p.Start[twoends.Client]),
		By:        p.By, Rewritten: p.Rewritten, BothReset: p.Both,
		FromClient: newFates(p.Sent[twoends.Client]), FromServer: newFates(p.Sent[twoends.Server]),
		Rows: List[Row]{}, Foreign: List[Foreign]{}, Resets: List[OwnReset]{},
	}
	for _, r := range p.Rows {
		row := Row{From: r.From.String(), Packet: perEnd(r.Packet), TTL: perEnd(r.TTL), Flags: r.Flags.String(), Seq: r.Seq, PayloadLen: r.Size, Fate: r.Fate}
		if row.Packet.Client > 0 {
			row.AtClient = milliseconds(r.At[twoends.Client])
		}
		if row.Packet.Server > 0 {
			row.AtServer = milliseconds(r.At[twoends.Server])
		}
		out.Rows = append(out.Rows, row)
	}
	for _, f := range p.Foreign {
		foreign := Foreign{
			At: f.At.String(), Packet: f.Packet, Copies: append(List[int]{}, f.Copies...), From: f.From, Kind: f.Kind, TTL: f.TTL, GenuineTTL: Span(f.Genuine),
			TriggerPacket: perEnd(f.Trigger), Name: f.Name, WaitMS: milliseconds(f.Wait), EndsFinding: newEndsFinding(f.Judgement),
		}
		if d := f.Distance; d != nil {
			foreign.Distance = &Distance{
				InitialTTL: Span(d.Initial), FromClient: Span(d.FromClient), FromServer: Span(d.FromServer), Path: d.Path, Both: d.Both, Usual: d.Usual,
			}
		}
		out.Foreign = append(out.Foreign, foreign)
	}
	for _, r := range p.Resets {
		out.Resets = append(out.Resets, OwnReset{
			From: r.From.String(), Packet: perEnd(r.Packet), Fate: r.Fate, TriggerPacket: perEnd(r.Drawn), EndsFinding: newEndsFinding(r.Judgement),
		})
	}
	if p.Silence != nil {
		s := newEndsFinding(*p.Silence)
		out.Silence = &s
	}
	return out
}

func newFates(n twoends.Counts) Fates {
	return Fates{
		Arrived: n[twoends.Arrived], Merged: n[twoends.Merged], Altered: n[twoends.Altered], Lost: n[twoends.Lost],
		Uncaptured: n[twoends.Uncaptured], Outside: n[twoends.Outside], Unkept: n[twoends.Unkept],
		Doubled: n[twoends.Doubled], Injected: n[twoends.Injected],
	}
}

func newEndsFinding(j twoends.Judgement) EndsFinding {
	return EndsFinding{
		Author: cmp.Or(j.Author, probe.Undetermined), Cause: j.Cause, Confidence: cmp.Or(j.Confidence, probe.UndeterminedDegree),
		Summary: j.Summary, SummaryZH: j.Chinese, Evidence: newEndsEvidence(j.Evidence), Against: newEndsEvidence(j.Against), Next: j.Next,
	}
}

func newEndsEvidence(items []twoends.Evidence) List[EndsEvidence] {
	out := List[EndsEvidence]{}
	for _, e := range items {
		out = append(out, EndsEvidence{Evidence: newEvidence([]probe.Evidence{e.Evidence})[0], AtServer: append(List[int]{}, e.AtServer...)})
	}
	return out
}
