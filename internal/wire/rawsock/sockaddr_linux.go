package rawsock

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// scope is the interface index that addr's zone names, or, for a link-local
// address without a zone, that iface names. It is 0 where neither counts.
func scope(addr netip.Addr, iface string) (uint32, error) {
	zone := addr.Zone()
	if zone == "" && addr.Is6() && addr.IsLinkLocalUnicast() {
		zone = iface
	}
	if zone == "" {
		return 0, nil
	}
	if index, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(index), nil
	}
	ifi, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("rawsock: interface %s: %w", zone, err)
	}
	return uint32(ifi.Index), nil
}

func domain(addr netip.Addr) int {
	if addr.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(addr netip.Addr, scope uint32, port uint16) unix.Sockaddr {
	if addr.Is4() {
		return &unix.SockaddrInet4{Addr: addr.As4(), Port: int(port)}
	}
	return &unix.SockaddrInet6{Addr: addr.As16(), Port: int(port), ZoneId: scope}
}

// bindToDevice makes fd send by iface only. An empty iface changes nothing.
func bindToDevice(fd int, iface string) error {
	if iface == "" {
		return nil
	}
	if err := unix.BindToDevice(fd, iface); err != nil {
		return fmt.Errorf("rawsock: bind to interface %s: %w", iface, err)
	}
	return nil
}

// attach gives fd a filter.
func attach(fd int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("rawsock: assemble a filter: %w", err)
	}
	filter := (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(raw))) // the same four fields
	prog := unix.SockFprog{Len: uint16(len(raw)), Filter: filter}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("rawsock: attach a filter: %w", err)
	}
	return nil
}

// enlarge asks for a receive buffer of size bytes, beyond the system's limit
// where we have CAP_NET_ADMIN, up to it otherwise.
func enlarge(fd, size int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size)
	if err != nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	}
	if err != nil {
		return fmt.Errorf("rawsock: set a receive buffer of %d bytes: %w", size, err)
	}
	return nil
}
