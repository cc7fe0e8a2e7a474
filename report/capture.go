package report

import (
	"cmp"
	_ "embed" // for CaptureSchema
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/probe"
)

// CaptureSchema is the JSON Schema (draft 2020-12) of a Capture. It says what
// every key means.
//
//go:embed explain-schema.json
var CaptureSchema string

// Capture is what a capture shows. Its fields are those of the JSON;
// CaptureSchema documents them.
type Capture struct {
	SchemaVersion int               `json:"schema_version"`
	Version       string            `json:"rstprobe_version"`
	File          string            `json:"file"` // as typed; "-": standard input
	Position      explain.Position  `json:"capture_position"`
	StartedAt     *time.Time        `json:"started_at"`  // of the first packet, UTC, 1 µs resolution; nil, null in JSON: no packet has a time
	DurationMS    float64           `json:"duration_ms"` // from the first packet to the last, 1 µs resolution
	Packets       int               `json:"packets"`
	Unreadable    int               `json:"packets_unreadable"`
	Truncated     int               `json:"packets_truncated"`
	Dropped       uint64            `json:"packets_dropped"` // by the capturing host
	Conversations int               `json:"conversations"`
	Omitted       int               `json:"omitted"` // conversations with something to explain beyond the limit
	Listed        Listing           `json:"listed"`
	Verdict       CaptureVerdict    `json:"verdict"`
	Flows         List[CaptureFlow] `json:"flows"`
	Location      *SweepLocation    `json:"location"`  // nil, null in JSON: not a sweep, or not located
	Sweep         *Sweep            `json:"sweep"`     // nil, null in JSON: no control was given
	BothEnds      *BothEnds         `json:"both_ends"` // nil, null in JSON: no capture at the server was given
	Damage        *Damage           `json:"damage"`    // nil, null in JSON: the file was read to its end
	Interrupted   bool              `json:"interrupted"`
	Redacted      *int              `json:"redacted"` // how many hops are hidden, beside the clients' addresses; nil, null in JSON: nothing is
}

// Listing says which findings a Capture lists. The verdict is about all.
type Listing string

// The listings.
const (
	ListAll    Listing = "all"    // resets, and conversations that broke off
	ListResets Listing = "resets" // resets only
)

// CaptureVerdict sums a capture up.
type CaptureVerdict struct {
	Outcome   probe.Overall `json:"outcome"`
	Summary   string        `json:"summary"`
	SummaryZH string        `json:"summary_zh"` // the same in Chinese
}

// Damage says where a file stopped being readable.
type Damage struct {
	Offset int64  `json:"offset"` // bytes from the start of the capture, decompressed
	Packet int    `json:"packet"` // the number that the next packet would have had
	Reason string `json:"reason"`
}

// CaptureFlow is one conversation with something to explain.
type CaptureFlow struct {
	Client    netip.AddrPort     `json:"client"`
	Server    netip.AddrPort     `json:"server"`
	Guessed   bool               `json:"guessed"`    // which end is the client
	StartedAt time.Time          `json:"started_at"` // UTC, 1 µs resolution
	Position  explain.Position   `json:"capture_position"`
	Outcome   probe.Outcome      `json:"outcome"`
	Stage     probe.Stage        `json:"stage"`
	Trigger   probe.Trigger      `json:"trigger"`
	Name      string             `json:"name"` // "": none
	Signature Signature          `json:"signature"`
	Resets    List[CaptureReset] `json:"resets"`
	Ending    *Judgement         `json:"ending"`   // nil, null in JSON: the resets say it all
	Artefact  string             `json:"artefact"` // "": none
}

// Signature labels a conversation toward either end; "": none of the nineteen.
type Signature struct {
	TowardServer    explain.Signature `json:"toward_server"`
	TowardClient    explain.Signature `json:"toward_client"`
	RawTowardServer explain.Signature `json:"raw_toward_server"` // with the copies of a packet
	RawTowardClient explain.Signature `json:"raw_toward_client"`
	WindowMS        float64           `json:"window_ms"`
}

// CaptureReset is one reset.
type CaptureReset struct {
	Packet        int            `json:"packet"`
	Copies        List[int]      `json:"copies"`
	From          netip.AddrPort `json:"from"`
	Toward        netip.AddrPort `json:"toward"`
	TriggerPacket int            `json:"trigger_packet"` // 0: none in the capture
	Link          string         `json:"link"`
	WaitMS        float64        `json:"wait_ms"` // after the trigger, 1 µs resolution
	TTL           uint8          `json:"ttl"`
	Hops          int            `json:"hops"`
	SenderTTL     uint8          `json:"sender_ttl"` // 0: none of its packets is in the capture
	SenderHops    int            `json:"sender_hops"`
	Judgement
}

// Judgement says who ended something, why, and how sure that is.
type Judgement struct {
	Author     probe.Author     `json:"author"`
	Cause      probe.Cause      `json:"cause"`   // "": none
	Pattern    string           `json:"pattern"` // the row of docs/causes.md; "": none
	Confidence probe.Confidence `json:"confidence"`
	Summary    string           `json:"summary"`
	SummaryZH  string           `json:"summary_zh"`
	Evidence   List[Evidence]   `json:"evidence"`
	Against    List[Evidence]   `json:"against"`
	Next       string           `json:"next"` // "": nothing is open
}

// CaptureMeta is what an explanation does not know about the file that it is
// about.
type CaptureMeta struct {
	Version     string // of rstprobe
	File        string
	Start       time.Time // of the first packet; zero: there is none
	Duration    time.Duration
	Packets     int
	Unreadable  int            // TCP or ICMP that is malformed or cut within its header
	Truncated   int            // packets of which the end was not captured
	Dropped     uint64         // by the capturing host, as far as it says
	Damage      *pcapio.Damage // nil: none
	Interrupted bool           // reading was
}

// NewCapture is the document of an explanation.
func NewCapture(rep explain.Report, meta CaptureMeta) Capture {
	c := Capture{
		SchemaVersion: SchemaVersion, Version: meta.Version, File: meta.File,
		Position: cmp.Or(rep.Position, explain.UnknownPosition), DurationMS: milliseconds(meta.Duration),
		Packets: meta.Packets, Unreadable: meta.Unreadable, Truncated: meta.Truncated, Dropped: meta.Dropped,
		Conversations: rep.Conversations, Omitted: rep.Omitted, Listed: ListAll,
		Verdict: CaptureVerdict{Outcome: rep.Verdict.Outcome, Summary: rep.Verdict.Summary, SummaryZH: rep.Verdict.Chinese},
		Flows:   List[CaptureFlow]{}, Interrupted: meta.Interrupted,
	}
	if !meta.Start.IsZero() {
		at := instant(meta.Start)
		c.StartedAt = &at
	}
	if d := meta.Damage; d != nil {
		c.Damage = &Damage{Offset: d.Offset, Packet: d.Packet, Reason: d.Err.Error()}
	}
	for _, f := range rep.Flows {
		c.Flows = append(c.Flows, newCaptureFlow(f))
	}
	return c
}

// OnlyResets is c without what is said about conversations that broke off.
func (c Capture) OnlyResets() Capture {
	flows := List[CaptureFlow]{}
	for _, f := range c.Flows {
		if len(f.Resets) > 0 {
			f.Ending = nil
			flows = append(flows, f)
		}
	}
	c.Flows, c.Listed = flows, ListResets
	return c
}

func newCaptureFlow(f explain.Flow) CaptureFlow {
	s := f.Signature
	out := CaptureFlow{
		Client: f.Client, Server: f.Server, Guessed: f.Guessed, StartedAt: instant(f.Start), Position: f.Position,
		Outcome: cmp.Or(f.Outcome, probe.Inconclusive), Stage: cmp.Or(f.Stage, probe.StageSYN), Trigger: cmp.Or(f.Trigger, probe.TriggerUnknown), Name: f.Name,
		Signature: Signature{
			TowardServer: s.TowardServer, TowardClient: s.TowardClient,
			RawTowardServer: s.RawTowardServer, RawTowardClient: s.RawTowardClient, WindowMS: milliseconds(s.Window),
		},
		Resets: List[CaptureReset]{}, Artefact: f.Artefact,
	}
	for _, r := range f.Resets {
		out.Resets = append(out.Resets, CaptureReset{
			Packet: r.Packet, Copies: append(List[int]{}, r.Copies...), From: r.From, Toward: r.Toward,
			TriggerPacket: r.TriggerPacket, Link: r.Link, WaitMS: milliseconds(r.Wait),
			TTL: r.TTL, Hops: r.Hops, SenderTTL: r.SenderTTL, SenderHops: r.SenderHops, Judgement: newJudgement(r.Judgement),
		})
	}
	if f.Ending.Cause != "" || len(f.Resets) == 0 {
		j := newJudgement(f.Ending)
		out.Ending = &j
	}
	return out
}

func newJudgement(j explain.Judgement) Judgement {
	return Judgement{
		Author: cmp.Or(j.Author, probe.Undetermined), Cause: j.Cause, Pattern: j.Pattern,
		Confidence: cmp.Or(j.Confidence, probe.UndeterminedDegree), Summary: j.Summary, SummaryZH: j.Chinese,
		Evidence: newEvidence(j.Evidence), Against: newEvidence(j.Against), Next: j.Next,
	}
}

// instant is a time of a capture, which are no finer than 1 µs.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// ReadCapture reads the one document that r holds. It accepts keys that it
// does not know, for later versions may add some.
func ReadCapture(r io.Reader) (Capture, error) {
	dec := json.NewDecoder(r)
	var c Capture
	if err := dec.Decode(&c); err != nil {
		return Capture{}, fmt.Errorf("report: read explanation: %w", err)
	}
	if c.SchemaVersion != SchemaVersion {
		return Capture{}, fmt.Errorf("report: read explanation: schema_version is %d, want %d", c.SchemaVersion, SchemaVersion)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Capture{}, errors.New("report: read explanation: something follows it")
	}
	return c, nil
}
