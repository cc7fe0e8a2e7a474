package lab

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

// ServeTLS is the server's end of a TLS connection: it completes the handshake
// and answers every request of HTTP/1.1 with the page. It returns nil once the
// peer has closed.
func ServeTLS(raw net.Conn, page string) error {
	cert, err := Certificate()
	if err != nil {
		return err
	}
	c := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{cert}})
	if err := c.Handshake(); err != nil {
		return err
	}
	r := bufio.NewReader(c)
	for {
		if _, err := http.ReadRequest(r); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		if _, err := c.Write(HTTPAnswer(page)); err != nil {
			return err
		}
	}
}

// HTTPAnswer is the answer that has a page for its body.
func HTTPAnswer(page string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(page), page)
}

// Certificate is the server's, made once per process: nobody is meant to
// trust it.
var Certificate = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("lab: make the server's key: %w", err)
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
		return tls.Certificate{}, fmt.Errorf("lab: make the server's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
})
