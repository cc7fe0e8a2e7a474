package doctor

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

const (
	// maxStep is more than a clock that is slewed (at most 500 µs per second,
	// adjtimex(2)) can move while the machine is examined.
	maxStep = 10 * time.Millisecond

	// oldDatabase is when networks have changed hands so often that names of
	// owners mislead; the databases are published weekly to monthly.
	oldDatabase = 365 * 24 * time.Hour

	// littleSpace is room for the report and the packets of a few hundred
	// targets, at some 100 kB each.
	littleSpace = 64 << 20

	// enoughFiles is what a run with two source addresses opens: each guards
	// 256 ports and holds a few sockets more.
	enoughFiles = 1024
)

func (f Facts) clock() Finding {
	c := f.Clock
	r := Finding{
		Check: "clock", Status: OK, Found: "the clock is synchronised",
		Meaning: "captures of this machine can be compared with those of others",
	}
	switch {
	case !c.Known:
		return Finding{}
	case c.Step > maxStep || c.Step < -maxStep:
		r.Status, r.Found = Warning, fmt.Sprintf("the clock moved by %v within %v", c.Step.Round(time.Millisecond), c.Observed.Round(time.Millisecond))
		r.Meaning = "measurements use the monotonic clock and are right; times of the day in results and captures are not"
		r.Mend, r.Command = "find out what sets the clock", "timedatectl"
	case !c.Synced:
		r.Status, r.Found = Warning, "nothing keeps the clock synchronised"
		r.Meaning = "measurements use the monotonic clock and are right; captures are harder to compare with those of others, and blocks noted by earlier runs may end too early or too late"
		r.Mend, r.Command = "switch time synchronisation on", "sudo timedatectl set-ntp true"
	}
	return r
}

func (f Facts) resolver() Finding {
	s := f.Resolver
	r := Finding{Check: "resolver", Status: OK, Meaning: "names of targets are looked up there, and nowhere else"}
	var servers []string
	for _, a := range s.Servers {
		servers = append(servers, a.String())
	}
	r.Found = "names are asked of " + strings.Join(servers, ", ")
	const mend = "name a resolver in /etc/resolv.conf, or write targets as name:port@ip"
	switch {
	case !s.Known:
		return Finding{}
	case s.Err != nil:
		r.Status, r.Found = Warning, "the resolver configuration cannot be read: "+oneLine(s.Err)
		r.Meaning, r.Mend = "names cannot be looked up, or only those of /etc/hosts", mend
	case len(s.Servers) == 0:
		r.Found = "no resolver is configured, so one on this machine (127.0.0.1) is asked"
		r.Status, r.Meaning, r.Mend = Warning, "unless there is one, names cannot be looked up", mend
	case len(s.NoRoute) == len(s.Servers):
		r.Status, r.Found = Warning, "there is no route to the resolver "+strings.Join(servers, ", ")
		r.Meaning, r.Mend = "names cannot be looked up", mend
	}
	return r
}

// databases is about the files that name networks.
func (f Facts) databases() []Finding {
	var out []Finding
	for _, err := range f.BadFiles {
		out = append(out, Finding{
			Check: "databases", Status: Warning, Found: oneLine(err),
			Meaning: "the file is left out", Mend: "download it again, or remove it",
		})
	}
	for _, d := range f.Databases {
		r := Finding{
			Check: "databases", Subject: d.Path, Status: OK, Found: fmt.Sprintf("%s of %s", d.Type, d.Built.Format(time.DateOnly)),
			Meaning: "networks and countries of hops are shown from it",
		}
		if d.Age > oldDatabase {
			r.Status, r.Found = Warning, fmt.Sprintf("%s, %d days old", r.Found, d.Age/(24*time.Hour))
			r.Meaning = "networks have changed hands since, so owners may be wrong"
			r.Mend = "get a new one from who published it"
		}
		out = append(out, r)
	}
	if len(out) == 0 && len(f.DatabaseDir) > 0 {
		out = append(out, Finding{
			Check: "databases", Status: OK, Found: "none in " + strings.Join(f.DatabaseDir, ", "),
			Meaning: "hops are shown without network and country; nothing else is missing",
			Mend:    "put MMDB files there (MaxMind GeoLite2-ASN, IPinfo Lite), if that is wanted",
		})
	}
	return out
}

// ledger is about the file that keeps what is blocked until when.
func (f Facts) ledger() []Finding {
	l := f.Ledger
	if l.Path == "" {
		return nil
	}
	r := Finding{
		Check: "ledger", Subject: l.Path, Status: OK, Found: "it can be read and written",
		Meaning: "later runs know what earlier ones left blocked",
	}
	switch {
	case l.Err != nil:
		r.Status, r.Found = Warning, "it cannot be used: "+oneLine(l.Err)
		r.Meaning = "later runs do not know what earlier ones left blocked, and may measure that instead"
		r.Mend = "make its directory writable, or name another file by --ledger"
		r.Command = "mkdir -p " + shellQuoted(filepath.Dir(l.Path)) + " && chmod u+rwx " + shellQuoted(filepath.Dir(l.Path))
	case l.Locked:
		r.Found, r.Meaning = "another process is writing it", "it is waited for, for at most 2 s"
	}
	out := []Finding{r}
	if l.Aside != "" {
		out = append(out, Finding{
			Check: "ledger", Subject: l.Aside, Status: Warning, Found: "a file that was no ledger was set aside",
			Meaning: "what it said of blocks is lost", Mend: "look at it, then remove it", Command: "rm " + shellQuoted(l.Aside),
		})
	}
	return out
}

// space is about the directories that files go to.
func (f Facts) space() []Finding {
	var out []Finding
	for _, d := range f.Disks {
		r := Finding{
			Check: "space", Subject: d.Dir, Status: OK, Found: fmt.Sprintf("%s free", size(d.Free)),
			Meaning: "results can be written there",
		}
		switch {
		case d.Err != nil:
			r.Status, r.Found = Warning, "it cannot be examined: "+oneLine(d.Err)
			r.Meaning, r.Mend = "whether results can be written there is not known", "name another directory by -o"
		case !d.Writable:
			r.Status, r.Found = Warning, "it is not writable"
			r.Meaning, r.Mend = "-o with a file there is refused", "name another directory by -o"
		case d.Free == 0 || d.Inodes == 0:
			r.Status, r.Found = Problem, "the file system is full"
			r.Meaning = "results are printed, but cannot be written to files"
			r.Mend, r.Command = "free some space, or name another directory by -o", "df -h "+shellQuoted(d.Dir)
		case d.Free < littleSpace:
			r.Status = Warning
			r.Meaning = "captures of long runs may not fit"
			r.Mend, r.Command = "free some space, or name another directory by -o", "df -h "+shellQuoted(d.Dir)
		}
		out = append(out, r)
	}
	return out
}

func size(n uint64) string {
	const unit = 1 << 10
	if n < unit {
		return fmt.Sprintf("%d bytes", n)
	}
	value, exp := float64(n)/unit, 0
	for ; value >= unit && exp < 3; exp++ {
		value /= unit
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGT"[exp])
}

func (f Facts) leftovers() Finding {
	r := Finding{
		Check: "leftovers", Status: OK, Found: "none",
		Meaning: "no run was killed in the middle of writing a file, and no demo runs on",
	}
	var found, commands []string
	if n := len(f.Left.Temporary); n > 0 {
		var quoted []string
		for _, path := range f.Left.Temporary {
			quoted = append(quoted, shellQuoted(path))
		}
		found = append(found, "unfinished files: "+strings.Join(f.Left.Temporary, ", "))
		commands = append(commands, "rm "+strings.Join(quoted, " "))
	}
	if n := len(f.Left.Orphans); n > 0 {
		pids := strings.Trim(fmt.Sprint(f.Left.Orphans), "[]")
		found = append(found, "demos whose parent is gone: process "+pids)
		commands = append(commands, "kill "+pids)
	}
	if len(found) > 0 {
		r.Status, r.Found = Warning, strings.Join(found, "; ")
		r.Meaning = "a run was killed; emulated paths vanish with their last process"
		r.Mend, r.Command = "remove them", strings.Join(commands, "; ")
	}
	return r
}

func (f Facts) fewFiles() bool { return f.Files.Known && f.Files.Max < enoughFiles }

func (f Facts) descriptors() Finding {
	r := Finding{
		Check: "descriptors", Status: OK, Found: fmt.Sprintf("%d files may be open", f.Files.Max),
		Meaning: "enough for the ports that a run reserves",
	}
	switch {
	case !f.Files.Known:
		return Finding{}
	case f.fewFiles():
		r.Status = Warning
		r.Meaning = fmt.Sprintf("a run reserves up to 256 ports per address of ours, for which it needs %d; with fewer it uses a port again sooner, so blocks that last disturb it more", enoughFiles)
		r.Mend, r.Command = "raise the limit of this shell or service (LimitNOFILE=)", fmt.Sprintf("ulimit -n %d", enoughFiles)
	}
	return r
}
