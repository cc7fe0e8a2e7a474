package payload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
)

// ReplyKind is the kind of a server's answer.
type ReplyKind uint8

// The kinds of answer.
const (
	NoReply     ReplyKind = iota // not a byte
	ServerHello                  // a TLS ServerHello, HelloRetryRequest included (RFC 8446 §4.1.3)
	AlertReply                   // a TLS alert in the clear (RFC 8446 §6)
	HTTPReply                    // an HTTP/1 status line (RFC 9112 §4)
	OtherReply                   // anything else
)

// Reply is what a server, or a box in its name, answered.
type Reply struct {
	Kind     ReplyKind
	Level    uint8  // of an alert: 1 warning, 2 fatal
	Alert    uint8  // description of an alert; see AlertName
	Status   int    // of an HTTP answer; 0 if the status line is cut off
	Location string // of an HTTP answer, "" if it has none: the sender's text, unchecked
	Total    int    // bytes of a whole HTTP answer, its head included, as its Content-Length announces (RFC 9112 §6.3); 0: not announced
}

// Recognise says what the stream b begins with; the first segment is enough.
// A warning alert with a ServerHello behind it is a ServerHello: such a
// server only remarks that it does not know the name (RFC 6066 §3).
func Recognise(b []byte) Reply {
	switch {
	case len(b) == 0:
		return Reply{}
	case bytes.HasPrefix(b, []byte("HTTP/")):
		return recogniseHTTP(b)
	case len(b) < 3 || b[1] != 3:
		return Reply{Kind: OtherReply}
	}
	switch b[0] {
	case recordHandshake:
		// A cut-off record passes: a server has nothing else to begin with.
		if len(b) > recordHeader && b[recordHeader] != messageServerHello {
			return Reply{Kind: OtherReply}
		}
		return Reply{Kind: ServerHello}
	case recordAlert:
		const whole = recordHeader + 2 // an encrypted one is longer
		if len(b) < whole || binary.BigEndian.Uint16(b[3:]) != 2 || b[5] < 1 || b[5] > 2 {
			return Reply{Kind: OtherReply}
		}
		if b[5] == 1 {
			if next := Recognise(b[whole:]); next.Kind == ServerHello || next.Kind == AlertReply {
				return next
			}
		}
		return Reply{Kind: AlertReply, Level: b[5], Alert: b[6]}
	}
	return Reply{Kind: OtherReply}
}

func recogniseHTTP(b []byte) Reply {
	r := Reply{Kind: HTTPReply}
	first := true
	length := 0
	for line := range lines(b) {
		text := string(b[line.lo:line.hi])
		if text == "" {
			if length > 0 {
				r.Total = line.hi + bytes.IndexByte(b[line.hi:], '\n') + 1 + length
			}
			break
		}
		if first {
			first = false
			r.Status = status(text)
			continue
		}
		if lo, hi, ok := field(text, "location"); ok && r.Location == "" {
			r.Location = text[lo:hi]
		}
		if lo, hi, ok := field(text, "content-length"); ok {
			if n, err := strconv.ParseUint(text[lo:hi], 10, 31); err == nil {
				length = int(n)
			}
		}
	}
	if first { // not even the line is complete; its number may be
		r.Status = status(string(b))
	}
	return r
}

// status is the number in a status line, 100 to 999; 0 if there is none.
func status(line string) int {
	words := bytes.Fields([]byte(line))
	if len(words) < 2 || len(words[1]) != 3 {
		return 0
	}
	n, err := strconv.Atoi(string(words[1]))
	if err != nil || n < 100 {
		return 0
	}
	return n
}

// String is the reply in words, on one line and safe for a terminal.
func (r Reply) String() string {
	switch r.Kind {
	case NoReply:
		return "no reply"
	case ServerHello:
		return "ServerHello"
	case AlertReply:
		level := "fatal"
		if r.Level == 1 {
			level = "warning"
		}
		return fmt.Sprintf("%s alert %s (%d)", level, AlertName(r.Alert), r.Alert)
	case HTTPReply:
		s := "HTTP"
		if r.Status != 0 {
			s += " " + strconv.Itoa(r.Status)
		}
		if r.Location != "" {
			s += fmt.Sprintf(" to %+q", r.Location)
		}
		return s
	case OtherReply:
	}
	return "neither TLS nor HTTP"
}

// AlertName is the name of a TLS alert as in RFC 8446 §6, or "alert 200" for
// one without.
func AlertName(code uint8) string {
	if name, ok := alertNames[code]; ok {
		return name
	}
	return "alert " + strconv.Itoa(int(code))
}

// alertNames are those of RFC 8446 §6 and appendix B.2, without the mark
// "_RESERVED" that it puts on those of earlier versions, and those registered
// since.
var alertNames = map[uint8]string{
	0:   "close_notify",
	10:  "unexpected_message",
	20:  "bad_record_mac",
	21:  "decryption_failed",
	22:  "record_overflow",
	30:  "decompression_failure",
	40:  "handshake_failure",
	41:  "no_certificate",
	42:  "bad_certificate",
	43:  "unsupported_certificate",
	44:  "certificate_revoked",
	45:  "certificate_expired",
	46:  "certificate_unknown",
	47:  "illegal_parameter",
	48:  "unknown_ca",
	49:  "access_denied",
	50:  "decode_error",
	51:  "decrypt_error",
	60:  "export_restriction",
	70:  "protocol_version",
	71:  "insufficient_security",
	80:  "internal_error",
	86:  "inappropriate_fallback",
	90:  "user_canceled",
	100: "no_renegotiation",
	109: "missing_extension",
	110: "unsupported_extension",
	111: "certificate_unobtainable",
	112: "unrecognized_name",
	113: "bad_certificate_status_response",
	114: "bad_certificate_hash_value",
	115: "unknown_psk_identity",
	116: "certificate_required",
	120: "no_application_protocol",
	121: "ech_required", // RFC 9849 §11.2
}
