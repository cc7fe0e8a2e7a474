package residual

import (
	"net/netip"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Scope says which connections a block covers. A wider scope covers all that
// a narrower one does.
//
// A connection can also be polled by scope: the poll of a scope is the
// connection that shares with the triggering one just what that scope needs,
// so only a block of this scope or of a wider one is in its way.
type Scope string

// The scopes, from narrow to wide.
const (
	Unknown    Scope = ""            // not measured
	None       Scope = "none"        // nothing is blocked afterwards
	FourTuple  Scope = "four_tuple"  // both addresses and both ports. Poll: the same ports again
	ThreeTuple Scope = "three_tuple" // both addresses and the server's port. Poll: a new port of ours
	AnyPort    Scope = "port_any"    // both addresses. Poll: another port of the server
	AnyAddress Scope = "address"     // our address. Poll: another server
)

// scopes are those that a block can have, from narrow to wide.
var scopes = [...]Scope{FourTuple, ThreeTuple, AnyPort, AnyAddress}

// reduce leaves of a flow what a block of this scope is keyed by; the rest is
// zero. It reports whether the flow says enough for that.
func (s Scope) reduce(k packet.Key) (packet.Key, bool) {
	local, remote := k.Local.Addr().Unmap(), k.Remote.Addr().Unmap()
	localPort, remotePort := k.Local.Port(), k.Remote.Port()
	ok := local.IsValid()
	switch s {
	case FourTuple:
		ok = ok && localPort != 0 && remotePort != 0
	case ThreeTuple:
		localPort = 0
		ok = ok && remotePort != 0
	case AnyPort:
		localPort, remotePort = 0, 0
	case AnyAddress:
		return packet.Key{Local: netip.AddrPortFrom(local, 0)}, ok
	default:
		return packet.Key{}, false
	}
	return packet.Key{
		Local:  netip.AddrPortFrom(local, localPort),
		Remote: netip.AddrPortFrom(remote, remotePort),
	}, ok && remote.IsValid() && local.Is4() == remote.Is4()
}
