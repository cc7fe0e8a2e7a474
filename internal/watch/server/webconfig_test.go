package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair is a certificate that signs itself, and its key.
type pair struct{ cert, key []byte }

func newPair(t *testing.T, name string) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})}
}

// write makes it the files NAME.crt and NAME.key.
func (p pair) write(t *testing.T, dir, name string) {
	t.Helper()
	save(t, filepath.Join(dir, name+".crt"), string(p.cert))
	save(t, filepath.Join(dir, name+".key"), string(p.key))
}

// save replaces a file at once, as whoever renews certificates does.
func save(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// browser trusts one server, may have a certificate, and connects anew for
// every request.
func browser(t *testing.T, server pair, own *pair) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(server.cert) {
		t.Fatal("no certificate")
	}
	c := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if own != nil {
		cert, err := tls.X509KeyPair(own.cert, own.key)
		if err != nil {
			t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true, ForceAttemptHTTP2: true}, CheckRedirect: client.CheckRedirect}
}

// tlsWorld is a server with a web configuration.
func tlsWorld(t *testing.T, web string) (w *world, dir string, server pair, base string) {
	t.Helper()
	w, dir, server = newWorld(t, Settings{Token: token}), t.TempDir(), newPair(t, "server")
	server.write(t, dir, "server")
	w.web = filepath.Join(dir, "web.yml")
	save(t, w.web, web)
	if err := Check(w.web); err != nil {
		t.Fatal(err)
	}
	return w, dir, server, "https://" + w.serve()
}

const serverOnly = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"

// TestTLS: the token is asked for as without, cookies stay on TLS, and a new
// certificate counts from the next connection on.
func TestTLS(t *testing.T) {
	t.Parallel()
	w, dir, server, base := tlsWorld(t, serverOnly)
	if !Encrypted(w.web) || Encrypted("") {
		t.Error("nobody notices that it is encrypted")
	}
	people := browser(t, server, nil)
	if got, _ := do(t, people, request(t, "GET", base+"/metrics", "")); got.StatusCode != 401 || got.ProtoMajor != 2 {
		t.Errorf("without a token: %s %d", got.Proto, got.StatusCode)
	}
	if got, body := do(t, people, request(t, "GET", base+"/metrics", "", "Authorization: Bearer "+token)); got.StatusCode != 200 || body != "metrics" {
		t.Errorf("with it: %d %s", got.StatusCode, body)
	}
	got, _ := do(t, people, request(t, "POST", base+"/login", "token="+token, "Content-Type: application/x-www-form-urlencoded", "Origin: "+base))
	if c := got.Cookies(); got.StatusCode != 303 || len(c) != 1 || !c[0].Secure {
		t.Errorf("%d, cookies %v", got.StatusCode, c)
	}
	renewed := newPair(t, "renewed")
	renewed.write(t, dir, "server")
	if _, err := people.Do(request(t, "GET", base+"/-/healthy", "")); err == nil { //nolint:bodyclose // there is none
		t.Error("the old certificate is still in use")
	}
	if got, _ := do(t, browser(t, renewed, nil), request(t, "GET", base+"/-/healthy", "")); got.StatusCode != 200 {
		t.Errorf("with the new certificate: %d", got.StatusCode)
	}
}

// TestClientCertificates: who has one needs no token; who has none of those
// that are wanted, or none, comes nowhere.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ours, theirs := newPair(t, "ours"), newPair(t, "theirs")
	for auth, without := range map[string]int{"RequireAndVerifyClientCert": 0, "VerifyClientCertIfGiven": 401} {
		w, dir, server, base := tlsWorld(t, serverOnly)
		ours.write(t, dir, "client")
		save(t, w.web, serverOnly+"  client_ca_file: client.crt\n  client_auth_type: "+auth+"\n")
		if got, _ := do(t, browser(t, server, &ours), request(t, "GET", base+"/metrics", "")); got.StatusCode != 200 {
			t.Errorf("%s: with a certificate: %d", auth, got.StatusCode)
		}
		for name, who := range map[string]*pair{"somebody else's": &theirs, "no": nil} {
			answer, err := browser(t, server, who).Do(request(t, "GET", base+"/metrics", ""))
			code := 0
			if err == nil {
				code = answer.StatusCode
				answer.Body.Close() //nolint:errcheck // nothing was read
			}
			if code != without { // a client keeps a certificate that is not wanted to itself
				t.Errorf("%s: with %s certificate: %d (%v), want %d", auth, name, code, err, without)
			}
		}
	}
}

// hash is "rosebud", as htpasswd -B makes it.
const hash = "$2a$04$2BHUVcCNAgMeVlqa5UbvTuFUFln7411MX6NgeMDTs1QYeKxZ9gcAi"

// TestUsers of the web configuration need no token, and are asked for by it.
func TestUsers(t *testing.T) {
	t.Parallel()
	w, _, server, base := tlsWorld(t, serverOnly+"basic_auth_users:\n  alice: "+hash+"\n")
	people := browser(t, server, nil)
	ask := func(user, password string) int {
		r := request(t, "GET", base+"/metrics", "")
		r.SetBasicAuth(user, password)
		got, _ := do(t, people, r)
		return got.StatusCode
	}
	if got, _ := do(t, people, request(t, "GET", base+"/metrics", "")); got.StatusCode != 401 {
		t.Errorf("nobody: %d", got.StatusCode)
	}
	for _, tt := range []struct {
		user, password string
		code           int
	}{{"alice", "rosebud", 200}, {"alice", "rosebush", 401}, {"bob", "rosebud", 401}, {"bob", token, 401}} {
		if code := ask(tt.user, tt.password); code != tt.code {
			t.Errorf("%s with %s: %d, want %d", tt.user, tt.password, code, tt.code)
		}
	}
	save(t, w.web, serverOnly) // the users are gone, so the token counts
	if code := ask("alice", "rosebud"); code != 401 {
		t.Errorf("who is no user any more: %d", code)
	}
	if code := ask("anybody", token); code != 200 {
		t.Errorf("the token: %d", code)
	}
	if log := w.log.String(); strings.Contains(log, "rose") || strings.Contains(log, "horse") {
		t.Errorf("the log tells a password:\n%s", log)
	}
}

// TestCheck: what is wrong in a web configuration is said before it is used.
func TestCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newPair(t, "server").write(t, dir, "server")
	for i, tt := range []struct{ text, want string }{
		{"", ""},
		{serverOnly, ""},
		{"tls_server_config:\n  cert_file: nowhere.crt\n  key_file: server.key\n", "nowhere.crt"},
		{"tls_server_config:\n  cert_file: server.crt\n", "key_file"},
		{"tls_sever_config: {}\n", "tls_sever_config"},
		{"basic_auth_users:\n  alice: rosebud\n", "hash"},
	} {
		path := filepath.Join(dir, fmt.Sprintf("web%d.yml", i))
		save(t, path, tt.text)
		err := Check(path)
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path)) {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.want)
		}
	}
	if err := Check(filepath.Join(dir, "none.yml")); err == nil {
		t.Error("a file that is not there is right")
	}
	if err := Check(""); err != nil {
		t.Error(err)
	}
}
