package report

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
)

// Lookup is how the name of the target was resolved.
type Lookup struct {
	Name       string           `json:"name"`
	StartedAt  time.Time        `json:"started_at"`  // UTC, 1 ms resolution
	DurationMS float64          `json:"duration_ms"` // 1 µs resolution
	Resolver   netip.AddrPort   `json:"resolver"`    // invalid, "" in JSON: none was asked, or it is not known which
	Answers    List[netip.Addr] `json:"answers"`
	Failure    Failure          `json:"failure"` // "": there is an address to probe
}

func newLookup(res diagnosis.Result) *Lookup {
	l := res.Lookup
	if l == nil {
		return nil
	}
	return &Lookup{
		Name: res.Target.Name, StartedAt: l.Started.UTC().Truncate(time.Millisecond), DurationMS: milliseconds(l.Duration),
		Resolver: l.Resolver, Answers: append(List[netip.Addr]{}, l.Answers...), Failure: Failure(l.Failure),
	}
}
