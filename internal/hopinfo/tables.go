package hopinfo

import (
	"errors"
	"net/netip"
)

// Tables are the databases of a run: those that autonomous systems and their
// owners are looked up in, and those for countries. Of each kind the first one
// that knows the address counts. The zero Tables know nothing.
type Tables struct {
	ASN, Geo []*Database
}

// Lookup says what the databases know of an address. The error joins those of
// damaged files; what the others know is there all the same.
func (t Tables) Lookup(ip netip.Addr) (Info, error) {
	var out Info
	var errs []error
	for _, d := range t.ASN {
		i, err := d.Lookup(ip)
		errs = append(errs, err)
		if i.ASN != 0 {
			out.ASN, out.Owner = i.ASN, i.Owner
			break
		}
	}
	for _, d := range t.Geo {
		i, err := d.Lookup(ip)
		errs = append(errs, err)
		if i.Country != "" {
			out.Country = i.Country
			break
		}
	}
	return out, errors.Join(errs...)
}
