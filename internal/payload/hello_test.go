package payload

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	utls "github.com/refraction-networking/utls"
)

var shapes = []Shape{Plain, Chrome, Firefox}

func mustHello(t testing.TB, name string, shape Shape, length int, seed uint64) []byte {
	t.Helper()
	b, err := ClientHello(name, shape, length, seed)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// serverConfig is that of a real TLS server, with a certificate of its own.
func serverConfig(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{"http/1.1"},
	}
}

// memoryConn gives one side of a connection everything at once and keeps what
// it answers.
type memoryConn struct {
	net.Conn // nil: deadlines and addresses are not asked for
	in       io.Reader
	out      bytes.Buffer
}

func (c *memoryConn) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c *memoryConn) Write(b []byte) (int, error) { return c.out.Write(b) }
func (c *memoryConn) Close() error                { return nil }

// serve lets crypto/tls read b as a server and returns what it understood and
// answered. The handshake never completes, for want of more input.
func serve(config *tls.Config, b []byte) (*tls.ClientHelloInfo, []byte, error) {
	var info *tls.ClientHelloInfo
	config = config.Clone()
	config.GetConfigForClient = func(i *tls.ClientHelloInfo) (*tls.Config, error) {
		info = i
		return nil, nil
	}
	conn := &memoryConn{in: bytes.NewReader(b)}
	err := tls.Server(conn, config).Handshake()
	return info, conn.out.Bytes(), err
}

func TestClientHelloIsUnderstoodAtEveryLength(t *testing.T) {
	config := serverConfig(t)
	for _, shape := range shapes {
		for _, name := range []string{"", "a.example", "blocked.example", strings.Repeat("long.", 48) + "example.org"} {
			t.Run(fmt.Sprintf("%s %.20s", shape, name), func(t *testing.T) {
				natural := len(mustHello(t, name, shape, 0, 1))
				if natural > 1400 {
					t.Errorf("natural length %d does not fit one segment", natural)
				}
				lengths := []int{0, MaxLength}
				for k := range 65 {
					lengths = append(lengths, natural+k)
				}
				for _, length := range lengths {
					b := mustHello(t, name, shape, length, 1)
					if want := max(length, natural); len(b) != want {
						t.Fatalf("%d bytes, want %d", len(b), want)
					}
					info, answer, err := serve(config, b)
					if info == nil {
						t.Fatalf("length %d: server did not understand it: %v", length, err)
					}
					if info.ServerName != name {
						t.Errorf("length %d: server read the name %q, want %q", length, info.ServerName, name)
					}
					if got := Recognise(answer); got.Kind != ServerHello {
						t.Errorf("length %d: server answered %v (%v), want ServerHello", length, got, err)
					}
					if got, ok := ServerName(b); got != name || ok != (name != "") {
						t.Errorf("length %d: ServerName = %q, %v, want %q", length, got, ok, name)
					}
				}
			})
		}
	}
}

func TestClientHelloWithEachVersion(t *testing.T) {
	for _, shape := range shapes {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := serverConfig(t)
			config.MinVersion, config.MaxVersion = version, version
			_, answer, err := serve(config, mustHello(t, "a.example", shape, 0, 7))
			if got := Recognise(answer); got.Kind != ServerHello {
				t.Errorf("%s to a server of %s: %v (%v), want ServerHello", shape, tls.VersionName(version), got, err)
			}
		}
	}
}

func TestPlainClientHelloOnP256Only(t *testing.T) {
	config := serverConfig(t)
	config.CurvePreferences = []tls.CurveID{tls.CurveP256}
	for _, shape := range shapes { // Firefox brings a share on P-256; the others are asked for one
		_, answer, err := serve(config, mustHello(t, "a.example", shape, 0, 7))
		if got := Recognise(answer); got.Kind != ServerHello {
			t.Errorf("%s: %v (%v), want ServerHello", shape, got, err)
		}
	}
}

func TestClientHelloNaturalLength(t *testing.T) {
	got := len(mustHello(t, "blocked.example", Plain, 0, 1))
	if got < 250 || got > 300 {
		t.Errorf("plain hello has %d bytes, want 250 to 300", got)
	}
}

func TestClientHelloLengthErrors(t *testing.T) {
	const name = "blocked.example"
	for _, shape := range shapes {
		natural := len(mustHello(t, name, shape, 0, 1))
		for _, length := range []int{-1, 1, natural - 1, MaxLength + 1} {
			b, err := ClientHello(name, shape, length, 1)
			if err == nil {
				t.Errorf("%s, length %d: no error and %d bytes", shape, length, len(b))
				continue
			}
			want := fmt.Sprintf("payload: ClientHello for %q: %d bytes are too few, it takes %d", name, length, natural)
			if length > natural {
				want = fmt.Sprintf("payload: ClientHello for %q: %d bytes are too many, at most %d", name, length, MaxLength)
			}
			if diff := cmp.Diff(want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		}
	}
	if _, err := ClientHello(strings.Repeat("a", MaxLength), Plain, 0, 1); err == nil {
		t.Error("a name of 16 KiB: no error")
	}
	if _, err := ClientHello(name, "safari", 0, 1); err == nil || !strings.Contains(err.Error(), "plain, chrome or firefox") {
		t.Errorf("unknown shape: error %v, want one that lists the shapes", err)
	}
}

func TestClientHelloIsAFunctionOfTheSeed(t *testing.T) {
	for _, shape := range shapes {
		a := mustHello(t, "a.example", shape, 0, 1)
		if b := mustHello(t, "a.example", shape, 0, 1); !bytes.Equal(a, b) {
			t.Errorf("%s: two hellos from one seed differ", shape)
		}
		b := mustHello(t, "a.example", shape, 0, 2)
		if len(a) != len(b) {
			t.Errorf("%s: the seed changes the length, %d and %d", shape, len(a), len(b))
		}
		if bytes.Equal(a[11:11+randomLength], b[11:11+randomLength]) {
			t.Errorf("%s: two seeds give one random", shape)
		}
	}
}

// What utls itself draws must not get into a template: another run of the
// program would send another hello.
func TestBrowserTemplatesAreReproducible(t *testing.T) {
	for name, craft := range map[string]func() (*template, error){
		"chrome":  func() (*template, error) { return browserTemplate(utls.HelloChrome_120, fixedOrder) },
		"firefox": func() (*template, error) { return browserTemplate(utls.HelloFirefox_120, func([]extension) {}) },
	} {
		var hellos [][]byte
		for range 8 {
			template, err := craft()
			if err != nil {
				t.Fatal(err)
			}
			b, err := template.build("a.example", 1000, 3)
			if err != nil {
				t.Fatal(err)
			}
			hellos = append(hellos, b)
		}
		for _, b := range hellos[1:] {
			if !bytes.Equal(hellos[0], b) {
				t.Errorf("%s: two templates give different hellos", name)
			}
		}
	}
}

// A browser's hello has the extensions that utls gives that browser, and the
// padding; Firefox in the same order.
func TestBrowserExtensions(t *testing.T) {
	for shape, id := range map[Shape]utls.ClientHelloID{Chrome: utls.HelloChrome_120, Firefox: utls.HelloFirefox_120} {
		conn := utls.UClient(nil, &utls.Config{ServerName: "a.example"}, id)
		if err := conn.BuildHandshakeState(); err != nil {
			t.Fatal(err)
		}
		raw := conn.HandshakeState.Hello.Raw
		theirs := append([]byte{recordHandshake, 3, 1, byte(len(raw) >> 8), byte(len(raw))}, raw...)
		want := append(kinds(theirs, shape == Chrome), extPadding)
		ours := mustHello(t, "a.example", shape, 0, 1)
		got := kinds(ours, shape == Chrome)
		if shape == Chrome { // its order is drawn at random
			count := func(ks []uint16) map[uint16]int {
				m := map[uint16]int{}
				for _, k := range ks {
					m[k]++
				}
				return m
			}
			if diff := cmp.Diff(count(want), count(got)); diff != "" {
				t.Errorf("%s: extensions (-want +got):\n%s", shape, diff)
			}
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: extensions (-want +got):\n%s", shape, diff)
		}
		if len(ours) != len(theirs)+extensionHeader+minPadding {
			t.Errorf("%s: %d bytes, want those %d of the browser and the padding", shape, len(ours), len(theirs))
		}
	}
}

// kinds are the types of a hello's extensions; GREASE ones (RFC 8701) are all
// the same if grease is set.
func kinds(b []byte, grease bool) []uint16 {
	var ks []uint16
	for k := range helloExtensions(b) {
		if grease && k&0x0f0f == 0x0a0a {
			k = 0x0a0a
		}
		ks = append(ks, k)
	}
	return ks
}

// Copies for a stamped sweep differ in the padding and the lengths alone.
func TestLongerHelloStartsAlike(t *testing.T) {
	for _, shape := range shapes {
		a := mustHello(t, "blocked.example", shape, 1000, 5)
		b := mustHello(t, "blocked.example", shape, 1064, 5)
		natural := len(mustHello(t, "blocked.example", shape, 0, 5))
		template, err := templateOf(shape)
		if err != nil {
			t.Fatal(err)
		}
		var differ []int
		for i := range natural - minPadding {
			if a[i] != b[i] {
				differ = append(differ, i)
			}
		}
		for _, i := range differ {
			switch {
			case i == 3 || i == 4: // record
			case i >= 6 && i <= 8: // message
			case i == template.extensions || i == template.extensions+1:
			case i == natural-minPadding-2 || i == natural-minPadding-1: // padding
			default:
				t.Errorf("%s: byte %d differs", shape, i)
			}
		}
	}
}

func TestEqualLengthsDifferInTheNameAlone(t *testing.T) {
	for _, shape := range shapes {
		a := mustHello(t, "blocked.example", shape, 900, 5)
		b := mustHello(t, "control.example", shape, 900, 5)
		at, ok := NameOffset(a)
		if !ok {
			t.Fatalf("%s: no name", shape)
		}
		copy(b[at:], "blocked.example")
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("%s: beside the name (-blocked +control):\n%s", shape, diff)
		}
		for _, name := range []string{"", "a.example", "a.much.longer.name.example"} {
			if got := len(mustHello(t, name, shape, 900, 5)); got != 900 {
				t.Errorf("%s for %q: %d bytes, want 900", shape, name, got)
			}
		}
	}
}

// BenchmarkClientHello measures the hellos and, in the same run, what
// crypto/tls takes for one; the ratio is theirs over ours.
func BenchmarkClientHello(b *testing.B) {
	for _, shape := range shapes {
		b.Run(string(shape), func(b *testing.B) {
			mustHello(b, "blocked.example", shape, 0, 0) // the template
			b.ReportAllocs()
			seed := uint64(0)
			for b.Loop() {
				seed++
				if _, err := ClientHello("blocked.example", shape, 700, seed); err != nil {
					b.Fatal(err)
				}
			}
			ours := float64(b.Elapsed()) / float64(b.N)

			const rounds = 200
			start := time.Now()
			for range rounds {
				conn := &memoryConn{in: bytes.NewReader(nil)}
				config := &tls.Config{ServerName: "blocked.example", CurvePreferences: []tls.CurveID{tls.X25519}}
				if err := tls.Client(conn, config).Handshake(); conn.out.Len() == 0 {
					b.Fatal(err)
				}
			}
			theirs := float64(time.Since(start)) / rounds
			b.ReportMetric(theirs/ours, "crypto/tls÷ours")
		})
	}
}
