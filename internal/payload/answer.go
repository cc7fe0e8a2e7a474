package payload

import "fmt"

// ServerHelloBytes is how an emulated server accepts a ClientHello: the record
// with a TLS 1.2 ServerHello (RFC 5246 §7.4.1.3), which unlike one of TLS 1.3
// need not repeat the client's session id. Nothing follows it.
func ServerHelloBytes() []byte {
	extensions := []byte{
		0xff, 0x01, 0, 1, 0, // renegotiation_info, which clients of today insist on
		0, 23, 0, 0, // extended_master_secret
		0, 11, 0, 2, 1, 0, // ec_point_formats: uncompressed
	}
	body := []byte{3, 3} // TLS 1.2
	random := make([]byte, randomLength)
	fill(random, source(2))
	body = append(body, random...)
	body = append(body, 0)          // no session id
	body = append(body, 0xc0, 0x2f) // ECDHE with RSA and AES-128-GCM
	body = append(body, 0)          // null compression
	body = append(body, 0, byte(len(extensions)))
	body = append(body, extensions...)
	n := byte(len(body))
	return append([]byte{recordHandshake, 3, 3, 0, n + handshakeHeader, messageServerHello, 0, 0, n}, body...)
}

// AlertBytes is the record with one alert in the clear (RFC 8446 §6). Its
// level is warning for close_notify and user_canceled and fatal for the rest.
func AlertBytes(code uint8) []byte {
	level := byte(2)
	if code == 0 || code == 90 {
		level = 1
	}
	return []byte{recordAlert, 3, 3, 0, 2, level, code}
}

// reasons are the phrases for what boxes answer with (RFC 9110 §15, RFC 7725).
// Any other status goes without, which RFC 9112 §4 allows.
var reasons = map[int]string{
	200: "OK",
	301: "Moved Permanently",
	302: "Found",
	403: "Forbidden",
	404: "Not Found",
	451: "Unavailable For Legal Reasons",
	503: "Service Unavailable",
}

// BlockPage is an HTTP answer with a page, as boxes forge it. The connection
// closes behind it.
func BlockPage(status int, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, reasons[status], len(body), body)
}
