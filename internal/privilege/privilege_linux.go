package privilege

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// set is a set of capabilities, bit n for capability n (capabilities(7)).
type set uint64

const (
	raw set = 1 << unix.CAP_NET_RAW

	// better is of use where there is more than that, as the superuser has: a
	// receive buffer beyond the system's limit, and filters on every kind of
	// socket, however much room those of others take (net.core.bpf_jit_limit).
	better set = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_BPF

	// files are what lets the superuser read and write files of others, as
	// it is used to.
	files set = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_FOWNER
)

// sets are the capabilities of a thread. What it could pass on to other
// programs, the inheritable and with them the ambient ones, is always set to
// nothing.
type sets struct{ effective, permitted set }

// Lower gives up every capability but those that Raise puts in effect, which
// stay permitted, and those to reach other users' files. Call it before
// anything that comes from the network is read.
func Lower() error {
	now, err := current()
	if err != nil {
		return err
	}
	err = forbidGain()
	if err == nil {
		err = sets{effective: now.effective & files, permitted: now.permitted & (raw | better | files)}.everywhere()
	}
	return given(now, err)
}

// Raise calls f with CAP_NET_RAW in effect, if it is permitted, and then with
// CAP_NET_ADMIN and CAP_BPF, too, if they are; on the calling thread only. f must do what needs it itself, not in another goroutine.
func Raise(f func() error) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	was, err := current()
	if err != nil {
		return err
	}
	if was.permitted&raw == 0 {
		return f()
	}
	if err := (sets{was.effective | was.permitted&(raw|better), was.permitted}).here(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, was.here()) }()
	return f()
}

// Drop gives up every capability for good. paths name the files that are
// still to be written or replaced: the superuser keeps the capabilities to
// reach other users' files iff one of them cannot be without.
func Drop(paths ...string) error {
	now, err := current()
	if err != nil {
		return err
	}
	keep := now.permitted & files
	if keep != 0 {
		needed, err := beyondReach(now, paths)
		if err != nil {
			return err
		}
		if !needed {
			keep = 0
		}
	}
	if err = forbidGain(); err == nil {
		err = sets{effective: keep & now.effective, permitted: keep}.everywhere()
	}
	return given(now, err)
}

// given is what became of giving up: a process that had nothing is none the
// worse for a build that could not.
func given(had sets, err error) error {
	if err == nil || had.permitted == 0 && errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if errors.Is(err, errors.ErrUnsupported) {
		err = fmt.Errorf("this build uses cgo, so not all of its threads can be reached; build with CGO_ENABLED=0: %w", err)
	}
	return fmt.Errorf("privilege: give up capabilities: %w", err)
}

// forbidGain keeps every later exec from giving capabilities back.
func forbidGain() error {
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("set no_new_privs: %w", errno)
	}
	now, err := current()
	if err != nil || now.effective&(1<<unix.CAP_SETPCAP) == 0 {
		return err // the bounding set is not ours to change
	}
	for c := range uintptr(64) { // EINVAL: beyond the last one that the kernel has
		_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0, 0, 0, 0)
		if errors.Is(errno, unix.EINVAL) {
			break
		}
		if errno != 0 {
			return fmt.Errorf("take capability %d out of the bounding set: %w", c, errno)
		}
	}
	return nil
}

// current are the capabilities of the calling thread, which are those of all
// threads except within Raise and Drop.
func current() (sets, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // two halves of 64 bits in this version
	if err := unix.Capget(&header, &data[0]); err != nil {
		return sets{}, fmt.Errorf("privilege: read capabilities: %w", err)
	}
	return sets{
		effective: set(data[0].Effective) | set(data[1].Effective)<<32,
		permitted: set(data[0].Permitted) | set(data[1].Permitted)<<32,
	}, nil
}

func (s sets) encode() (unix.CapUserHeader, [2]unix.CapUserData) {
	return unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{
		{Effective: uint32(s.effective), Permitted: uint32(s.permitted)},
		{Effective: uint32(s.effective >> 32), Permitted: uint32(s.permitted >> 32)},
	}
}

// here gives s to the calling thread.
func (s sets) here() error {
	header, data := s.encode()
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("privilege: set capabilities: %w", err)
	}
	return nil
}

// everywhere gives s to all threads.
func (s sets) everywhere() error {
	header, data := s.encode()
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
