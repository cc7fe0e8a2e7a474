package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The kernel activates an interface in the background when its peer comes up:
// within microseconds, unless the machine is stuck.
const (
	upTries = 5000
	upPause = time.Millisecond
)

// address starts a node's interfaces and gives them their addresses. It runs
// inside the node.
func (n *Net) address(h *netlink.Handle, ifaces []iface) error {
	lo, err := h.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := h.LinkSetUp(lo); err != nil {
		return fmt.Errorf("start lo: %w", err)
	}
	for _, f := range ifaces {
		link, err := start(h, f.name)
		if err != nil {
			return err
		}
		for _, a := range f.addrs {
			// Without duplicate address detection the address works at once.
			addr := &netlink.Addr{IPNet: ipNet(n.prefix(a)), Flags: unix.IFA_F_NODAD}
			if err := h.AddrAdd(link, addr); err != nil {
				return fmt.Errorf("add %s to %s: %w", a, f.name, err)
			}
		}
	}
	return nil
}

// introduce waits until the interface works and tells the node who is behind
// it.
func introduce(h *netlink.Handle, f iface) error {
	link, err := awaitUp(h, f.name)
	if err != nil {
		return err
	}
	index := link.Attrs().Index
	for _, p := range f.peers {
		err := h.NeighAdd(&netlink.Neigh{LinkIndex: index, State: netlink.NUD_PERMANENT, IP: p.AsSlice(), HardwareAddr: f.mac})
		if err != nil {
			return fmt.Errorf("add neighbour %s to %s: %w", p, f.name, err)
		}
	}
	for _, dst := range f.routes {
		route := &netlink.Route{LinkIndex: index, Gw: f.peers[0].AsSlice()}
		if dst.IsValid() {
			route.Dst = ipNet(dst)
		}
		if err := h.RouteAdd(route); err != nil {
			return fmt.Errorf("add route %s via %s: %w", route.Dst, f.peers[0], err)
		}
	}
	if f.last {
		all := netip.PrefixFrom(f.addrs[0], 0).Masked()
		if err := h.RouteAdd(&netlink.Route{Type: unix.RTN_UNREACHABLE, Dst: ipNet(all)}); err != nil {
			return fmt.Errorf("make %s unreachable: %w", all, err)
		}
	}
	return nil
}

// start brings up an interface of the calling thread's namespace, with every
// offload switched off.
func start(h *netlink.Handle, name string) (netlink.Link, error) {
	link, err := h.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	if err := offloadsOff(name); err != nil {
		return nil, err
	}
	if err := h.LinkSetUp(link); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return link, nil
}

// awaitUp waits until the kernel sends packets through the interface; while
// it does not, it drops them.
func awaitUp(h *netlink.Handle, name string) (netlink.Link, error) {
	for range upTries {
		link, err := h.LinkByName(name)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", name, err)
		}
		tentative, err := anyTentative(h, link)
		if err != nil {
			return nil, err
		}
		if link.Attrs().OperState == netlink.OperUp && !tentative {
			return link, nil
		}
		time.Sleep(upPause)
	}
	return nil, fmt.Errorf("%s did not come up in %v", name, upTries*upPause)
}

// anyTentative reports whether an address of the interface does not work yet.
// The kernel finishes even an address without duplicate address detection
// later, in a work queue, and drops what is sent to it until then.
func anyTentative(h *netlink.Handle, link netlink.Link) (bool, error) {
	addrs, err := h.AddrList(link, netlink.FAMILY_V6)
	if err != nil {
		return false, fmt.Errorf("list the addresses of %s: %w", link.Attrs().Name, err)
	}
	return slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
		return a.IP.IsGlobalUnicast() && a.Flags&unix.IFA_F_TENTATIVE != 0
	}), nil
}

// ethtoolValue is struct ethtool_value of <linux/ethtool.h>.
type ethtoolValue struct {
	cmd uint32
	_   uint32 // the value: off
}

// ethtoolRequest is struct ifreq of <linux/if.h> with ifr_data in use.
type ethtoolRequest struct {
	name  [unix.IFNAMSIZ]byte
	value *ethtoolValue
	_     [16]byte // the rest of the union, on any architecture
}

// offloadsOff makes an interface of the calling thread's namespace carry
// packets as a cable would: checksums filled in, nothing longer than the MTU.
func offloadsOff(name string) (err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	for _, cmd := range []uint32{unix.ETHTOOL_STXCSUM, unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO, unix.ETHTOOL_SGRO} {
		req := ethtoolRequest{value: &ethtoolValue{cmd: cmd}}
		copy(req.name[:unix.IFNAMSIZ-1], name)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
		if errno != 0 {
			return fmt.Errorf("switch off offload %#x of %s: %w", cmd, name, errno)
		}
	}
	return nil
}

// ipNet is the prefix in the words of package net, its address kept.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
