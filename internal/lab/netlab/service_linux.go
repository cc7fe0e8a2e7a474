package netlab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// service is what the server speaks on a port.
type service struct {
	port    uint16
	length  func(b []byte) int                  // of the request that b begins with; 0: not complete
	name    func(request []byte) (string, bool) // whom it asks for
	refusal []byte                              // what lab.PolicyAlert answers
	// answer reads the request, which has been peeked at, and answers it, with
	// the page where there are pages. It returns nil when it is ready for the next one.
	answer func(conn net.Conn, request []byte, page string) error
}

var tlsService = service{
	port:    443,
	length:  lab.HelloLength,
	name:    payload.ServerName,
	refusal: payload.AlertBytes(112), // unrecognized_name (RFC 6066 §3)
	answer: func(conn net.Conn, _ []byte, _ string) error {
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
	length:  lab.HeadLength,
	name:    payload.HostHeader,
	refusal: payload.BlockPage(http.StatusMisdirectedRequest, ""),
	answer: func(conn net.Conn, request []byte, page string) error {
		if err := skip(conn, request); err != nil {
			return err
		}
		_, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(page), page)
		return err
	},
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
