package ledgerfile

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockPatience = 2 * time.Second // a writer holds the lock for milliseconds
	lockPause    = 5 * time.Millisecond
)

// locked calls f while this process holds the lock beside path. The lock is on
// a file of its own, since that of the ledger is replaced, and ends with the
// process, however it ends.
func locked(path string, f func() error) error {
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // nothing was written; the lock goes with the descriptor
	for waited := time.Duration(0); ; waited += lockPause {
		err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) //nolint:gosec // a descriptor fits
		if err == nil {
			return f()
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("flock", err)
		}
		if waited >= lockPatience {
			return ErrBusy
		}
		time.Sleep(lockPause)
	}
}
