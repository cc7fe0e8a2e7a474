// Package doctor says what a machine allows rstprobe to do, what would distort
// its measurements, and how to mend each. It changes nothing, and sends
// nothing but to targets that it is told.
//
// [Examine] collects [Facts], the only part that touches the system; [Judge]
// turns them into findings, and tests give it machines that do not exist.
// cmd/rstprobe calls both, and says how sockets are opened.
package doctor

import (
	_ "embed" // for Schema
	"encoding/json"
	"fmt"
	"slices"
)

// Schema is the JSON Schema (draft 2020-12) of what JSON returns.
//
//go:embed schema.json
var Schema string

// Status says how bad a finding is.
type Status string

// The statuses, from good to bad.
const (
	OK      Status = "ok"
	Warning Status = "warning" // measurements work, but know less or may be distorted
	Problem Status = "problem" // measurements fail
)

// Finding is the outcome of one check.
type Finding struct {
	Check   string `json:"check"`   // one of the names of the schema
	Subject string `json:"subject"` // the interface, file or target concerned; "": the machine
	Status  Status `json:"status"`
	Found   string `json:"found"`   // what was found
	Meaning string `json:"meaning"` // what it means for measurements
	Mend    string `json:"mend"`    // what to do about it; "": nothing
	Command string `json:"command"` // the command that does it; "": there is no single one
}

// Mode is a way to exchange packets.
type Mode string

// The modes, the better first; ModeNone where nothing can be measured.
const (
	ModeRaw    Mode = "raw"
	ModeKernel Mode = "kernel"
	ModeNone   Mode = ""
)

// Judge says what the facts mean. The order is that of the checks below, and
// depends on nothing else.
func Judge(f Facts) []Finding {
	return slices.Concat(
		one(f.rawMode()), one(f.kernelMode()), one(f.capabilities()), one(f.program()), one(f.namespaces()),
		f.offloads(), f.pathFilters(), one(f.firewall()), f.answers(),
		one(f.clock()), one(f.resolver()), f.databases(), f.ledger(), f.space(), one(f.leftovers()), one(f.descriptors()),
	)
}

// one is a list of f, or of nothing where the check does not apply.
func one(f Finding) []Finding {
	if f.Check == "" {
		return nil
	}
	return []Finding{f}
}

// Mode is the best mode that the machine allows.
func (f Facts) Mode() Mode {
	switch {
	case f.Raw.Err4 == nil || f.Raw.Err6 == nil:
		return ModeRaw
	case f.Kernel == nil:
		return ModeKernel
	}
	return ModeNone
}

// Worst is the worst status of the findings; OK if there are none.
func Worst(findings []Finding) Status {
	worst := OK
	for _, f := range findings {
		if f.Status == Problem || f.Status == Warning && worst == OK {
			worst = f.Status
		}
	}
	return worst
}

// JSON is the findings as one line of JSON, a list.
func JSON(findings []Finding) ([]byte, error) {
	if findings == nil {
		findings = []Finding{}
	}
	out, err := json.Marshal(findings)
	if err != nil {
		return nil, fmt.Errorf("doctor: encode: %w", err)
	}
	return append(out, '\n'), nil
}
