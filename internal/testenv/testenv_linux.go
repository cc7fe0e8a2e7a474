package testenv

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

func raw() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return fmt.Errorf("open a raw socket: %w", err)
	}
	return unix.Close(fd)
}

// netns tries it on a thread of its own. The goroutine ends with the thread
// locked, so the runtime ends that thread and the namespace with it.
func netns() error {
	result := make(chan error, 1) // 1: the thread can go before the result is read
	go func() {
		runtime.LockOSThread()
		result <- unix.Unshare(unix.CLONE_NEWNET)
	}()
	if err := <-result; err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	return nil
}
