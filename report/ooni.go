package report

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report/ooni"
)

// OONI writes results as measurements in OONI's data format, one per line, for
// researchers who read that: urlgetter for every name that was resolved and
// for every connection that a client could have made, portfiltering, sni_blocking and tlsmiddlebox for every test
// that they fit. What they have no place for stands under x_rstprobe. Our own
// address is left out.
func OONI(w io.Writer, docs []Document) error {
	answered := map[string]bool{}
	for _, d := range docs {
		if l := d.Lookup; l != nil && l.Failure == NoFailure { // all addresses of a name have the same, which is told once
			key := l.Name + " " + l.StartedAt.String()
			if answered[key] {
				d.Lookup = nil
			}
			answered[key] = true
		}
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
	if d.Lookup != nil {
		m.lookUp(*d.Lookup)
	}
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
	if len(d.Attempts) == 0 && (d.Lookup == nil || d.Lookup.Failure == NoFailure) {
		m.nothing()
	}
	return m.lines, m.err
}

// add is one more measurement, from one time to another, both after StartedAt.
func add[K ooni.Keys](m *measurements, keys K, input string, options []string, fromMS, toMS float64) {
	started := m.StartedAt
	if m.Lookup != nil && m.Lookup.StartedAt.Before(started) {
		started = m.Lookup.StartedAt
	}
	line, err := ooni.New(ooni.Envelope{
		RunID: m.RunID, Version: m.Version, Mode: m.Mode, Platform: ooni.Platform(m.Platform), Started: started,
		Begun: m.StartedAt.Add(duration(fromMS)), Runtime: duration(toMS - fromMS),
		Input: input, Options: options, Sequence: len(m.lines),
	}, keys).Line()
	if m.err == nil {
		m.err = err
	}
	m.lines = append(m.lines, m.scrub(EscapeControls(line)))
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

// ooniResult is what stands beside the keys of what is no attempt.
type ooniResult struct {
	RunID   string  `json:"run_id"`
	Target  string  `json:"target"` // as typed
	Verdict Verdict `json:"verdict"`
}

// lookUp is the resolving of the target's name.
func (m *measurements) lookUp(l Lookup) {
	query := ooni.Query{
		Answers: []ooni.Answer{}, Engine: "golang_net_resolver", Failure: l.Failure.ptr(), Hostname: l.Name, QueryType: "ANY",
		T: l.DurationMS / 1000, Tags: []string{}, TransactionID: 1,
	}
	if l.Resolver.IsValid() {
		query.ResolverAddress = l.Resolver.String()
	}
	for _, a := range l.Answers {
		if a.Is4() {
			query.Answers = append(query.Answers, ooni.Answer{AnswerType: "A", IPv4: a.String()})
		} else {
			query.Answers = append(query.Answers, ooni.Answer{AnswerType: "AAAA", IPv6: a.String()})
		}
	}
	keys := emptyURLGetter()
	keys.Queries, keys.Failure = []ooni.Query{query}, query.Failure
	if l.Failure != NoFailure {
		operation := ooni.Resolve
		keys.FailedOperation = &operation
	}
	keys.Extra = ooniResult{m.RunID, m.Target.Input, m.Verdict}
	from := milliseconds(l.StartedAt.Sub(m.StartedAt)) // names are resolved before the first packet
	add(m, keys, "dnslookup://"+l.Name, nil, from, from+l.DurationMS)
}

// nothing is the measurement of a result without attempts to an address:
// there was no way, or the run was stopped.
func (m *measurements) nothing() {
	operation, input, failure := ooni.TopLevel, "", UnknownFailure
	switch {
	case m.Interrupted:
		failure = Interrupted
	case m.Verdict.Outcome == probe.OverallUnreachable:
		operation, failure = ooni.Connect, NetworkUnreachable
	}
	if m.Target.IP.IsValid() {
		input = "tcpconnect://" + netip.AddrPortFrom(m.Target.IP, m.Target.Port).String()
	}
	keys := emptyURLGetter()
	keys.FailedOperation, keys.Failure = &operation, failure.ptr()
	keys.Extra = ooniResult{m.RunID, m.Target.Input, m.Verdict}
	add(m, keys, input, nil, 0, m.DurationMS)
}
