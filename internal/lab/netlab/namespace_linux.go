package netlab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"

	"github.com/vishvananda/netns"
)

// newNamespace makes a network namespace that lives as long as the handle or
// something inside it does.
func newNamespace() (netns.NsHandle, error) {
	ns := netns.None()
	err := pinned(func() (err error) {
		ns, err = netns.New()
		return err
	})
	if err != nil {
		return ns, fmt.Errorf("netlab: make a network namespace: %w", err)
	}
	return ns, nil
}

// inside runs f in the namespace.
func inside(ns netns.NsHandle, f func() error) error {
	return pinned(func() error {
		if err := netns.Set(ns); err != nil {
			return fmt.Errorf("netlab: enter a network namespace: %w", err)
		}
		return f()
	})
}

// pinned runs f, which may change its thread's network namespace, on a locked
// OS thread and puts the thread back. A thread that cannot go back stays
// locked, so that the runtime destroys it with its goroutine instead of
// running others in the wrong namespace.
func pinned(f func() error) (err error) {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("netlab: find the current network namespace: %w", err)
	}
	defer func() {
		back := netns.Set(home)
		if back == nil {
			runtime.UnlockOSThread()
		} else {
			back = fmt.Errorf("netlab: return to the former network namespace: %w", back)
		}
		if errs := errors.Join(back, home.Close()); errs != nil {
			err = errors.Join(err, errs)
		}
	}()
	return f()
}

// sysctl is one setting below /proc/sys/net, which shows the network
// namespace of the thread that opens it.
type sysctl struct {
	key, value string
	// optional settings do not exist on every kernel, or belong to the whole
	// machine there.
	optional bool
}

// Settings of every node. The ones for "default" hold for interfaces made
// later, so they are written first.
var nodeSettings = []sysctl{
	{"ipv4/conf/all/rp_filter", "0", false},
	{"ipv4/conf/default/rp_filter", "0", false},
	{"ipv6/conf/all/accept_ra", "0", true},
	{"ipv6/conf/default/accept_ra", "0", true},
	{"ipv6/conf/default/accept_dad", "0", true},
	{"ipv6/conf/default/addr_gen_mode", "1", true}, // no link-local addresses, so no chatter
}

// Settings of routers: forward, and send every ICMP error. The two msgs
// limits are global to the machine before Linux 6.13; a mask without Time
// Exceeded keeps IPv4 out of them there.
var routerSettings = []sysctl{
	{"ipv4/ip_forward", "1", false},
	{"ipv4/conf/all/send_redirects", "0", false},
	{"ipv4/conf/default/send_redirects", "0", false},
	{"ipv4/conf/all/accept_local", "1", false}, // a box on its link may report in its name, through it
	{"ipv6/conf/all/forwarding", "1", true},
}

// unlimited lets routers send as many ICMP errors as are asked for.
var unlimited = []sysctl{
	{"ipv4/icmp_ratelimit", "0", false},
	{"ipv4/icmp_ratemask", "0", false},
	{"ipv4/icmp_msgs_per_sec", "10000000", true},
	{"ipv4/icmp_msgs_burst", "1000000", true},
	{"ipv6/icmp/ratelimit", "0", true},
}

// tune writes the settings of all nodes, before they have interfaces.
func (n *Net) tune() error {
	noIPv6 := "1"
	if n.top.IPv6 {
		noIPv6 = "0"
	}
	// Interfaces of an IPv4 topology stay silent; the loopback device keeps
	// IPv6, because the Go runtime looks there once per process.
	every := append([]sysctl{{"ipv6/conf/default/disable_ipv6", noIPv6, !n.top.IPv6}}, nodeSettings...)
	for i, ns := range n.nodes {
		settings := every
		if i >= 1 && i <= n.top.Routers {
			settings = slices.Concat(settings, routerSettings)
			if !n.top.LimitICMP {
				settings = append(settings, unlimited...)
			}
		}
		if err := inside(ns, func() error { return write(settings) }); err != nil {
			return err
		}
	}
	if !n.wire.IsOpen() {
		return nil
	}
	return inside(n.wire, func() error {
		return write([]sysctl{{"ipv6/conf/default/disable_ipv6", "1", true}})
	})
}

func write(settings []sysctl) error {
	for _, s := range settings {
		err := os.WriteFile("/proc/sys/net/"+s.key, []byte(s.value), 0)
		if err != nil && !(s.optional && errors.Is(err, fs.ErrNotExist)) {
			return fmt.Errorf("netlab: set %s to %s: %w", s.key, s.value, err)
		}
	}
	return nil
}
