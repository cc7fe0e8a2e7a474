package payload

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"

	utls "github.com/refraction-networking/utls"
)

// The browsers' hellos. Later Chromes and Firefoxes add a post-quantum share
// of more than a kilobyte, which no longer fits one segment.
var (
	chromeTemplate = sync.OnceValues(func() (*template, error) {
		return browserTemplate(utls.HelloChrome_120, fixedOrder)
	})
	firefoxTemplate = sync.OnceValues(func() (*template, error) {
		return browserTemplate(utls.HelloFirefox_120, func([]extension) {})
	})
)

// browserTemplate takes the hello of a browser apart. What utls draws at
// random is pinned here or drawn again for every hello, so that one seed
// means one hello in every run of the program.
func browserTemplate(id utls.ClientHelloID, order func([]extension)) (*template, error) {
	spec, err := utls.UTLSIdToSpec(id)
	if err != nil {
		return nil, err
	}
	for _, e := range spec.Extensions {
		if ech, ok := e.(*utls.GREASEEncryptedClientHelloExtension); ok {
			ech.CandidateCipherSuites = ech.CandidateCipherSuites[:1]
			ech.CandidatePayloadLens = ech.CandidatePayloadLens[:1]
		}
	}
	const placeholder = "example.com" // without a name utls wants certificate checks off
	config := &utls.Config{ServerName: placeholder, Rand: pinned{source(0)}}
	conn := utls.UClient(nil, config, utls.HelloCustom)
	if err := conn.ApplyPreset(&spec); err != nil {
		return nil, err
	}
	if err := conn.BuildHandshakeState(); err != nil {
		return nil, err
	}
	hello := conn.HandshakeState.Hello
	var extensions []extension
	record := binary.BigEndian.AppendUint16([]byte{recordHandshake, 3, 1}, uint16(len(hello.Raw)))
	record = append(record, hello.Raw...)
	for kind, s := range helloExtensions(record) {
		extensions = append(extensions, extension{kind, record[s.lo:s.hi]})
	}
	if len(extensions) == 0 {
		return nil, errors.New("no extensions in it")
	}
	order(extensions)
	t := newTemplate(hello.CipherSuites, extensions)
	if n := t.natural(placeholder) - extensionHeader - minPadding; n != len(record) {
		return nil, fmt.Errorf("taken apart it has %d bytes, not %d", n, len(record))
	}
	return t, nil
}

// fixedOrder puts the extensions between the two GREASE ones (RFC 8701) into
// one of the orders that Chrome draws per connection: always the same, so
// that the name stands at the same place in every hello.
func fixedOrder(extensions []extension) {
	middle := extensions[1 : len(extensions)-1]
	slices.SortFunc(middle, func(a, b extension) int { return int(a.kind) - int(b.kind) })
	rand.New(source(0)).Shuffle(len(middle), func(i, j int) { middle[i], middle[j] = middle[j], middle[i] })
}

// pinned reads from a generator without end.
type pinned struct{ r *rand.PCG }

var _ io.Reader = pinned{}

func (p pinned) Read(b []byte) (int, error) {
	fill(b, p.r)
	return len(b), nil
}
