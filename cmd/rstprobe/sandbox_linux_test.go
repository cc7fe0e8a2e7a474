package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The sandbox of a unit, without its system manager: this test binary, called
// with asSandbox in the environment, makes the mounts, has setpriv(1) change the
// user and the capabilities, sets the filter on system calls, and becomes the
// program. What the unit has refused with an error ends the process here, so
// that a call that the program needs cannot go unnoticed.

// asSandbox is the environment variable with the sandbox as JSON.
const asSandbox = "RSTPROBE_TEST_SANDBOX"

// sandbox is what a unit says of it.
type sandbox struct {
	Writable string   // the only directory that may be written to
	Setpriv  []string // the program and its arguments
	Calls    []uint32 // numbers of the system calls that are allowed
	Families []uint32 // of sockets, AF_*
	NoExec   bool     // nothing in memory that was written may be carried out
	Mounted  bool     // and the user changed: the filter is what is missing
}

// sandboxed is a command in the sandbox of a unit, whose state directory is
// dir.
func sandboxed(t testing.TB, unit map[string][]string, dir string, args []string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	who := strconv.Itoa(nobody)
	box := sandbox{
		Writable: dir,
		Setpriv: append([]string{
			"setpriv", "--reuid", who, "--regid", who, "--clear-groups", "--no-new-privs",
			"--bounding-set", capabilityList(unit["CapabilityBoundingSet"]),
			"--inh-caps", capabilityList(unit["AmbientCapabilities"]), "--ambient-caps", capabilityList(unit["AmbientCapabilities"]),
			self,
		}, args...),
		Calls:  allowedCalls(t, unit["SystemCallFilter"]),
		NoExec: slices.Equal(unit["MemoryDenyWriteExecute"], []string{"yes"}),
	}
	families := map[string]uint32{"AF_UNIX": unix.AF_UNIX, "AF_INET": unix.AF_INET, "AF_INET6": unix.AF_INET6, "AF_NETLINK": unix.AF_NETLINK, "AF_PACKET": unix.AF_PACKET}
	for _, name := range unit["RestrictAddressFamilies"] {
		family, ok := families[name]
		if !ok {
			t.Fatalf("what is %s?", name)
		}
		box.Families = append(box.Families, family)
	}
	b, err := json.Marshal(box)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Dir = dir
	cmd.Env = []string{asSandbox + "=" + string(b), "PATH=" + os.Getenv("PATH"), "LC_ALL=C", "XDG_STATE_HOME=" + dir, "RSTPROBE_CONFIG=none"}
	return cmd
}

// capabilityList is a list of capabilities as setpriv takes it, of no others.
func capabilityList(names []string) string {
	list := "-all"
	for _, name := range names {
		list += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
	}
	return list
}

// allowedCalls are the numbers of the system calls that a SystemCallFilter
// leaves: the first word says what is allowed at all, words after ~ take
// away, and later ones add again (systemd.exec(5)).
func allowedCalls(t testing.TB, filter []string) []uint32 {
	t.Helper()
	allowed, numbers := map[string]bool{}, callNumbers(t)
	var apply func(word string, allow bool)
	apply = func(word string, allow bool) {
		if !strings.HasPrefix(word, "@") {
			allowed[word] = allow
			return
		}
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", "syscall-filter", "--no-pager", word).Output()
		if err != nil {
			t.Fatalf("systemd-analyze syscall-filter %s: %v", word, err)
		}
		for line := range strings.Lines(string(out)) {
			if member := strings.TrimSpace(line); member != "" && member != word && !strings.HasPrefix(member, "#") {
				apply(member, allow)
			}
		}
	}
	for i, allow := 0, true; i < len(filter); i++ {
		word, less := strings.CutPrefix(filter[i], "~")
		if less {
			allow = false
		} else if i > 0 && !strings.HasPrefix(word, "@") {
			allow = true // our unit adds single calls
		}
		apply(word, allow)
	}
	apply("@default", true) // always allowed
	var out []uint32
	for name, number := range numbers {
		if allowed[name] {
			out = append(out, number)
		}
	}
	if len(out) < 100 {
		t.Fatalf("only %d system calls are allowed by %v", len(out), filter)
	}
	slices.Sort(out)
	return out
}

// callNumbers are the numbers of the system calls of this machine, by name.
func callNumbers(t testing.TB) map[string]uint32 {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "unix", "zsysnum_linux_"+runtime.GOARCH+".go"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]uint32{}
	for _, m := range regexp.MustCompile(`(?m)^\s*SYS_(\w+)\s*=\s*(\d+)$`).FindAllSubmatch(source, -1) {
		n, err := strconv.ParseUint(string(m[2]), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.ToLower(string(m[1]))] = uint32(n)
	}
	return out
}

// enterSandbox is what this binary does as asSandbox says; it returns only if
// that failed.
func enterSandbox() error {
	var s sandbox
	if err := json.Unmarshal([]byte(os.Getenv(asSandbox)), &s); err != nil {
		return err
	}
	runtime.LockOSThread() // what follows is of this thread, and then of the program that it becomes
	if s.Mounted {
		if err := s.filter(); err != nil {
			return err
		}
		if err := os.Unsetenv(asSandbox); err != nil {
			return err
		}
		return unix.Exec(os.Args[1], os.Args[1:], os.Environ())
	}
	if err := s.mount(); err != nil {
		return err
	}
	s.Mounted = true
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.Setenv(asSandbox, string(b)); err != nil {
		return err
	}
	setpriv, err := exec.LookPath(s.Setpriv[0])
	if err != nil {
		return err
	}
	return unix.Exec(setpriv, s.Setpriv, os.Environ())
}

// mount makes everything read-only but one directory, as ProtectSystem=strict
// and StateDirectory= do.
func (s sandbox) mount() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	readOnly := func(dir string, attr unix.MountAttr, flags uint) error {
		return os.NewSyscallError("mount_setattr "+dir, unix.MountSetattr(unix.AT_FDCWD, dir, flags, &attr))
	}
	return errors.Join(
		os.NewSyscallError("mount", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")),
		os.NewSyscallError("mount", unix.Mount(s.Writable, s.Writable, "", unix.MS_BIND, "")),
		readOnly("/", unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}, unix.AT_RECURSIVE),
		readOnly(s.Writable, unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}, 0),
		os.Chdir(s.Writable), // the directory that was, is below the mount
	)
}

// filter sets a seccomp filter (seccomp(2)) that ends the process at any other
// call than the allowed ones, and at sockets of other families.
func (s sandbox) filter() error {
	const number, firstArgument = 0, 16 // offsets in struct seccomp_data; little-endian
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	unless := func(value uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: skip, K: value}
	}
	give := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	families := []unix.SockFilter{load(firstArgument)}
	for _, f := range s.Families {
		families = append(families, unless(f, 1), give(unix.SECCOMP_RET_ALLOW))
	}
	families = append(families, give(unix.SECCOMP_RET_KILL_PROCESS))
	program := append([]unix.SockFilter{load(number), unless(unix.SYS_SOCKET, uint8(len(families)))}, families...) //nolint:gosec // a handful
	for _, call := range s.Calls {
		program = append(program, unless(call, 1), give(unix.SECCOMP_RET_ALLOW))
	}
	program = append(program, give(unix.SECCOMP_RET_KILL_PROCESS))
	if s.NoExec { // EINVAL: a kernel before 6.3
		const pdeRefuseExecGain = 1
		if err := unix.Prctl(unix.PR_SET_MDWE, pdeRefuseExecGain, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return os.NewSyscallError("prctl PR_SET_MDWE", err)
		}
	}
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]} //nolint:gosec // less than 4096
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(program)
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}
