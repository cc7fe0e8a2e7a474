package report

import (
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/probe"
)

// Failure says why an attempt failed, in the words that OONI's data format
// has for it (ooni/spec, df-007-errors); "" where it did not.
type Failure string

// The failures. What a packet-level client cannot meet has no word here.
const (
	NoFailure          Failure = ""
	ConnectionRefused  Failure = "connection_refused"    // a reset, or ICMP port unreachable, answered the SYN
	ConnectionReset    Failure = "connection_reset"      // a reset came later, from whomever
	TimeoutError       Failure = "generic_timeout_error" // our deadline passed
	EOFError           Failure = "eof_error"             // closed before an answer
	HostUnreachable    Failure = "host_unreachable"      // ICMP, prohibitions among it
	NetworkUnreachable Failure = "network_unreachable"   // ICMP
	FailedHandshake    Failure = "ssl_failed_handshake"  // an alert, or no TLS at all
	Interrupted        Failure = "interrupted"           // we stopped it
	MalformedHTTP      Failure = "unknown_failure: the answer is not HTTP"
	UnknownFailure     Failure = "unknown_failure: the end is not known"
)

// failure is how the client of an attempt would have failed.
func failure(kind probe.Kind, o probe.Observation) Failure {
	switch o.Outcome {
	case probe.OK:
		return answerFailure(kind, o.Reply.Kind)
	case probe.Refused:
		return ConnectionRefused
	case probe.Reset:
		return ConnectionReset
	case probe.Fin:
		return EOFError
	case probe.Alert:
		return FailedHandshake
	case probe.Unreachable:
		return unreachableFailure(o.Errors)
	case probe.Drop, probe.Stall:
		if o.Cut {
			return Interrupted
		}
		return TimeoutError
	case probe.InjectedResponse, probe.Inconclusive: // of tests, never of one connection
	}
	return UnknownFailure
}

// answerFailure holds an answer against what was asked.
func answerFailure(kind probe.Kind, reply payload.ReplyKind) Failure {
	switch {
	case kind == probe.SNI && reply != payload.ServerHello:
		return FailedHandshake
	case kind == probe.Host && reply != payload.HTTPReply:
		return MalformedHTTP
	}
	return NoFailure
}

// unreachableFailure is what the first ICMP error says that knows no way, as
// Linux tells its programs (icmp_err_convert in net/ipv4/icmp.c, tab_unreach
// in net/ipv6/icmp.c); where something prohibits it, the host is not reached.
func unreachableFailure(errors []probe.Seen) Failure {
	i := slices.IndexFunc(errors, func(s probe.Seen) bool { return s.Packet.ICMP.Kind == packet.Unreachable })
	if i < 0 {
		return UnknownFailure
	}
	code := errors[i].Packet.ICMP.Code
	if errors[i].From().Is6() {
		switch code { // RFC 4443 §3.1
		case 0:
			return NetworkUnreachable
		case 4:
			return ConnectionRefused
		}
		return HostUnreachable
	}
	switch code { // RFC 792, RFC 1122 §3.2.2.1
	case 0, 6, 9, 11:
		return NetworkUnreachable
	case 3:
		return ConnectionRefused
	}
	return HostUnreachable
}
