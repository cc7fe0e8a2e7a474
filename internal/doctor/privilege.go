package doctor

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

func (f Facts) rawMode() Finding {
	r := Finding{
		Check: "raw_mode", Status: OK, Found: "raw sockets can be opened, for IPv4 and IPv6",
		Meaning: "every kind of evidence can be had",
	}
	err := errors.Join(f.Raw.Err4, f.Raw.Err6)
	switch {
	case err == nil:
		return r
	case f.Raw.Err4 == nil || f.Raw.Err6 == nil:
		family, reason := "IPv6", f.Raw.Err6
		if f.Raw.Err4 != nil {
			family, reason = "IPv4", f.Raw.Err4
		}
		r.Found = fmt.Sprintf("raw sockets can be opened, but not for %s: %v", family, reason)
		r.Meaning = "targets of " + family + " cannot be measured; usually this machine has it switched off"
		return r
	}
	r.Status = Warning
	r.Found = "raw sockets cannot be opened"
	r.Meaning = "measurements use ordinary sockets (--mode kernel): they locate boxes that answer, but see no single packet, so fewer verdicts are certain and there is no capture to keep"
	if f.Forced || f.Kernel != nil {
		r.Status = Problem
		r.Meaning = "measurements with --mode raw end with exit code 3"
	}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		r.Found += fmt.Sprintf(": %s has no raw sockets that can be used", f.System)
		r.Mend = "measure on Linux"
	case !errors.Is(err, os.ErrPermission) && f.fewFiles():
		r.Found += ": " + oneLine(err)
		r.Mend, r.Command = f.descriptors().Mend, f.descriptors().Command
	case !errors.Is(err, os.ErrPermission):
		r.Found += ": " + oneLine(err)
		r.Mend = "report this, with the output of rstprobe doctor --json"
	default:
		reason, mend, command := f.denied()
		r.Found += ": " + reason
		r.Mend, r.Command = mend, command
	}
	return r
}

// Setcap is the command that lets a program open raw sockets without root.
func Setcap(program string) string { return "sudo setcap cap_net_raw=p " + shellQuoted(program) }

// denied says why CAP_NET_RAW is missing and what gives it.
func (f Facts) denied() (reason, mend, command string) {
	p, file := f.Process, f.File
	setcap := Setcap(f.Program)
	switch {
	case p.Permitted&NetRaw != 0 && p.UserNamespace:
		return "CAP_NET_RAW of a user namespace does not count in the network that it was started in",
			"run outside of the user namespace", ""
	case p.Permitted&NetRaw != 0:
		return "the process has CAP_NET_RAW, and is refused all the same: " + oneLine(errors.Join(f.Raw.Err4, f.Raw.Err6)),
			"unless that says what to do, look for a seccomp profile, SELinux or AppArmor rules of this service or container", ""
	case p.Bounding&NetRaw == 0:
		return "the bounding set of this container or service lacks CAP_NET_RAW",
			"start the container with --cap-add NET_RAW, or write CapabilityBoundingSet=CAP_NET_RAW and AmbientCapabilities=CAP_NET_RAW into the service",
			"docker run --cap-add NET_RAW ..."
	case file.Permitted&NetRaw != 0 && p.NoNewPrivs:
		return "the file grants CAP_NET_RAW, but no_new_privs forbids to take it",
			"start it without no_new_privs (systemd: NoNewPrivileges=no or AmbientCapabilities=CAP_NET_RAW; docker: without --security-opt no-new-privileges; sandboxes of desktops and editors set it, too)", ""
	case file.NoSUID:
		return "the file system of the program is mounted nosuid, so capabilities of files there do not count",
			"install it elsewhere, then let it open raw sockets",
			"sudo install -m 755 " + shellQuoted(f.Program) + " /usr/local/bin/rstprobe && sudo setcap cap_net_raw=p /usr/local/bin/rstprobe"
	}
	return "CAP_NET_RAW is missing", "let the program open raw sockets, or run it as root", setcap
}

func (f Facts) kernelMode() Finding {
	r := Finding{
		Check: "kernel_mode", Status: OK, Found: "ordinary sockets tell where packets end",
		Meaning: "measuring without any privilege works (--mode kernel)",
	}
	if f.Kernel == nil {
		return r
	}
	r.Status, r.Found = Warning, "measuring by ordinary sockets does not work: "+oneLine(f.Kernel)
	r.Meaning = "there is nothing to fall back on where raw sockets are forbidden"
	r.Mend = "look for a seccomp filter or security module that forbids socket options, or use a newer kernel"
	if f.Mode() == ModeNone {
		r.Status = Problem
		r.Meaning = "nothing can be measured here; what needs no network works: explain, report, demo --list"
	}
	if errors.Is(f.Kernel, errors.ErrUnsupported) {
		r.Found, r.Mend = "ordinary sockets of "+f.System+" cannot tell where packets end", "measure on Linux"
	}
	return r
}

// capabilities is about the running process.
func (f Facts) capabilities() Finding {
	p := f.Process
	r := Finding{Check: "process_capabilities", Status: OK}
	switch {
	case p.UID < 0 || f.System != "linux":
		return Finding{}
	case p.Err != nil:
		r.Status, r.Found = Warning, "the capabilities of this process cannot be read: "+oneLine(p.Err)
		r.Meaning = "it is not known what may be opened; see raw_mode for what can"
		r.Mend = "mount /proc"
		return r
	}
	r.Found = fmt.Sprintf("user id %d, CAP_NET_RAW %s", p.UID, yes(p.Permitted&NetRaw != 0, "permitted", "not permitted"))
	if p.NoNewPrivs {
		r.Found += ", no_new_privs set"
	}
	if p.Bounding&NetRaw == 0 {
		r.Found += ", CAP_NET_RAW not in the bounding set"
	}
	r.Meaning = "a run gives up what it has as soon as its sockets are open, and keeps its user id, so that files belong to who runs it"
	if p.Cgo && p.Permitted != 0 {
		r.Status = Warning
		r.Meaning = "this build uses cgo, so a run keeps its capabilities to the end"
		r.Mend, r.Command = "use a static build", "CGO_ENABLED=0 go build ./cmd/rstprobe"
	}
	return r
}

// program is about the program's file.
func (f Facts) program() Finding {
	r := Finding{Check: "file_capabilities", Subject: f.Program, Status: OK}
	switch {
	case f.System != "linux":
		return Finding{}
	case f.File.Err != nil:
		r.Status, r.Found = Warning, "the capabilities of the file cannot be read: "+oneLine(f.File.Err)
		r.Meaning = "whether ordinary users may open raw sockets by it is not known"
		r.Mend, r.Command = "ask the system", "getcap "+shellQuoted(f.Program)
		return r
	case f.File.Permitted == 0:
		r.Found, r.Meaning = "the file grants no capability", "raw sockets only as root; packages must set it after installing, as archives lose it"
		if f.Process.UID != 0 && f.Process.Permitted&NetRaw == 0 {
			r.Status = Warning
			r.Mend, r.Command = "let the program open raw sockets", Setcap(f.Program)
		}
		return r
	}
	r.Found = fmt.Sprintf("the file grants %s", yes(f.File.Permitted == NetRaw, "CAP_NET_RAW and nothing else", "capabilities: "+f.File.Permitted.String()))
	r.Meaning = "ordinary users may open raw sockets by it"
	switch {
	case f.File.NoSUID:
		r.Status, r.Found = Warning, r.Found+", on a file system mounted nosuid"
		r.Meaning = "the file system takes the capability away"
		r.Mend = "install the program on another file system"
	case f.File.Permitted&^NetRaw != 0:
		r.Status, r.Meaning = Warning, "more than CAP_NET_RAW is never used, and so only a risk"
		r.Mend, r.Command = "grant nothing else", Setcap(f.Program)
	}
	return r
}

// String lists the numbers of the capabilities, as in linux/capability.h;
// those that this program knows have names.
func (c Capabilities) String() string {
	names := map[int]string{0: "cap_chown", 1: "cap_dac_override", 12: "cap_net_admin", 13: "cap_net_raw", 21: "cap_sys_admin"}
	var out []string
	for n := range 64 {
		if c&(1<<n) == 0 {
			continue
		}
		name := names[n]
		if name == "" {
			name = fmt.Sprintf("capability %d", n)
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

// namespaces is about the emulated paths of the demo.
func (f Facts) namespaces() Finding {
	s := f.Spaces
	r := Finding{
		Check: "namespaces", Status: OK, Found: "network namespaces can be made",
		Meaning: "rstprobe demo works",
	}
	if f.System != "linux" {
		return Finding{}
	}
	if s.Err == nil && (!s.AppArmor || f.Process.UID == 0) {
		return r
	}
	r.Status, r.Meaning = Warning, "rstprobe demo does not work; nothing else needs it"
	r.Mend, r.Command = "run the demo as root", "sudo rstprobe demo"
	switch {
	case s.Disabled:
		r.Found = "user namespaces are for root only (kernel.unprivileged_userns_clone is 0)"
		r.Mend, r.Command = "allow them until the next start, or run the demo as root", "sudo sysctl -w kernel.unprivileged_userns_clone=1"
	case s.Max == 0:
		r.Found = "user namespaces are switched off (user.max_user_namespaces is 0)"
		r.Mend, r.Command = "allow them until the next start, or run the demo as root", "sudo sysctl -w user.max_user_namespaces=10000"
	case s.MaxNet == 0:
		r.Found = "network namespaces are switched off (user.max_net_namespaces is 0)"
		r.Mend, r.Command = "allow them until the next start", "sudo sysctl -w user.max_net_namespaces=10000"
	case s.AppArmor:
		r.Found = "AppArmor takes all capabilities from user namespaces of ordinary users (kernel.apparmor_restrict_unprivileged_userns is 1)"
		r.Mend, r.Command = "lift it until the next start, or run the demo as root", "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
	default:
		r.Found = "network namespaces cannot be made: " + oneLine(s.Err)
		r.Mend += "; in a container, with --privileged"
	}
	return r
}

func yes(is bool, a, b string) string {
	if is {
		return a
	}
	return b
}

// oneLine is the text of an error, which may be several joined.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// shellQuoted makes a word of path for a POSIX shell.
func shellQuoted(path string) string {
	if path == "" {
		return "rstprobe"
	}
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
