package kernelconn

import (
	"errors"

	"golang.org/x/sys/windows"
)

// canLimitMSS says that a socket can announce an MSS of our choice.
const canLimitMSS = false

// Socket options of ws2ipdef.h.
const (
	ipTTL           = 4 // IP_TTL
	ipv6UnicastHops = 4 // IPV6_UNICAST_HOPS
)

func readTTL(fd uintptr, v6 bool) (int, error) {
	if v6 {
		return windows.GetsockoptInt(windows.Handle(fd), windows.IPPROTO_IPV6, ipv6UnicastHops)
	}
	return windows.GetsockoptInt(windows.Handle(fd), windows.IPPROTO_IP, ipTTL)
}

func writeTTL(fd uintptr, v6 bool, ttl int) error {
	if v6 {
		return windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_IPV6, ipv6UnicastHops, ttl)
	}
	return windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_IP, ipTTL, ttl)
}

func limitMSS(uintptr, uint16) error { return errors.ErrUnsupported }

// reusePort does nothing: a port that was given back is free, and here the
// option would let others take it from us.
func reusePort(uintptr) error { return nil }
