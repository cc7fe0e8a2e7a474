package privilege

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Shed calls f on a thread of its own that has no capability left and can gain
// none, and that ends with f: programs that f starts run without, even those
// of the superuser. f must start them itself, not in another goroutine.
func Shed(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the runtime ends the thread with the goroutine
		err := shed()
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// shed gives up all that the calling thread could pass on.
func shed() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("privilege: set no_new_privs: %w", err)
	}
	now, err := current()
	if err != nil {
		return err
	}
	// An exec by the superuser gives what the bounding set allows. Without
	// CAP_SETPCAP that is not ours to empty; then no_new_privs holds an exec to
	// what the thread has, which is nothing.
	for c := uintptr(0); now.effective&(1<<unix.CAP_SETPCAP) != 0; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) { // beyond the last one that the kernel has
			break
		}
		if err != nil {
			return fmt.Errorf("privilege: take capability %d out of the bounding set: %w", c, err)
		}
	}
	return sets{}.here()
}
