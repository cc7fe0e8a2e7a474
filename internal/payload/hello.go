package payload

import (
	"crypto/ecdh"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
)

// MaxLength is the greatest payload that is built, in bytes: 16 KiB, what one
// TLS record may carry (RFC 8446 §5.1) and few servers accept as a request
// head.
const MaxLength = 16 << 10

// TLS constants (RFC 8446 §4, §4.2, §5.1).
const (
	recordAlert     = 21
	recordHandshake = 22

	messageClientHello = 1
	messageServerHello = 2

	extServerName = 0 // RFC 6066 §3
	extPadding    = 21
	extKeyShare   = 51
	extECH        = 0xfe0d // RFC 9849 §5

	groupP256   = 23
	groupX25519 = 29

	recordHeader    = 5 // type, version, length
	handshakeHeader = 4 // type, 24-bit length
	extensionHeader = 4 // type, length
	randomLength    = 32
	sessionIDLength = 32

	// minPadding is the least data in the padding extension. It is not 0,
	// since some servers refuse a hello whose last extension is empty.
	minPadding = 1
)

// ClientHello is a TLS ClientHello (RFC 8446 §4.1.2) as one whole record that
// asks for name; name "" leaves the server_name extension out. It is a
// function of its arguments alone: the random fields and key shares come from
// seed, and whatever else differs between two names or two lengths is the
// name, the padding and the length fields. The private keys are not kept, so
// the handshake cannot be finished.
//
// The record is exactly length bytes, which a padding extension (RFC 7685)
// makes up, and at most MaxLength. That extension is always there, so that
// every length from the natural one up can be reached; length 0 asks for the
// natural one. Shape "" is Plain. The name is taken as it is; see CheckName.
func ClientHello(name string, shape Shape, length int, seed uint64) ([]byte, error) {
	return clientHello(name, "", shape, length, seed)
}

// ClientHelloHiding is a ClientHello for name as ClientHello makes it, whose
// padding begins with a zero byte and hidden. RFC 7685 §4 has clients pad with
// zeros; no server is known to look.
func ClientHelloHiding(name, hidden string, shape Shape, length int, seed uint64) ([]byte, error) {
	return clientHello(name, hidden, shape, length, seed)
}

func clientHello(name, hidden string, shape Shape, length int, seed uint64) ([]byte, error) {
	t, err := templateOf(shape)
	if err != nil {
		return nil, err
	}
	switch natural := t.natural(name) + len(hidden); {
	case length == 0:
		length = natural
	case length < natural:
		return nil, fmt.Errorf("payload: ClientHello for %q: %d bytes are too few, it takes %d", name, length, natural)
	}
	if length > MaxLength {
		return nil, fmt.Errorf("payload: ClientHello for %q: %d bytes are too many, at most %d", name, length, MaxLength)
	}
	b, err := t.build(name, length, seed)
	if err != nil {
		return nil, fmt.Errorf("payload: ClientHello for %q: %w", name, err)
	}
	// The padding is the last of it.
	copy(b[t.natural(name):], hidden)
	return b, nil
}

// templateOf is the template of a shape, made when first asked for.
func templateOf(shape Shape) (t *template, err error) {
	switch shape {
	case Plain, "":
		return plainTemplate(), nil
	case Chrome:
		t, err = chromeTemplate()
	case Firefox:
		t, err = firefoxTemplate()
	default:
		return nil, fmt.Errorf("payload: no ClientHello shape %q: write %s, %s or %s", shape, Plain, Chrome, Firefox)
	}
	if err != nil {
		return nil, fmt.Errorf("payload: template of the %s ClientHello: %w", shape, err)
	}
	return t, nil
}

// template is a ClientHello without a name and without padding. It is made
// once per shape, not per name, so that hellos for two names look alike in
// everything else.
type template struct {
	record     []byte // all of it; the length fields are not set
	extensions int    // where the length of the extensions stands
	name       int    // where the server_name extension belongs
	draws      []draw
}

// draw is a part of a template that each hello has afresh, from its seed.
type draw struct {
	at, n int
	point bool // an uncompressed point on P-256, which servers check; otherwise any bytes do
}

// extension is one extension of a ClientHello (RFC 8446 §4.2).
type extension struct {
	kind uint16
	data []byte
}

// newTemplate puts a hello together. An extension of kind server_name only
// marks the place of the name; one of kind padding is left out.
func newTemplate(suites []uint16, extensions []extension) *template {
	be := binary.BigEndian
	// A first ClientHello goes out under record version TLS 1.0 (RFC 8446 §5.1).
	b := []byte{recordHandshake, 3, 1, 0, 0, messageClientHello, 0, 0, 0, 3, 3}
	t := &template{draws: []draw{{at: len(b), n: randomLength}, {at: len(b) + randomLength + 1, n: sessionIDLength}}}
	b = append(b, make([]byte, randomLength)...)
	b = append(b, sessionIDLength)
	b = append(b, make([]byte, sessionIDLength)...)
	b = be.AppendUint16(b, uint16(2*len(suites)))
	for _, s := range suites {
		b = be.AppendUint16(b, s)
	}
	b = append(b, 1, 0) // one compression method: null
	t.extensions = len(b)
	b = append(b, 0, 0)
	t.name = len(b)
	for _, e := range extensions {
		switch e.kind {
		case extPadding:
			continue
		case extServerName:
			t.name = len(b)
			continue
		}
		b = be.AppendUint16(b, e.kind)
		b = be.AppendUint16(b, uint16(len(e.data)))
		for _, d := range e.draws() {
			d.at += len(b)
			t.draws = append(t.draws, d)
		}
		b = append(b, e.data...)
	}
	t.record = b
	return t
}

// draws are the parts of an extension's data that are random in every hello:
// the key shares (RFC 8446 §4.2.8) and a GREASE encrypted_client_hello
// (RFC 9849 §6.2).
func (e extension) draws() []draw {
	be := binary.BigEndian
	var ds []draw
	switch e.kind {
	case extKeyShare:
		for at := 2; at+4 <= len(e.data); {
			group, n := be.Uint16(e.data[at:]), int(be.Uint16(e.data[at+2:]))
			at += 4
			if group == groupX25519 || group == groupP256 {
				ds = append(ds, draw{at: at, n: n, point: group == groupP256})
			}
			at += n
		}
	case extECH:
		// type (1), KDF (2), AEAD (2), config_id (1), enc, payload.
		const configID = 5
		enc := int(be.Uint16(e.data[configID+1:]))
		body := configID + 1 + 2 + enc + 2
		ds = []draw{{at: configID, n: 1}, {at: configID + 1 + 2, n: enc}, {at: body, n: len(e.data) - body}}
	}
	return ds
}

// nameExtension is the length of a server_name extension for name: its
// header, the list's length, type and length of the name, and the name.
func nameExtension(name string) int {
	if name == "" {
		return 0
	}
	return extensionHeader + 2 + 1 + 2 + len(name)
}

// natural is the least length of a hello for name, in bytes.
func (t *template) natural(name string) int {
	return len(t.record) + nameExtension(name) + extensionHeader + minPadding
}

// build makes the hello of exactly length bytes, natural(name) to MaxLength.
func (t *template) build(name string, length int, seed uint64) ([]byte, error) {
	be := binary.BigEndian
	b := make([]byte, length)
	shift := nameExtension(name)
	at := copy(b, t.record[:t.name])
	if name != "" {
		be.PutUint16(b[at:], extServerName)
		be.PutUint16(b[at+2:], uint16(shift-4))
		be.PutUint16(b[at+4:], uint16(shift-6))
		be.PutUint16(b[at+7:], uint16(len(name))) // b[at+6] is 0: host_name
		copy(b[at+9:], name)
	}
	at += shift
	at += copy(b[at:], t.record[t.name:])
	be.PutUint16(b[at:], extPadding)
	be.PutUint16(b[at+2:], uint16(length-at-extensionHeader))

	be.PutUint16(b[3:], uint16(length-recordHeader))
	be.PutUint16(b[7:], uint16(length-recordHeader-handshakeHeader)) // low 16 of 24 bits
	be.PutUint16(b[t.extensions:], uint16(length-t.extensions-2))

	r := source(seed)
	for _, d := range t.draws {
		if d.at >= t.name {
			d.at += shift
		}
		part := b[d.at : d.at+d.n]
		if !d.point {
			fill(part, r)
			continue
		}
		if err := fillPoint(part, r); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// source is the generator of everything random about one payload. It need
// not be unpredictable, only fast and the same on every run.
func source(seed uint64) *rand.PCG {
	return rand.NewPCG(seed, 0x9e3779b97f4a7c15) // any odd constant; this is 2^64 over the golden ratio
}

func fill(b []byte, r *rand.PCG) {
	var word [8]byte
	for len(b) > 0 {
		binary.LittleEndian.PutUint64(word[:], r.Uint64())
		b = b[copy(b, word[:]):]
	}
}

// fillPoint makes b the public key of a private key drawn from r.
func fillPoint(b []byte, r *rand.PCG) error {
	var scalar [32]byte
	fill(scalar[:], r)
	scalar[0] = 0   // below the group's order
	scalar[31] |= 1 // not zero
	key, err := ecdh.P256().NewPrivateKey(scalar[:])
	if err != nil {
		return fmt.Errorf("key share on P-256: %w", err)
	}
	if n := copy(b, key.PublicKey().Bytes()); n != len(b) {
		return fmt.Errorf("key share on P-256 has room for %d bytes, not %d", len(b), n)
	}
	return nil
}

// plainTemplate is our own hello: what any server of the last ten years can
// answer, small enough for one segment whatever the name.
var plainTemplate = sync.OnceValue(func() *template {
	suites := []uint16{
		0x1301, 0x1302, 0x1303, // TLS 1.3: AES-128-GCM, AES-256-GCM, ChaCha20 (RFC 8446 B.4)
		0xc02b, 0xc02f, 0xc02c, 0xc030, // ECDHE with ECDSA or RSA and AES-GCM (RFC 5289)
		0xcca9, 0xcca8, // the same with ChaCha20 (RFC 7905)
		0x009c, 0x009d, // RSA with AES-GCM (RFC 5288), for old servers
	}
	share := append([]byte{0, 36, 0, groupX25519, 0, 32}, make([]byte, 32)...)
	return newTemplate(suites, []extension{
		{kind: extServerName},
		{5, []byte{1, 0, 0, 0, 0}},                              // status_request: OCSP (RFC 6066 §8)
		{10, []byte{0, 6, 0, groupX25519, 0, groupP256, 0, 24}}, // supported_groups: X25519, P-256, P-384
		{11, []byte{1, 0}},                                      // ec_point_formats: uncompressed (RFC 8422 §5.1.2)
		{13, []byte{0, 18, // signature_algorithms (RFC 8446 §4.2.3)
			4, 3, 5, 3, // ECDSA with P-256 and SHA-256, P-384 and SHA-384
			8, 7, // Ed25519
			8, 4, 8, 5, 8, 6, // RSA-PSS with SHA-256, 384, 512
			4, 1, 5, 1, 6, 1, // RSA PKCS #1 with the same
		}},
		{16, []byte("\x00\x0c\x02h2\x08http/1.1")}, // application_layer_protocol_negotiation (RFC 7301)
		{23, nil},                   // extended_master_secret (RFC 7627)
		{35, nil},                   // session_ticket (RFC 5077)
		{43, []byte{4, 3, 4, 3, 3}}, // supported_versions: TLS 1.3, TLS 1.2
		{45, []byte{1, 1}},          // psk_key_exchange_modes: with (EC)DHE
		{extKeyShare, share},        // X25519, of which any 32 bytes are a public key (RFC 7748 §6.1)
		{0xff01, []byte{0}},         // renegotiation_info (RFC 5746)
	})
})
