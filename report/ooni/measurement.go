// Package ooni holds the measurements of OONI's data format, version 0.2.0,
// as far as rstprobe writes them: the envelope (ooni/spec, df-000-base) and
// what urlgetter, sni_blocking, tlsmiddlebox and portfiltering put into it.
//
// It is a format, and knows nothing of results of ours; whatever the format
// has no place for stands under x_rstprobe, as names that begin with x_ may
// (df-000-base). Nothing is ever sent to a collector.
package ooni

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Version is that of the envelope.
const Version = "0.2.0"

// TimeLayout is how times are written, in UTC: readers parse exactly that.
const TimeLayout = "2006-01-02 15:04:05"

// Scrubbed stands for an address of whoever measured.
const Scrubbed = "[scrubbed]"

// Measurement is one line of a file.
type Measurement[K Keys] struct {
	Annotations          map[string]string `json:"annotations"`
	DataFormatVersion    string            `json:"data_format_version"`
	Extensions           map[string]int    `json:"extensions"`
	Input                *string           `json:"input"` // nil: the test takes none
	MeasurementStartTime string            `json:"measurement_start_time"`
	MeasurementUID       string            `json:"measurement_uid"`
	Options              []string          `json:"options"` // Key=Value
	ProbeASN             string            `json:"probe_asn"`
	ProbeCC              string            `json:"probe_cc"`
	ProbeIP              string            `json:"probe_ip"`
	ProbeNetworkName     string            `json:"probe_network_name"`
	ReportID             string            `json:"report_id"`
	ResolverASN          string            `json:"resolver_asn"`
	ResolverIP           string            `json:"resolver_ip"`
	ResolverNetworkName  string            `json:"resolver_network_name"`
	SoftwareName         string            `json:"software_name"`
	SoftwareVersion      string            `json:"software_version"`
	TestKeys             K                 `json:"test_keys"`
	TestName             string            `json:"test_name"`
	TestRuntime          float64           `json:"test_runtime"` // seconds
	TestStartTime        string            `json:"test_start_time"`
	TestVersion          string            `json:"test_version"`
}

// Keys are the test keys of one kind of test.
type Keys interface {
	URLGetter | SNIBlocking | TLSMiddlebox | PortFiltering
	// experiment is the name and the version of the test whose keys they are.
	experiment() (name, version string)
}

// Envelope is what a measurement says beside its test keys.
type Envelope struct {
	RunID    string // of ours, one per run
	Version  string // of rstprobe
	Mode     string // how packets were exchanged
	Platform Platform
	Started  time.Time // of the whole run
	Begun    time.Time // of this measurement
	Runtime  time.Duration
	Input    string   // "": none
	Options  []string // Key=Value
	Sequence int      // which measurement of the run it is
}

// Platform is what a measurement was made on; "": not known.
type Platform struct {
	OS           string // as GOOS
	Architecture string // as GOARCH
	GoVersion    string
}

// annotations are those that probe-cli writes, and ours.
func (e Envelope) annotations() map[string]string {
	platform := e.Platform.OS
	if platform == "darwin" {
		platform = "macos" // as OONI Probe calls it
	}
	return map[string]string{
		"architecture": e.Platform.Architecture, "engine_name": "rstprobe", "engine_version": e.Version,
		"go_version": e.Platform.GoVersion, "platform": platform, "x_mode": e.Mode, "x_vantage": "",
	}
}

// New is a measurement with nothing of whoever made it: the network is not
// named, the address is the usual stand-in.
func New[K Keys](e Envelope, keys K) Measurement[K] {
	name, version := keys.experiment()
	m := Measurement[K]{
		Annotations:          e.annotations(),
		DataFormatVersion:    Version,
		Extensions:           map[string]int{"dnst": 0, "httpt": 0, "netevents": 0, "tcpconnect": 0, "tlshandshake": 0},
		MeasurementStartTime: e.Begun.UTC().Format(TimeLayout),
		MeasurementUID:       uid(e, name),
		Options:              append([]string{}, e.Options...),
		ProbeASN:             "AS0", ProbeCC: "ZZ", ProbeIP: "127.0.0.1",
		ResolverASN: "AS0", ResolverIP: "127.0.0.2",
		SoftwareName: "rstprobe", SoftwareVersion: e.Version,
		TestKeys: keys, TestName: name, TestVersion: version,
		TestRuntime: e.Runtime.Seconds(), TestStartTime: e.Started.UTC().Format(TimeLayout),
	}
	if e.Input != "" {
		m.Input = &e.Input
	}
	return m
}

// uid names a measurement in the form that OONI's collector gives: the time
// with microseconds, the country, the test without its underscores, and
// sixteen hexadecimal digits. A result rendered again gets the same.
func uid(e Envelope, test string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %s", e.RunID, e.Begun.UTC().Format(time.RFC3339Nano), e.Sequence, test))
	return fmt.Sprintf("%s_ZZ_%s_%x", e.Begun.UTC().Format("20060102150405.000000"), strings.ReplaceAll(test, "_", ""), sum[:8])
}

// Line is the measurement on one line, without a line feed.
func (m Measurement[K]) Line() ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("ooni: encode %s: %w", m.TestName, err)
	}
	return b, nil
}
