package doctor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// examineSystem collects what only Linux can be asked.
func examineSystem(f *Facts, cfg Config) {
	f.Kernel = ordinarySockets()
	f.Process = processFacts()
	f.File = fileFacts(f.Program)
	f.Spaces = spaceFacts()
	f.Interfaces = interfaces()
	f.Firewall = firewallFacts()
	f.Clock.Known, f.Clock.Synced = synced()
	f.Resolver = resolverFacts(cfg)
	for _, dir := range cfg.Dirs {
		f.Disks = append(f.Disks, disk(dir))
	}
	f.Left.Orphans = orphans(f.Program)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		f.Files = Limit{Known: true, Max: limit.Max} // the Go runtime raises the soft limit to the hard one
	}
}

// ordinarySockets tries the options that say where packets end, without
// sending any.
func ordinarySockets() error {
	for _, o := range []struct {
		domain, level int
		options       []int
	}{
		{unix.AF_INET, unix.IPPROTO_IP, []int{unix.IP_RECVERR, unix.IP_MINTTL, unix.IP_TTL}},
		{unix.AF_INET6, unix.IPPROTO_IPV6, []int{unix.IPV6_RECVERR, unix.IPV6_MINHOPCOUNT, unix.IPV6_UNICAST_HOPS}},
	} {
		fd, err := unix.Socket(o.domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if errors.Is(err, unix.EAFNOSUPPORT) && o.domain == unix.AF_INET6 {
			continue // switched off
		}
		if err != nil {
			return fmt.Errorf("open a socket: %w", err)
		}
		for _, option := range o.options {
			if err = unix.SetsockoptInt(fd, o.level, option, 1); err != nil {
				err = fmt.Errorf("set socket option %d of level %d: %w", option, o.level, err)
				break
			}
		}
		if err = errors.Join(err, unix.Close(fd)); err != nil {
			return err
		}
	}
	return nil
}

func processFacts() ProcessFacts {
	p := ProcessFacts{UID: os.Geteuid(), Cgo: builtWithCgo()}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		p.Err = err
		return p
	}
	p.read(string(status))
	// The first user namespace maps every id to itself (user_namespaces(7)).
	if ids, err := os.ReadFile("/proc/self/uid_map"); err == nil {
		p.UserNamespace = strings.Join(strings.Fields(string(ids)), " ") != "0 0 4294967295"
	}
	return p
}

// read takes the fields of proc_pid_status(5).
func (p *ProcessFacts) read(status string) {
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if key == "NoNewPrivs" {
			p.NoNewPrivs = value == "1"
		}
		set, err := strconv.ParseUint(value, 16, 64)
		if err != nil {
			continue
		}
		switch key {
		case "CapPrm":
			p.Permitted = Capabilities(set)
		case "CapEff":
			p.Effective = Capabilities(set)
		case "CapBnd":
			p.Bounding = Capabilities(set)
		}
	}
}

func builtWithCgo() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "CGO_ENABLED" {
			return s.Value == "1"
		}
	}
	return false
}

func fileFacts(path string) FileFacts {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return FileFacts{Err: err}
	}
	var data [24]byte // the longest revision's struct vfs_ns_cap_data
	n, err := unix.Getxattr(path, "security.capability", data[:])
	f := fileCapabilities(data[:max(0, n)])
	f.NoSUID = fs.Flags&unix.ST_NOSUID != 0
	if err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) {
		f.Err = err
	}
	return f
}

// fileCapabilities reads the attribute security.capability: struct
// vfs_cap_data of linux/capability.h, little-endian.
func fileCapabilities(data []byte) FileFacts {
	const (
		revision1 = 1 << 24 // 32 capabilities
		effective = 1
	)
	if len(data) < 12 {
		return FileFacts{}
	}
	magic := binary.LittleEndian.Uint32(data)
	f := FileFacts{
		Permitted: Capabilities(binary.LittleEndian.Uint32(data[4:])),
		Effective: magic&effective != 0,
	}
	if magic&^0xff != revision1 && len(data) >= 16 {
		f.Permitted |= Capabilities(binary.LittleEndian.Uint32(data[12:])) << 32
	}
	return f
}

func spaceFacts() SpaceFacts {
	return SpaceFacts{
		Err: makeNamespaces(), Max: setting("user/max_user_namespaces"), MaxNet: setting("user/max_net_namespaces"),
		Disabled: setting("kernel/unprivileged_userns_clone") == 0,
		AppArmor: setting("kernel/apparmor_restrict_unprivileged_userns") == 1,
	}
}

// makeNamespaces starts a program that does not exist in namespaces of its
// own: the error is that it does not exist iff there may be such namespaces.
// No process is left.
func makeNamespaces() error {
	cmd := exec.Command("/nonexistent/rstprobe")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	err := cmd.Start()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		return errors.Join(errors.New("doctor: there is a program /nonexistent/rstprobe"), cmd.Wait())
	}
	return err
}

// setting is a number below /proc/sys; -1 if it cannot be read.
func setting(path string) int {
	text, err := os.ReadFile("/proc/sys/" + path)
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return -1
	}
	return n
}

// synced asks the kernel whether anybody disciplines its clock.
func synced() (known, synced bool) {
	var tx unix.Timex // no modes: nothing is set
	state, err := unix.Adjtimex(&tx)
	return err == nil, state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0
}

func resolverFacts(cfg Config) ResolverFacts {
	text, err := os.ReadFile("/etc/resolv.conf")
	r := ResolverFacts{Known: true, Servers: nameservers(string(text))}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.Err = err
	}
	for _, server := range r.Servers {
		if cfg.Route(server) != nil {
			r.NoRoute = append(r.NoRoute, server)
		}
	}
	return r
}

func disk(dir string) Disk {
	d := Disk{Dir: dir, Writable: writable(dir) == nil}
	var fs unix.Statfs_t
	if d.Err = unix.Statfs(dir, &fs); d.Err == nil {
		d.Free, d.Inodes = fs.Bavail*uint64(fs.Bsize), fs.Ffree //nolint:gosec // a block size is positive
		if fs.Files == 0 {
			d.Inodes = 1 // file systems without a limit say 0 of 0
		}
	}
	return d
}

// writable reports why no file can be made in dir.
func writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return &fs.PathError{Op: "write", Path: dir, Err: err}
	}
	return nil
}

// locked reports whether a process holds the lock of the ledger.
func locked(path string) bool {
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer lock.Close()                                                                        //nolint:errcheck // nothing was written; the lock goes with it
	return errors.Is(unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK) //nolint:gosec // a descriptor fits
}

// orphans are demos of this program whose parent is gone, so that nobody ends
// them.
func orphans(program string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		exe, err := os.Readlink(filepath.Join(dir, "exe"))
		if err != nil || strings.TrimSuffix(exe, " (deleted)") != program {
			continue
		}
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err == nil && strings.Contains(string(line), "\x00demo\x00") && parent(string(stat)) == 1 && os.Getpid() != pid {
			out = append(out, pid)
		}
	}
	return out
}

// parent is the fourth field of proc_pid_stat(5), behind a name in brackets
// that may hold anything.
func parent(stat string) int {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	pid, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return pid
}
