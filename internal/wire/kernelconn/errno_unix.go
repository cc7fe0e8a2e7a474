//go:build unix

package kernelconn

import "syscall"

// errnos are the numbers by which the system tells what happened.
var errnos = struct {
	refused, reset, timeout, noHost, noNetwork, forbidden, denied, noProtocol, hostDown, noDevice, noRoom []syscall.Errno
}{
	refused:    []syscall.Errno{syscall.ECONNREFUSED},
	reset:      []syscall.Errno{syscall.ECONNRESET, syscall.EPIPE},
	timeout:    []syscall.Errno{syscall.ETIMEDOUT},
	noHost:     []syscall.Errno{syscall.EHOSTUNREACH},
	noNetwork:  []syscall.Errno{syscall.ENETUNREACH},
	forbidden:  []syscall.Errno{syscall.EACCES},
	denied:     []syscall.Errno{syscall.EPERM},
	noProtocol: []syscall.Errno{syscall.ENOPROTOOPT},
	hostDown:   []syscall.Errno{syscall.EHOSTDOWN},
	noDevice:   []syscall.Errno{syscall.ENETDOWN, syscall.ENODEV},
	noRoom:     []syscall.Errno{syscall.ENOBUFS},
}
