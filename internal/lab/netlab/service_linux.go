package netlab

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rstprobe/rstprobe/internal/payload"
)

// service is what the server speaks on a port.
type service struct {
	port    uint16
	length  func(b []byte) int                  // of the request that b begins with; 0: not complete
	name    func(request []byte) (string, bool) // whom it asks for
	refusal []byte                              // what lab.PolicyAlert answers
	// answer reads the request, which has been peeked at, and answers it. It
	// returns nil when it is ready for the next one.
	answer func(conn net.Conn, request []byte) error
}

var tlsService = service{
	port:    443,
	length:  helloLength,
	name:    payload.ServerName,
	refusal: payload.AlertBytes(112), // unrecognized_name (RFC 6066 §3)
	answer: func(conn net.Conn, _ []byte) error {
		cert, err := certificate()
		if err != nil {
			return err
		}
		c := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})
		if err := c.Handshake(); err != nil {
			return err
		}
		return drain(c)
	},
}

var httpService = service{
	port:    80,
	length:  headLength,
	name:    hostName,
	refusal: payload.BlockPage(http.StatusMisdirectedRequest, ""),
	answer: func(conn net.Conn, request []byte) error {
		const page = "the server of the lab\n"
		if err := skip(conn, request); err != nil {
			return err
		}
		_, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(page), page)
		return err
	},
}

// hostName is the request's host without its port.
func hostName(b []byte) (string, bool) {
	host, ok := payload.HostHeader(b)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host, ok
}

// headLength is the length of an HTTP request without a body (RFC 9112 §2.1).
func headLength(b []byte) int {
	const end = "\r\n\r\n"
	if at := bytes.Index(b, []byte(end)); at >= 0 {
		return at + len(end)
	}
	return 0
}

// helloLength is the length of the records (RFC 8446 §5.1) that hold a
// ClientHello. What is no TLS is taken whole.
func helloLength(b []byte) int {
	const handshake, recordHeader, messageHeader = 22, 5, 4
	var message []byte
	for at := 0; at < len(b); {
		record := b[at:]
		if record[0] != handshake {
			return len(b)
		}
		if len(record) < recordHeader {
			return 0
		}
		end := recordHeader + int(binary.BigEndian.Uint16(record[3:]))
		if len(record) < end {
			return 0
		}
		message = append(message, record[recordHeader:end]...)
		at += end
		if len(message) >= messageHeader {
			length := int(message[1])<<16 | int(binary.BigEndian.Uint16(message[2:]))
			if len(message) >= messageHeader+length {
				return at
			}
		}
	}
	return 0
}

// certificate is the server's, made once per process: nobody is meant to
// trust it.
var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("netlab: make the server's key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "the server of the lab"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("netlab: make the server's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
})
