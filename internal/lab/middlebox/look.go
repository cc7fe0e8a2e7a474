package middlebox

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Look changes how a forged reset looks. i counts the resets of one trigger
// toward one end, from 0. A Look may keep state, and is made for one box.
type Look func(forged *packet.Packet, toward Direction, trigger packet.Packet, i int)

// RandomTTL gives each reset an initial TTL of its own from low to high, which
// hides the distance. Weaver, Sommer and Paxson find the injectors of their
// traces by such fields ("Detecting Forged TCP Reset Packets", NDSS 2009). The
// same seed gives the same TTLs.
func RandomTTL(seed uint64, low, high uint8) Look {
	rng := rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // must be repeatable
	return func(f *packet.Packet, _ Direction, _ packet.Packet, _ int) {
		f.TTL = low + uint8(rng.UintN(uint(high-low)+1)) //nolint:gosec // at most high
	}
}

// MirrorWindow repeats the trigger's window, as boxes seen in Uzbekistan and
// elsewhere do (Raman et al., "Network Measurement Methods for Locating and
// Examining Censorship Devices", CoNEXT 2022).
func MirrorWindow(f *packet.Packet, _ Direction, trigger packet.Packet, _ int) {
	f.TCP.Window = trigger.TCP.Window
}

// Reserved sets the reserved bits of the TCP header, 0 … 15, which no stack
// does (RFC 9293 §3.1).
func Reserved(bits uint8) Look {
	return func(f *packet.Packet, _ Direction, _ packet.Packet, _ int) { f.TCP.Reserved = bits }
}

// Carrying puts a payload into the reset. RFC 9293 §3.5.3 permits text that
// says why; the boxes of one province carry the ten bytes of TenBytes.
func Carrying(payload []byte) Look {
	return func(f *packet.Packet, _ Direction, _ packet.Packet, _ int) { f.TCP.Payload = slices.Clone(payload) }
}

// TenBytes is the payload of the resets of Henan's own firewall (Wu et al., "A
// Wall Behind A Wall: Emerging Regional Censorship in China", IEEE S&P 2025).
var TenBytes = []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 0}

// Family ties identification, window and addresses of a reset together, as one
// family of Chinese boxes does in public captures: the resets of one trigger
// toward one end are equal, the TTL changes from trigger to trigger and takes the window with
// it, and
//
//	id = 65535 - 13*(window - server mod 13) + client mod window
//
// modulo 65536, with the IPv4 addresses of the flow read as little-endian
// integers. IPv6 has no identification. The same seed gives the same TTLs.
func Family(seed uint64) Look {
	const (
		low, spread = 120, 120  // of the TTL: 120 … 239
		windowAbove = 1360      // the window less the TTL
		k           = 13        // of the family
		m           = 1<<16 - 1 // of the family
	)
	rng := rand.New(rand.NewPCG(seed, 4)) //nolint:gosec // must be repeatable
	ttl := uint8(low)
	return func(f *packet.Packet, toward Direction, _ packet.Packet, i int) {
		if i == 0 {
			ttl = low + uint8(rng.UintN(spread)) //nolint:gosec // below 256
		}
		f.TTL, f.TCP.Window = ttl, windowAbove+uint16(ttl)
		if !f.HasID {
			return
		}
		client, server := integer(f.Dst.Addr()), integer(f.Src.Addr())
		if toward == ToServer {
			client, server = server, client
		}
		window := uint32(f.TCP.Window)
		f.ID = uint16(m - k*(window-server%k) + client%window) //nolint:gosec // modulo 65536 on purpose
	}
}

func integer(a netip.Addr) uint32 {
	b := a.As4()
	return binary.LittleEndian.Uint32(b[:])
}
