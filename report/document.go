// Package report is the versioned result of one diagnosis, for people and
// for machines: the document, its JSON and JSON Schema, text and Markdown.
//
// It judges nothing. What a document says was decided by probe, traceroute
// and diagnosis; this package only says it.
package report

import (
	"bytes"
	"cmp"
	_ "embed" // for Schema
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// SchemaVersion is the version of the JSON. It changes only when a key
// changes its meaning or goes away, not when one is added.
const SchemaVersion = 1

// Schema is the JSON Schema (draft 2020-12) of a Document. It says what every
// key means.
//
//go:embed schema.json
var Schema string

// Document is the result for one target. Its fields are those of the JSON;
// Schema documents them.
type Document struct {
	SchemaVersion  int        `json:"schema_version"`
	RunID          string     `json:"run_id"`
	StartedAt      time.Time  `json:"started_at"`  // UTC, 1 ms resolution
	DurationMS     float64    `json:"duration_ms"` // 1 µs resolution
	WaitedMS       float64    `json:"waited_ms"`   // of it, for residual blocks to end; 1 µs resolution
	WaitShare      float64    `json:"wait_share"`  // WaitedMS as a share of DurationMS, 0 … 1
	Version        string     `json:"rstprobe_version"`
	Mode           string     `json:"mode"`
	SourceIP       netip.Addr `json:"source_ip"` // invalid, "" in JSON: unknown
	Target         Target     `json:"target"`
	Verdict        Verdict    `json:"verdict"`
	Tests          List[Test] `json:"tests"`
	Path           Path       `json:"path"`
	Rerouted       List[int]  `json:"rerouted"` // TTLs, ascending
	Interrupted    bool       `json:"interrupted"`
	PacketsSent    int        `json:"packets_sent"`
	PacketsDropped int        `json:"packets_dropped"` // by our own kernel

	Steps     List[Step]     `json:"steps"`     // what was asked, in the order in which it was first asked
	Exchanges List[Exchange] `json:"exchanges"` // what decided, packet by packet; at most maxExchanges
	Attempts  List[Attempt]  `json:"attempts"`  // all that was carried out, by the time of starting
	Lookup    *Lookup        `json:"lookup"`    // of the target's name; nil, null in JSON: none was needed
	Platform  Platform       `json:"platform"`
	Settings  List[Setting]  `json:"settings"` // that the measurement depended on
	Redacted  *int           `json:"redacted"` // how many hops are hidden, beside our own address; nil, null in JSON: nothing is
}

// Target is what was probed.
type Target struct {
	Input string     `json:"input"` // as typed
	Host  string     `json:"host"`
	IP    netip.Addr `json:"ip"` // invalid, "" in JSON: not resolved
	Port  uint16     `json:"port"`
	Identity
}

// Platform is what was measured on; "" each: not known.
type Platform struct {
	OS           string `json:"os"`           // as GOOS
	Architecture string `json:"architecture"` // as GOARCH
	GoVersion    string `json:"go_version"`   // that rstprobe was built with
}

// Verdict is the answer of all tests together.
type Verdict struct {
	Outcome probe.Overall `json:"outcome"`
	Summary string        `json:"summary"`
}

// Test is the answer to one question.
type Test struct {
	Kind         probe.Kind       `json:"kind"`
	Name         string           `json:"name"` // "" for a SYN
	ControlNames List[string]     `json:"control_names"`
	Outcome      probe.Outcome    `json:"outcome"`
	Stage        probe.Stage      `json:"stage"`
	Trigger      probe.Trigger    `json:"trigger"`
	Author       probe.Author     `json:"author"`
	Cause        probe.Cause      `json:"cause"` // "": none
	Confidence   probe.Confidence `json:"confidence"`
	Counts       Counts           `json:"counts"`
	Evidence     List[Evidence]   `json:"evidence"`
	Against      List[Evidence]   `json:"against"`
	Next         string           `json:"next"`     // "": nothing is open
	Location     *Location        `json:"location"` // nil, null in JSON: not located
	Boxes        List[Box]        `json:"boxes"`    // empty unless there are several; the nearest is the one at Location
	Flows        List[Flow]       `json:"flows"`    // empty: one path, or not asked for
	Matrix       List[Variant]    `json:"matrix"`   // empty: not asked for
	Residual     *Residual        `json:"residual"` // nil, null in JSON: nothing was seen of it
}

// Counts are the trials of a test and how many of them went badly.
type Counts struct {
	TestBad      int `json:"test_bad"`
	TestTotal    int `json:"test_total"`
	ControlBad   int `json:"control_bad"`
	ControlTotal int `json:"control_total"`
}

// Evidence is one reason for, or against, a verdict.
type Evidence struct {
	Rule     probe.RuleID `json:"rule"`
	Supports probe.Author `json:"supports"`
	Decisive bool         `json:"decisive"`
	Detail   string       `json:"detail"`
	Packets  List[int]    `json:"packets"`
}

// Location is the segment on which a box sits: from router AfterTTL, after
// its TTL check, to the ingress of router AtTTL. TTL 0 is this machine.
type Location struct {
	AfterTTL    int               `json:"after_ttl"`
	AfterIP     netip.Addr        `json:"after_ip"` // invalid, "" in JSON: silent
	AtTTL       int               `json:"at_ttl"`
	AtIP        netip.Addr        `json:"at_ip"`      // likewise
	DeviceTTL   *int              `json:"device_ttl"` // nil, null in JSON: no second ruler names the router
	DeviceIP    *netip.Addr       `json:"device_ip"`  // nil iff DeviceTTL is
	Method      traceroute.Method `json:"method"`
	Votes       int               `json:"votes"`
	Rounds      int               `json:"rounds"`
	ForwardHops int               `json:"forward_hops"`
	ReverseHops int               `json:"reverse_hops"`
	Evidence    List[Evidence]    `json:"evidence"`
	Network                       // of the device, else that in which both ends lie
}

// Path is what lies between us and the server.
type Path struct {
	ServerTTL int        `json:"server_ttl"` // 0: the server never answered
	ServerIP  netip.Addr `json:"server_ip"`  // who answers there; invalid, "" in JSON: nobody, or not known
	Hops      List[Hop]  `json:"hops"`       // ascending by TTL
}

// Hop is one router.
type Hop struct {
	TTL int        `json:"ttl"`
	IP  netip.Addr `json:"ip"` // invalid, "" in JSON: silent
	Identity
	RTTMS   float64           `json:"rtt_ms"` // smallest, 1 µs resolution; 0: silent
	Control traceroute.Answer `json:"control"`
	Test    traceroute.Answer `json:"test"`

	Sent     int              `json:"sent"`     // harmless copies with this TTL
	Answered int              `json:"answered"` // Time Exceeded about them
	Altered  List[Alteration] `json:"altered"`
}

// List is a slice that is never null in JSON.
type List[T any] []T

// MarshalJSON makes a nil list [].
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	if len(l) >= longList {
		return l.marshalParts()
	}
	return json.Marshal([]T(l))
}

// longList is the length from which a list is encoded in parts, side by side.
const longList = 256

func (l List[T]) marshalParts() ([]byte, error) {
	parts := slices.Collect(slices.Chunk([]T(l), len(l)/runtime.GOMAXPROCS(0)+1))
	encoded, errs := make([][]byte, len(parts)), make([]error, len(parts))
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Go(func() { encoded[i], errs[i] = json.Marshal(part) })
	}
	wg.Wait()
	for i, b := range encoded {
		if errs[i] == nil {
			encoded[i] = b[1 : len(b)-1] // without its brackets
		}
	}
	return slices.Concat([]byte("["), bytes.Join(encoded, []byte(",")), []byte("]")), errors.Join(errs...)
}

// Meta is what a diagnosis does not know about the run it belongs to.
type Meta struct {
	RunID   string
	Version string // of rstprobe
	Mode    string // "raw" or "kernel"; "": "auto", none was chosen yet

	Platform Platform // of this machine
	Settings []Setting

	Who func(netip.Addr) Identity // what is known of an address; nil: nothing
}

// New is the document of a result. It is valid for every result, be it empty
// or interrupted: an axis without a value gets the one that claims least.
func New(res diagnosis.Result, meta Meta) Document {
	outcome := cmp.Or(res.Outcome, probe.OverallInconclusive)
	d := Document{
		SchemaVersion: SchemaVersion,
		RunID:         meta.RunID,
		StartedAt:     res.Started.UTC().Truncate(time.Millisecond),
		DurationMS:    milliseconds(res.Duration),
		WaitedMS:      milliseconds(res.Waited),
		WaitShare:     ratio(res.Waited, res.Duration),
		Version:       meta.Version,
		Mode:          cmp.Or(meta.Mode, "auto"),
		SourceIP:      res.Source,
		Target:        Target{Input: res.Target.Input, Host: res.Target.Host, IP: res.Target.IP, Port: res.Target.Port},
		Verdict:       Verdict{Outcome: outcome, Summary: cmp.Or(res.Summary, overallText[outcome])},
		Tests:         List[Test]{},
		Path:          Path{ServerTTL: res.Path.ServerTTL, ServerIP: res.Path.Server, Hops: List[Hop]{}},
		Rerouted:      append(List[int]{}, res.Rerouted...),

		Interrupted:    res.Interrupted,
		PacketsSent:    res.PacketsSent,
		PacketsDropped: res.PacketsLost,

		Steps:     newSteps(res.Steps),
		Exchanges: newExchanges(res),
		Attempts:  newAttempts(res),
		Lookup:    newLookup(res),
		Platform:  meta.Platform,
		Settings:  append(List[Setting]{}, meta.Settings...),
	}
	for _, t := range res.Tests {
		d.Tests = append(d.Tests, newTest(t))
	}
	for _, h := range res.Path.Hops {
		d.Path.Hops = append(d.Path.Hops, Hop{
			TTL: h.TTL, IP: h.Addr,
			RTTMS: milliseconds(h.RTT), Control: h.Control, Test: h.Test,
			Sent: h.Sent, Answered: h.Answered, Altered: newAltered(h.Altered),
		})
	}
	d.identify(meta.Who)
	return d
}

func newTest(t diagnosis.Test) Test {
	v := t.Verdict
	return Test{
		Kind:         t.Kind,
		Name:         t.Name,
		ControlNames: append(List[string]{}, t.ControlNames...),
		Outcome:      cmp.Or(v.Outcome, probe.Inconclusive),
		Stage:        cmp.Or(v.Stage, probe.StageSYN),
		Trigger:      cmp.Or(v.Trigger, probe.TriggerUnknown),
		Author:       cmp.Or(v.Author, probe.Undetermined),
		Cause:        v.Cause,
		Confidence:   cmp.Or(v.Confidence, probe.UndeterminedDegree),
		Counts:       Counts(v.Counts),
		Evidence:     newEvidence(v.Evidence),
		Against:      newEvidence(v.Against),
		Next:         v.Next,
		Location:     newLocation(t.Location),
		Boxes:        newBoxes(t.Boxes),
		Flows:        newFlows(t.Flows),
		Matrix:       newMatrix(t.Matrix),
		Residual:     newResidual(t),
	}
}

func newEvidence(items []probe.Evidence) List[Evidence] {
	out := List[Evidence]{}
	for _, e := range items {
		out = append(out, Evidence{
			Rule: e.Rule, Supports: cmp.Or(e.Supports, probe.Undetermined), Decisive: e.Decisive,
			Detail: e.Detail, Packets: append(List[int]{}, e.Packets...),
		})
	}
	return out
}

func newLocation(l *traceroute.Location) *Location {
	if l == nil {
		return nil
	}
	out := &Location{
		AfterTTL: l.After.TTL, AfterIP: l.After.Addr,
		AtTTL: l.At.TTL, AtIP: l.At.Addr,
		Method: l.Method, Votes: l.Votes, Rounds: l.Rounds,
		ForwardHops: l.ForwardHops, ReverseHops: l.ReverseHops,
		Evidence: newEvidence(l.Evidence),
	}
	if l.Device != nil {
		device := *l.Device
		out.DeviceTTL, out.DeviceIP = &device.TTL, &device.Addr
	}
	return out
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond).Microseconds()) / 1000
}

// ratio is part of whole, 0 … 1 with four digits; 0 of nothing.
func ratio(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return math.Round(1e4*min(1, max(0, part.Seconds()/whole.Seconds()))) / 1e4
}

// JSON is the document on one line, without a line feed. It is safe to print
// on a terminal: control characters are escaped, C1 included.
func (d Document) JSON() ([]byte, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("report: encode result of %s: %w", d.Target.Input, err)
	}
	return EscapeControls(b), nil
}

// EscapeControls escapes what encoding/json leaves as it is: DEL, and the
// controls U+0080 to U+009F, which some terminals obey like ESC sequences.
// They can only stand inside strings.
func EscapeControls(b []byte) []byte {
	if !bytes.ContainsFunc(b, unicode.IsControl) {
		return b
	}
	var out []byte
	for _, r := range string(b) {
		if unicode.IsControl(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

// Read reads the one document that r holds. It accepts keys that it does not
// know, for later versions may add some.
func Read(r io.Reader) (Document, error) {
	dec := json.NewDecoder(r)
	var d Document
	if err := dec.Decode(&d); err != nil {
		return Document{}, fmt.Errorf("report: read: %w", err)
	}
	if d.SchemaVersion != SchemaVersion {
		return Document{}, fmt.Errorf("report: read: schema_version is %d, want %d", d.SchemaVersion, SchemaVersion)
	}
	switch _, err := dec.Token(); {
	case err == nil:
		return Document{}, errors.New("report: read: more than one result")
	case !errors.Is(err, io.EOF):
		return Document{}, fmt.Errorf("report: read: after the result: %w", err)
	}
	return d, nil
}
