package privilege

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// beyondReach reports whether one of the files could not be written, replaced
// or made without capabilities. now are those of all threads.
func beyondReach(now sets, paths []string) (_ bool, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := (sets{permitted: now.permitted}).here(); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, now.here()) }()
	for _, path := range paths {
		if !reachable(path) {
			return true, nil
		}
	}
	return false, nil
}

// reachable reports whether the permissions of path and of its directory, or
// of the nearest one above that exists, let us replace or make it.
func reachable(path string) bool {
	file, err := os.Lstat(path)
	exists := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) || exists && !allowed(path, unix.R_OK|unix.W_OK) {
		return false
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	for errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		info, err = os.Stat(dir)
	}
	if err != nil || !allowed(dir, unix.W_OK|unix.X_OK) {
		return false
	}
	// What lies in a sticky directory only its owner may replace (inode(7)).
	sticky := info.Mode()&fs.ModeSticky != 0
	return !exists || !sticky || ours(info) || ours(file)
}

func ours(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// allowed asks the kernel, for the effective ids and capabilities of the
// calling thread. Kernels before Linux 5.8 cannot be asked: no, then.
// [unix.Faccessat] would guess that the superuser may do anything.
func allowed(path string, mode uintptr) bool {
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return false
	}
	dir := unix.AT_FDCWD
	_, _, errno := unix.Syscall6(unix.SYS_FACCESSAT2, uintptr(dir), uintptr(unsafe.Pointer(name)), mode, unix.AT_EACCESS, 0, 0)
	return errno == 0
}
