package packet

import (
	"errors"
	"fmt"
)

// What can be wrong with the bytes of a datagram. Every error of Parse and
// ParseQuote wraps one of these.
var (
	// ErrTruncated: the bytes end before a header, or the length that the IP
	// header announces, does.
	ErrTruncated = errors.New("truncated")

	// ErrFragment: a fragment other than the first, which carries no
	// transport header.
	ErrFragment = errors.New("not the first fragment")

	// ErrMalformed: a version or length field that no sender can mean.
	ErrMalformed = errors.New("malformed")
)

// The errors of the parser are made once, so that a flood of bad input costs
// no allocation.
var (
	errVersion        = fmt.Errorf("packet: parse IP version: %w", ErrMalformed)
	errIPv4Length     = fmt.Errorf("packet: parse IPv4 header length: %w", ErrMalformed)
	errIPv4Total      = fmt.Errorf("packet: parse IPv4 total length: %w", ErrMalformed)
	errIPTruncated    = fmt.Errorf("packet: parse IP header: %w", ErrTruncated)
	errExtTruncated   = fmt.Errorf("packet: parse IPv6 extension header: %w", ErrTruncated)
	errFragment       = fmt.Errorf("packet: parse IP header: %w", ErrFragment)
	errTCPTruncated   = fmt.Errorf("packet: parse TCP header: %w", ErrTruncated)
	errTCPOffset      = fmt.Errorf("packet: parse TCP data offset: %w", ErrMalformed)
	errUDPTruncated   = fmt.Errorf("packet: parse UDP header: %w", ErrTruncated)
	errICMPTruncated  = fmt.Errorf("packet: parse ICMP header: %w", ErrTruncated)
	errQuoteTruncated = fmt.Errorf("packet: parse quoted transport header: %w", ErrTruncated)
	errTail           = fmt.Errorf("packet: parse IP payload: %w", ErrTruncated)
)
