package report

import (
	"math"
	"slices"

	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report/ooni"
	"github.com/rstprobe/rstprobe/traceroute"
)

// ptr is nil for no failure, as OONI has it.
func (f Failure) ptr() ooni.Failure {
	if f == NoFailure {
		return nil
	}
	s := string(f)
	return &s
}

func emptyURLGetter() ooni.URLGetter {
	return ooni.URLGetter{
		Agent: "agent", NetworkEvents: []ooni.NetworkEvent{}, Queries: []ooni.Query{}, Requests: []ooni.Request{},
		TCPConnect: []ooni.TCPConnect{}, TLSHandshakes: []ooni.TLSHandshake{},
	}
}

// times of an attempt in seconds since fromMS, which is after StartedAt; 1 µs
// resolution.
func (a Attempt) times(fromMS float64) (began, connected, ended float64) {
	since := func(offsetMS float64) float64 { return math.Round(1e3*(a.StartedMS-fromMS+offsetMS)) / 1e6 }
	began, ended = since(0), since(a.EndedMS)
	connected = ended
	if a.ConnectedMS != nil {
		connected = since(*a.ConnectedMS)
	}
	return began, connected, ended
}

// tcpConnect is the handshake of TCP. Where nothing else was wanted than a
// connection, what came behind the SYN-ACK counts, too.
func (a Attempt) tcpConnect(fromMS float64, transaction int) ooni.TCPConnect {
	began, connected, _ := a.times(fromMS)
	c := ooni.TCPConnect{
		IP: a.IP.String(), Port: int(a.Port), T0: began, T: connected, Tags: []string{}, TransactionID: transaction,
		Status: ooni.TCPStatus{Success: true},
	}
	if a.ConnectedMS == nil || a.Kind == probe.SYN {
		c.Status = ooni.TCPStatus{Failure: a.Failure.ptr(), Success: a.Failure == NoFailure}
	}
	return c
}

// urlGetter are the keys of an attempt; its times count from fromMS.
func (a Attempt) urlGetter(fromMS float64, transaction int) ooni.URLGetter {
	keys := emptyURLGetter()
	keys.Failure = a.Failure.ptr()
	connect := a.tcpConnect(fromMS, transaction)
	keys.TCPConnect = append(keys.TCPConnect, connect)
	_, connected, ended := a.times(fromMS)
	event := func(o ooni.Operation, t0, t float64, bytes int, failure ooni.Failure) {
		keys.NetworkEvents = append(keys.NetworkEvents, ooni.NetworkEvent{
			Address: a.address(), Failure: failure, NumBytes: bytes, Operation: o, Proto: "tcp", T0: t0, T: t, Tags: []string{}, TransactionID: transaction,
		})
	}
	event(ooni.Connect, connect.T0, connect.T, 0, connect.Status.Failure)
	failed := ooni.Connect
	if a.Kind == probe.Host {
		keys.Requests = append(keys.Requests, a.request(fromMS, transaction))
	}
	if a.Kind != probe.SYN && connect.Status.Success {
		failed = ooni.RoundTrip
		if a.Kind == probe.SNI {
			failed = ooni.TLSHandshook
			event(ooni.TLSStart, connected, connected, 0, nil)
		}
		event(ooni.Write, connected, connected, a.BytesSent, nil)
		read := keys.Failure
		if a.AnsweredMS != nil && a.Outcome == probe.OK || a.Outcome == probe.Alert { // what was read is what is wrong
			read = nil
		}
		event(ooni.Read, connected, ended, a.BytesReceived, read)
		if a.Kind == probe.SNI {
			event(ooni.TLSDone, ended, ended, 0, nil)
			keys.TLSHandshakes = append(keys.TLSHandshakes, a.handshake(fromMS, transaction))
		}
	}
	if a.Failure != NoFailure {
		keys.FailedOperation = &failed
	}
	return keys
}

// handshake is that of TLS, as far as the server's first flight: we say no
// more, and ask for no certificate.
func (a Attempt) handshake(fromMS float64, transaction int) ooni.TLSHandshake {
	_, connected, ended := a.times(fromMS)
	return ooni.TLSHandshake{
		Network: "tcp", Address: a.address(), Failure: a.Failure.ptr(), NoTLSVerify: true, PeerCertificates: []ooni.Certificate{},
		ServerName: a.Name, T0: connected, T: ended, Tags: []string{}, TransactionID: transaction,
	}
}

// request is that of HTTP; of an answer no more is kept than its status.
func (a Attempt) request(fromMS float64, transaction int) ooni.Request {
	began, _, ended := a.times(fromMS)
	r := ooni.Request{
		Network: "tcp", Address: a.address(), Failure: a.Failure.ptr(), T0: began, T: ended, Tags: []string{}, TransactionID: transaction,
		Request: ooni.HTTPRequest{
			HeadersList: [][2]string{}, Headers: map[string]string{}, Method: "GET", Transport: "tcp", URL: a.url(),
		},
		Response: ooni.HTTPResponse{
			BodyIsTruncated: a.Status > 0, Code: a.Status, HeadersList: [][2]string{}, Headers: map[string]string{},
		},
	}
	if a.Name != "" {
		r.Request.Headers["Host"] = a.Name
		r.Request.HeadersList = [][2]string{{"Host", a.Name}}
	}
	return r
}

// trace is tlsmiddlebox: what the ClientHello met hop by hop, beside that of
// the control.
func (m *measurements) trace(number int, t Test) {
	swept := func(role probe.Role) (Attempt, bool) {
		all := m.those(func(a Attempt) bool {
			return a.Kind == probe.SNI && a.Role == role && (a.Manner == SweptBurst || a.Manner == SweptTimed) && len(a.Steps) > 0 &&
				a.IP == m.Target.IP && (role == probe.Control || a.Test == number && a.Name == t.Name)
		})
		if i := slices.IndexFunc(all, func(a Attempt) bool { return len(a.iterations(0)) < len(a.Steps) }); i >= 0 {
			return all[i], true // the first that met something
		}
		if len(all) == 0 {
			return Attempt{}, false
		}
		return all[0], true
	}
	test, ok := swept(probe.Test)
	if !ok {
		return
	}
	keys := ooni.TLSMiddlebox{Queries: []ooni.Query{}, TCPConnect: []ooni.TCPConnect{test.tcpConnect(0, 1)}}
	trace := ooni.Trace{
		Address:      test.address(),
		ControlTrace: ooni.NameTrace{Iterations: []ooni.Iteration{}},
		TargetTrace:  ooni.NameTrace{ServerName: t.Name, Iterations: test.iterations(1)},
	}
	of := []Attempt{test}
	if control, ok := swept(probe.Control); ok {
		keys.TCPConnect = append(keys.TCPConnect, control.tcpConnect(0, 2))
		trace.ControlTrace = ooni.NameTrace{ServerName: control.Name, Iterations: control.iterations(2)}
		of = append(of, control)
	}
	keys.IterativeTrace, keys.Extra = []ooni.Trace{trace}, m.about(t, of...)
	add(m, keys, "tlstrace://"+t.Name, []string{"SNIControl=" + trace.ControlTrace.ServerName, "TestHelper=tlshandshake://" + test.address()}, 0, m.DurationMS)
}

// ooniStep is what stands beside an iteration.
type ooniStep struct {
	IP     string            `json:"ip"` // of the router that let the copy expire; "": none said so
	Answer traceroute.Answer `json:"answer"`
}

// iterations are the steps of a sweep, as far as the first that met a reset
// or a success: so probe-cli ends its own.
func (a Attempt) iterations(transaction int) []ooni.Iteration {
	out := []ooni.Iteration{}
	for _, s := range a.Steps {
		h := a.handshake(0, transaction)
		failure, soError := stepFailure(s.Answer)
		h.Failure, h.SoError = failure.ptr(), soError.ptr()
		step := ooniStep{Answer: s.Answer}
		if s.IP.IsValid() {
			step.IP = s.IP.String()
		}
		out = append(out, ooni.Iteration{TTL: s.TTL, Handshake: h, Extra: step})
		if failure == NoFailure || failure == ConnectionReset {
			break
		}
	}
	return out
}

// stepFailure is how a handshake with a limited TTL would have failed, and
// the error that its socket would have heard of meanwhile.
func stepFailure(a traceroute.Answer) (failure, soError Failure) {
	switch a {
	case traceroute.FromServer:
		return NoFailure, NoFailure
	case traceroute.ResetAnswer, traceroute.BothAnswers:
		return ConnectionReset, NoFailure
	case traceroute.Injected:
		return FailedHandshake, NoFailure
	case traceroute.Unreachable:
		return HostUnreachable, NoFailure
	case traceroute.TimeExceeded:
		return TimeoutError, HostUnreachable
	case traceroute.Silent, traceroute.NotSent:
	}
	return TimeoutError, NoFailure
}
