package kernelconn

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// errnos are the numbers by which the system tells what happened.
var errnos = struct {
	refused, reset, timeout, noHost, noNetwork, forbidden, denied, noProtocol, hostDown, noDevice, noRoom []syscall.Errno
}{
	refused:    []syscall.Errno{windows.WSAECONNREFUSED},
	reset:      []syscall.Errno{windows.WSAECONNRESET, windows.WSAECONNABORTED},
	timeout:    []syscall.Errno{windows.WSAETIMEDOUT},
	noHost:     []syscall.Errno{windows.WSAEHOSTUNREACH},
	noNetwork:  []syscall.Errno{windows.WSAENETUNREACH},
	forbidden:  []syscall.Errno{windows.WSAEACCES},
	denied:     []syscall.Errno{windows.ERROR_ACCESS_DENIED},
	noProtocol: []syscall.Errno{windows.WSAENOPROTOOPT},
	hostDown:   []syscall.Errno{windows.WSAEHOSTDOWN},
	noDevice:   []syscall.Errno{windows.WSAENETDOWN, windows.WSAEADDRNOTAVAIL},
	noRoom:     []syscall.Errno{windows.WSAENOBUFS},
}
