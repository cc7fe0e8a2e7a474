package probe

// The axes of a verdict are independent of each other; each is an enum whose
// values are the words of the JSON output (report/schema.json).

// Outcome is what happened to the tested connections.
type Outcome string

// The outcomes.
const (
	OK               Outcome = "ok"
	Reset            Outcome = "reset"
	Fin              Outcome = "fin"   // closed without an answer
	Drop             Outcome = "drop"  // a packet of ours was never acknowledged
	Stall            Outcome = "stall" // acknowledged, then silence
	InjectedResponse Outcome = "injected_response"
	Alert            Outcome = "alert"
	Refused          Outcome = "refused" // a reset in answer to our SYN
	Unreachable      Outcome = "unreachable"
	Inconclusive     Outcome = "inconclusive"
)

// Stage is how far a connection had come when it ended.
type Stage string

// The stages.
const (
	StageSYN       Stage = "syn"       // nothing but our SYN
	StageHandshake Stage = "handshake" // SYN-ACK seen, our payload not sent yet
	StageData      Stage = "data"      // our payload sent
	StageResponse  Stage = "response"  // the peer answered it
)

// Trigger is what made the difference.
type Trigger string

// The triggers.
const (
	TriggerNone     Trigger = "none"
	TriggerAddress  Trigger = "address"
	TriggerPort     Trigger = "port"
	TriggerSYN      Trigger = "syn"
	TriggerProtocol Trigger = "protocol"
	TriggerSNI      Trigger = "sni"
	TriggerHost     Trigger = "host"
	TriggerPath     Trigger = "path"
	TriggerVolume   Trigger = "volume"
	TriggerHistory  Trigger = "history"
	TriggerUnknown  Trigger = "unknown"
)

// Author is who ended the connection or kept it silent.
type Author string

// The authors.
const (
	Server       Author = "server"
	ServerSide   Author = "server_side" // gear in front of the server, or its host firewall
	OnPath       Author = "on_path"     // saw a copy of the packet
	InPath       Author = "in_path"     // took the packet out
	OwnSide      Author = "own_side"
	OnOrInPath   Author = "path" // a box on the path, on- or in-path not told apart
	Undetermined Author = "undetermined"
)

// Confidence is how sure a verdict is. Proved: at least one decisive item of
// evidence, reproduced in at least two of three of at least three trials,
// with a healthy control and no contrary decisive item.
type Confidence string

// The degrees of confidence.
const (
	Proved             Confidence = "proved"
	Likely             Confidence = "likely"
	Possible           Confidence = "possible"
	UndeterminedDegree Confidence = "undetermined"
)

// Cause is a code of the cause table (report.CauseText), or "".
type Cause string

// RuleID names a rule of evidence (see rules).
type RuleID string

// Evidence is one reason for, or against, a verdict.
type Evidence struct {
	Rule     RuleID
	Supports Author
	Decisive bool
	Packets  []int  // numbers in the exported capture, ascending
	Detail   string // one sentence with the figures
}

// Counts are the votes of the trials.
type Counts struct {
	TestBad, TestTotal       int
	ControlBad, ControlTotal int
}

// Verdict is the answer to one question: what happens to this stimulus.
type Verdict struct {
	Outcome    Outcome
	Stage      Stage
	Trigger    Trigger
	Author     Author
	Cause      Cause
	Confidence Confidence
	Counts     Counts
	Evidence   []Evidence
	Against    []Evidence
	Next       string // the experiment that would settle what is open; "" when nothing is
}

// Overall is the outcome of all the tests of one target.
type Overall string

// The overall outcomes.
const (
	Clean               Overall = "clean"
	Interference        Overall = "interference"
	ServerRefuses       Overall = "server"
	OverallUnreachable  Overall = "unreachable"
	OverallInconclusive Overall = "inconclusive"
)

// Interferes reports whether the verdict blames something between us and the
// server.
func (v Verdict) Interferes() bool {
	switch v.Author {
	case OnPath, InPath, OnOrInPath, OwnSide:
		return v.Outcome != OK && v.Outcome != Inconclusive
	case Server, ServerSide, Undetermined:
	}
	return false
}
