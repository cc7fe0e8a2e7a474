//go:build unix && (!linux || portable)

package kernelconn

import "golang.org/x/sys/unix"

// canLimitMSS says that a socket can announce an MSS of our choice.
const canLimitMSS = true

func pick(v6 bool, six, four int) int {
	if v6 {
		return six
	}
	return four
}

func readTTL(fd uintptr, v6 bool) (int, error) {
	return unix.GetsockoptInt(int(fd), pick(v6, unix.IPPROTO_IPV6, unix.IPPROTO_IP), pick(v6, unix.IPV6_UNICAST_HOPS, unix.IP_TTL)) //nolint:gosec // a descriptor fits
}

func writeTTL(fd uintptr, v6 bool, ttl int) error {
	return unix.SetsockoptInt(int(fd), pick(v6, unix.IPPROTO_IPV6, unix.IPPROTO_IP), pick(v6, unix.IPV6_UNICAST_HOPS, unix.IP_TTL), ttl) //nolint:gosec // a descriptor fits
}

func limitMSS(fd uintptr, mss uint16) error {
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, int(mss)) //nolint:gosec // a descriptor fits
}

// reusePort lets a port of ours be used again after it was given back.
func reusePort(fd uintptr) error {
	return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) //nolint:gosec // a descriptor fits
}
