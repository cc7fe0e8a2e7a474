package hopinfo

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Database is an open MMDB file. It may be used by several goroutines at once.
// Its owner closes it.
type Database struct {
	Path    string
	Type    string    // as it calls itself, such as "GeoLite2-ASN"
	Built   time.Time // UTC
	ASN     bool      // it knows autonomous systems
	Country bool      // it knows countries

	file *maxminddb.Reader
}

// samples is how many networks are read to see what a database holds: more
// than the unowned ones that stand together at the start of any.
const samples = 256

// Open opens a database in the layout of MaxMind or of IPinfo. The error says
// which file is missing, damaged or of no use here.
func Open(path string) (*Database, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("hopinfo: database: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("hopinfo: database %s: not a regular file", path)
	}
	file, err := maxminddb.Open(path)
	if err != nil {
		return nil, damaged(path, err)
	}
	d := &Database{Path: path, Type: cleanOwner(file.Metadata.DatabaseType), Built: file.Metadata.BuildTime().UTC(), file: file}
	if err := d.sample(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return d, nil
}

func damaged(path string, err error) error {
	return fmt.Errorf("hopinfo: database %s is damaged or no MMDB file: %w", path, err)
}

// sample finds out what the records hold.
func (d *Database) sample() error {
	n := 0
	for result := range d.file.Networks() {
		var r record
		if err := result.Decode(&r); err != nil {
			return damaged(d.Path, err)
		}
		i := r.info()
		d.ASN = d.ASN || i.ASN != 0
		d.Country = d.Country || i.Country != ""
		if n++; n == samples || d.ASN && d.Country {
			break
		}
	}
	return nil
}

// Lookup says what the file knows of an address: nothing of one that is not
// Public. An error means that the file is damaged.
func (d *Database) Lookup(ip netip.Addr) (Info, error) {
	if !Public(ip) {
		return Info{}, nil
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() && d.file.Metadata.IPVersion == 4 {
		return Info{}, nil
	}
	var r record
	if err := d.file.Lookup(ip).Decode(&r); err != nil {
		return Info{}, damaged(d.Path, err)
	}
	return r.info(), nil
}

// Close closes the file.
func (d *Database) Close() error { return d.file.Close() }
