package report

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report/ooni"
)

// OONI writes results as measurements in OONI's data format, one per line, for
// researchers who read that: urlgetter for every connection that a client
// could have made, portfiltering, sni_blocking and tlsmiddlebox for every test
// that they fit. What they have no place for stands under x_rstprobe. Our own
// address is left out.
func OONI(w io.Writer, docs []Document) error {
	for _, d := range docs {
		lines, err := newMeasurements(d)
		if err != nil {
			return err
		}
		for _, line := range lines {
			if _, err := w.Write(append(line, '\n')); err != nil {
				return fmt.Errorf("report: write OONI measurements: %w", err)
			}
		}
	}
	return nil
}

func writeOONI(w io.Writer, docs []Document, _ []pcapio.Frame) error { return OONI(w, docs) }

// measurements are those of one result, as they come to be.
type measurements struct {
	Document
	lines [][]byte
	err   error // the first
}

func newMeasurements(d Document) ([][]byte, error) {
	m := &measurements{Document: d}
	for _, a := range d.Attempts {
		if a.Kind != probe.ACK && a.Manner.Complete() {
			m.attempt(a)
		}
	}
	for i, t := range d.Tests {
		switch t.Kind {
		case probe.SYN:
			m.ports(t)
		case probe.SNI:
			m.names(i+1, t)
			m.trace(i+1, t)
		case probe.Host, probe.ACK:
		}
	}
	if len(d.Attempts) == 0 {
		m.nothing()
	}
	return m.lines, m.err
}

// add is one more measurement, from one time to another, both after StartedAt.
func add[K ooni.Keys](m *measurements, keys K, input string, options []string, fromMS, toMS float64) {
	line, err := ooni.New(ooni.Envelope{
		RunID: m.RunID, Version: m.Version, Mode: m.Mode, Started: m.StartedAt,
		Begun: m.StartedAt.Add(duration(fromMS)), Runtime: duration(toMS - fromMS),
		Input: input, Options: options, Sequence: len(m.lines),
	}, keys).Line()
	if m.err == nil {
		m.err = err
	}
	m.lines = append(m.lines, m.scrub(escapeControls(line)))
}

func duration(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// scrub takes our own address out of a line. A loopback address names nobody.
func (d Document) scrub(line []byte) []byte {
	own := d.SourceIP
	if !own.IsValid() || own.IsLoopback() {
		return line
	}
	return replaceAddresses(line, func(a netip.Addr) (string, bool) { return ooni.Scrubbed, a == plainAddr(own) })
}

// ooniAttempt is what stands beside the keys of an attempt.
type ooniAttempt struct {
	RunID   string  `json:"run_id"`
	Target  string  `json:"target"` // as typed
	Verdict Verdict `json:"verdict"`
	Attempt Attempt `json:"attempt"`
}

func (m *measurements) attempt(a Attempt) {
	keys := a.urlGetter(a.StartedMS, 1)
	keys.Extra = ooniAttempt{m.RunID, m.Target.Input, m.Verdict, a}
	input, options := a.ooniInput()
	add(m, keys, input, options, a.StartedMS, a.StartedMS+a.EndedMS)
}

// ooniInput is what urlgetter would have been asked for.
func (a Attempt) ooniInput() (input string, options []string) {
	switch a.Kind {
	case probe.SNI:
		if a.Name != "" {
			options = []string{"TLSServerName=" + a.Name}
		}
		return "tlshandshake://" + a.address(), options
	case probe.Host:
		if a.Name != "" {
			options = []string{"HTTPHost=" + a.Name}
		}
		return a.url(), options
	case probe.SYN, probe.ACK:
	}
	return "tcpconnect://" + a.address(), nil
}

func (a Attempt) address() string { return netip.AddrPortFrom(a.IP, a.Port).String() }

func (a Attempt) url() string {
	host := a.address()
	if a.Port == 80 {
		host = a.IP.String()
		if a.IP.Is6() {
			host = "[" + host + "]"
		}
	}
	return "http://" + host + a.Path
}

// ooniTest is what stands beside the keys of a whole test.
type ooniTest struct {
	RunID    string    `json:"run_id"`
	Target   string    `json:"target"` // as typed
	Verdict  Verdict   `json:"verdict"`
	Test     Test      `json:"test"`
	Path     Path      `json:"path"`
	Attempts List[int] `json:"attempts"` // those that the keys are made of
}

func (m *measurements) about(t Test, of ...Attempt) ooniTest {
	x := ooniTest{RunID: m.RunID, Target: m.Target.Input, Verdict: m.Verdict, Test: t, Path: m.Path}
	for _, a := range of {
		x.Attempts = append(x.Attempts, a.ID)
	}
	return x
}

// those are the attempts of which something holds.
func (m *measurements) those(want func(Attempt) bool) []Attempt {
	var out []Attempt
	for _, a := range m.Attempts {
		if want(a) {
			out = append(out, a)
		}
	}
	return out
}

// ports is portfiltering: did SYNs to the target come through?
func (m *measurements) ports(t Test) {
	tries := m.those(func(a Attempt) bool {
		return a.Kind == probe.SYN && a.Role == probe.Test && a.Manner.Complete() && a.IP == m.Target.IP && a.Port == m.Target.Port
	})
	if len(tries) == 0 {
		return
	}
	keys := ooni.PortFiltering{TCPConnect: []ooni.TCPConnect{}, Extra: m.about(t, tries...)}
	for i, a := range tries {
		keys.TCPConnect = append(keys.TCPConnect, a.tcpConnect(0, i+1))
	}
	add(m, keys, "", nil, 0, m.DurationMS)
}

// names is sni_blocking: one connection with the test name beside one with a
// control name.
func (m *measurements) names(number int, t Test) {
	usual := func(role probe.Role) (Attempt, bool) {
		return commonest(m.those(func(a Attempt) bool {
			return a.Test == number && a.Role == role && a.Manner.Complete() && a.Form == "" && a.IP == m.Target.IP && a.Port == m.Target.Port &&
				a.Failure != Interrupted && (role != probe.Test || a.Name == t.Name)
		}))
	}
	test, tested := usual(probe.Test)
	control, controlled := usual(probe.Control)
	if !tested || !controlled {
		return
	}
	side := func(a Attempt, transaction int) ooni.Side {
		return ooni.Side{URLGetter: a.urlGetter(0, transaction), SNI: a.Name, THAddress: a.address()}
	}
	keys := ooni.Compare(side(control, 1), side(test, 2))
	keys.Extra = m.about(t, control, test)
	add(m, keys, t.Name, []string{"ControlSNI=" + control.Name, "TestHelperAddress=" + test.address()}, 0, m.DurationMS)
}

// commonest is the first attempt that ended as most of them did.
func commonest(all []Attempt) (Attempt, bool) {
	var best Attempt
	votes := map[Failure]int{}
	for _, a := range all {
		votes[a.Failure]++
	}
	for i, a := range all {
		if i == 0 || votes[a.Failure] > votes[best.Failure] {
			best = a
		}
	}
	return best, len(all) > 0
}

// nothing is the one measurement of a result without attempts: the name did
// not resolve, there was no way, or the run was stopped.
func (m *measurements) nothing() {
	operation, input := ooni.TopLevel, ""
	failure := string(UnknownFailure)
	keys := emptyURLGetter()
	switch {
	case m.Interrupted:
		failure = string(Interrupted)
	case !m.Target.IP.IsValid() && m.Target.Host != "":
		operation, input, failure = ooni.Resolve, "dnslookup://"+m.Target.Host, lookUpFailure(m.Verdict.Summary)
		keys.Queries = []ooni.Query{{
			Answers: []ooni.Answer{}, Engine: "golang_net_resolver", Failure: &failure, Hostname: m.Target.Host, QueryType: "ANY",
			T: m.DurationMS / 1000, Tags: []string{}, TransactionID: 1,
		}}
	case m.Verdict.Outcome == probe.OverallUnreachable:
		operation, failure = ooni.Connect, string(NetworkUnreachable)
	}
	if input == "" && m.Target.IP.IsValid() {
		input = "tcpconnect://" + netip.AddrPortFrom(m.Target.IP, m.Target.Port).String()
	}
	keys.FailedOperation, keys.Failure = &operation, &failure
	keys.Extra = struct {
		RunID   string  `json:"run_id"`
		Target  string  `json:"target"`
		Verdict Verdict `json:"verdict"`
	}{m.RunID, m.Target.Input, m.Verdict}
	add(m, keys, input, nil, 0, m.DurationMS)
}

// lookUpFailure knows a failed look-up by the words of Go's resolver
// (net/dnsclient_unix.go, net/net.go).
func lookUpFailure(summary string) string {
	for _, f := range []struct{ words, failure string }{
		{"no such host", "dns_nxdomain_error"},
		{"no answer from DNS server", "dns_no_answer"},
		{"server misbehaving", "dns_server_misbehaving"},
		{"i/o timeout", "generic_timeout_error"},
		{"has no address", "dns_no_answer"},
	} {
		if bytes.Contains([]byte(summary), []byte(f.words)) {
			return f.failure
		}
	}
	return "unknown_failure: the name could not be resolved"
}
