package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/hopinfo"
	"github.com/rstprobe/rstprobe/report"
)

// noDatabase is the FILE of --asn-db and --geo-db that stands for no file.
const noDatabase = "none"

// namePatience is how long a run waits, all its targets together, for names
// that are still being looked up when a measurement is over. Lookups start as
// hops are heard of, so that a resolver that works has answered long before;
// one that does not must not hold up the next target.
const namePatience = 2 * time.Second

// nameFlags say what is found out about the addresses on the path.
func nameFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "no-names", Aliases: []string{"n"}, Category: groupPath, Usage: "look up no names of hops and servers"},
		&cli.StringSliceFlag{Name: "asn-db", Category: groupPath,
			Usage: "read who runs a network from `FILE` (.mmdb of MaxMind or IPinfo); none: from no file; repeatable (default: what /usr/share/GeoIP and the like hold)"},
		&cli.StringSliceFlag{Name: "geo-db", Category: groupPath,
			Usage: "read the country of a network from `FILE`; otherwise like --asn-db"},
	}
}

// naming says what is found out about the addresses on the path.
type naming struct {
	reverse bool // ask the system's resolver
	tables  hopinfo.Tables
}

// namingFrom reads the flags of nameFlags. A file that they name must be of
// use; one that merely lies where such files lie is worth a warning.
func (p *program) namingFrom(c *cli.Context) (n naming, err error) {
	n.reverse = !c.Bool("no-names")
	knowsASN := func(d *hopinfo.Database) bool { return d.ASN }
	knowsCountry := func(d *hopinfo.Database) bool { return d.Country }
	if n.tables.ASN, err = databases(c, "asn-db", "autonomous systems", knowsASN); err != nil {
		return n, err
	}
	if n.tables.Geo, err = databases(c, "geo-db", "countries", knowsCountry); err != nil {
		return n, err
	}
	if c.IsSet("asn-db") && c.IsSet("geo-db") {
		return n, nil
	}
	found, errs := hopinfo.Databases(p.sys.databases())
	for _, err := range errs {
		p.warn(err)
	}
	for _, d := range found {
		if d.ASN && !c.IsSet("asn-db") {
			n.tables.ASN = append(n.tables.ASN, d)
		}
		if d.Country && !c.IsSet("geo-db") {
			n.tables.Geo = append(n.tables.Geo, d)
		}
	}
	return n, nil
}

// databases opens the files that a flag names.
func databases(c *cli.Context, flag, what string, knows func(*hopinfo.Database) bool) ([]*hopinfo.Database, error) {
	var out []*hopinfo.Database
	paths := c.StringSlice(flag)
	for _, path := range paths {
		if path == "" {
			return nil, usagef("--%s: the name of the file is missing: write --%s FILE, or --%s %s", flag, flag, flag, noDatabase)
		}
		if path == noDatabase {
			if len(paths) > 1 {
				return nil, usagef("--%s: %s stands alone: write it, or files", flag, noDatabase)
			}
			return nil, nil
		}
		d, err := hopinfo.Open(path)
		if err != nil {
			return nil, usagef("--%s: %w", flag, err)
		}
		if !knows(d) {
			return nil, usagef("--%s: %s (%s) knows no %s: write another file, or --%s %s", flag, path, d.Type, what, flag, noDatabase)
		}
		out = append(out, d)
	}
	return out, nil
}

// names finds out what is known of the addresses of a run.
type names struct {
	naming
	known    *hopinfo.Names // nil: the resolver is not asked
	warn     func(error)
	damage   sync.Once     // of a file, told once
	patience time.Duration // what is left of namePatience
}

func newNames(n naming, ask func(context.Context, netip.Addr) ([]string, error), warn func(error)) *names {
	out := &names{naming: n, warn: warn, patience: namePatience}
	if n.reverse {
		out.known = hopinfo.NewNames(ask)
	}
	return out
}

// want has names looked up in the background, until ctx ends.
func (n *names) want(ctx context.Context, ips ...netip.Addr) {
	for _, ip := range ips {
		if n.known != nil && ip.IsValid() {
			n.known.Want(ctx, ip)
		}
	}
}

// settle waits for the names of a result, as long as patience lasts.
func (n *names) settle(ctx context.Context, res diagnosis.Result) {
	n.want(ctx, res.Target.IP)
	for _, h := range res.Path.Hops {
		n.want(ctx, h.Addr)
	}
	if n.known == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, n.patience)
	defer cancel()
	start := time.Now()
	n.known.Wait(ctx)
	n.patience -= time.Since(start)
}

// who says what is known of an address by now.
func (n *names) who(ip netip.Addr) report.Identity {
	i, err := n.tables.Lookup(ip)
	if err != nil {
		n.damage.Do(func() { n.warn(err) })
	}
	if n.known != nil {
		i.Name = n.known.Name(ip)
	}
	return report.Identity{Name: i.Name, Network: report.Network{ASN: i.ASN, ASOwner: i.Owner, Country: i.Country}}
}

// close ends what is under way; the contexts of want have ended.
func (n *names) close() error {
	if n.known != nil {
		n.known.Close()
	}
	var errs []error
	for _, d := range slices.Concat(n.tables.ASN, n.tables.Geo) {
		errs = append(errs, d.Close()) // again if it is in both, which is no error
	}
	return errors.Join(errs...)
}
