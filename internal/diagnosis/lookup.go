package diagnosis

import (
	"net/netip"
	"time"
)

// Lookup is what a resolver said of the name of a target.
type Lookup struct {
	Started  time.Time
	Duration time.Duration
	Resolver netip.AddrPort // that was asked last; invalid: none was, or it is not known which
	Answers  []netip.Addr
	Failure  LookupFailure // "": there is an address to probe
}

// LookupFailure is why a name gave no address to probe, in the words that
// OONI's data format has for it (ooni/spec, df-007-errors).
type LookupFailure string

// The failures of a look-up.
const (
	NoSuchName        LookupFailure = "dns_nxdomain_error"     // or it has no address at all: package net does not tell these apart
	NoAddress         LookupFailure = "dns_no_answer"          // none of the family that was asked for
	UselessAddress    LookupFailure = "dns_bogon_error"        // nothing but addresses of no host
	ResolverFails     LookupFailure = "dns_server_misbehaving" // SERVFAIL, REFUSED and the like
	ResolverSilent    LookupFailure = "generic_timeout_error"
	LookupInterrupted LookupFailure = "interrupted"
	LookupFails       LookupFailure = "unknown_failure: the name could not be resolved"
)
