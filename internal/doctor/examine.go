package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Config is what the examination needs to be told.
type Config struct {
	// Raw opens the sockets that a run in raw mode has, for one of our
	// addresses, and closes them. A missing privilege is os.ErrPermission in
	// its error, a system without raw sockets errors.ErrUnsupported.
	Raw    func(netip.Addr) error
	Route  func(netip.Addr) error // says why an address cannot be reached; sends nothing
	Forced bool                   // --mode raw
	// Databases reads the files of DatabaseDirs; errors are of single files.
	Databases    func() ([]Database, []error)
	DatabaseDirs []string
	Ledger       string   // path; "": none is kept
	Dirs         []string // where results go
	Targets      []Target // whose local answers are tested
}

// Target is one to be tested, or why it cannot be.
type Target struct {
	Name string
	Addr netip.AddrPort
	Err  error
}

// Examine collects the facts. It sends nothing, except to the targets: each
// gets at most four SYNs with a TTL of 1. The error is that of ctx.
func Examine(ctx context.Context, cfg Config) (Facts, error) {
	begun := time.Now()
	f := Facts{System: runtime.GOOS, Forced: cfg.Forced, DatabaseDir: cfg.DatabaseDirs}
	f.Program, _ = os.Executable() // "" is shown as the program's name
	f.Raw = RawFacts{
		Err4: cfg.Raw(netip.AddrFrom4([4]byte{127, 0, 0, 1})),
		Err6: cfg.Raw(netip.IPv6Loopback()),
	}
	f.Databases, f.BadFiles = cfg.Databases()
	for i, d := range f.Databases {
		f.Databases[i].Age = begun.Sub(d.Built)
	}
	f.Ledger = ledgerFacts(cfg.Ledger)
	f.Left.Temporary = temporary(cfg, begun)
	examineSystem(&f, cfg)
	for _, t := range cfg.Targets {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		f.Targets = append(f.Targets, testTarget(t))
	}
	ended := time.Now()
	f.Clock.Observed = ended.Sub(begun) // monotonic
	f.Clock.Step = ended.Round(0).Sub(begun.Round(0)) - f.Clock.Observed
	return f, ctx.Err()
}

// ledgerFacts opens the ledger without changing it.
func ledgerFacts(path string) LedgerFacts {
	l := LedgerFacts{Path: path}
	if path == "" {
		return l
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case err == nil:
		err = file.Close()
	case errors.Is(err, fs.ErrNotExist): // the first run makes it
		err = writable(nearest(filepath.Dir(path)))
	}
	l.Err, l.Locked = err, locked(path)
	if aside := path + ".corrupt"; exists(aside) {
		l.Aside = aside
	}
	return l
}

// nearest is dir, or the first directory above that exists.
func nearest(dir string) string {
	for !exists(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	return dir
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// unfinished are names of files that are renamed when they are complete: those
// of results (a random text of 26 characters, crypto/rand.Text) and of the
// ledger (os.CreateTemp).
var unfinished = regexp.MustCompile(`^\..+\.[A-Z2-7]{26}\.tmp$|\.json\.tmp-[0-9]+$`)

// writing is longer than any file of ours takes to be written.
const writing = time.Minute

// temporary lists the unfinished files of runs that were killed.
func temporary(cfg Config, now time.Time) []string {
	dirs := slices.Clone(cfg.Dirs)
	if cfg.Ledger != "" {
		dirs = append(dirs, filepath.Dir(cfg.Ledger))
	}
	slices.Sort(dirs)
	var out []string
	for _, dir := range slices.Compact(dirs) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // space and ledger say so
		}
		for _, e := range entries {
			info, err := e.Info()
			if err == nil && info.Mode().IsRegular() && unfinished.MatchString(e.Name()) && now.Sub(info.ModTime()) > writing {
				out = append(out, filepath.Join(dir, e.Name()))
			}
		}
	}
	return out
}

// place says where a target is, by the addresses of this machine.
func place(ip netip.Addr) (local, neighbor bool, err error) {
	if ip.IsLoopback() {
		return true, false, nil
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false, false, err
	}
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		local = local || prefix.Addr().Unmap() == ip.WithZone("")
		neighbor = neighbor || prefix.Contains(ip.WithZone(""))
	}
	return local, neighbor, nil
}

// nameservers reads resolv.conf(5).
func nameservers(text string) []netip.Addr {
	var out []netip.Addr
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if ip, err := netip.ParseAddr(fields[1]); err == nil {
			out = append(out, ip.Unmap())
		}
	}
	return out
}
