package netlab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The interfaces of a node: toward the client and toward the server.
const (
	near = "near"
	far  = "far"
)

// The hosts of a link, which number its addresses and its MAC addresses.
const (
	clientSide = 1
	serverSide = 2
	serverAlt  = 3 // the server's second address
)

// iface is one end of a link with what its node knows about the other end.
type iface struct {
	name  string
	addrs []netip.Addr
	peers []netip.Addr
	mac   net.HardwareAddr // of the peers
	// destinations reached through peers[0]: a prefix, or the zero Prefix
	// for all
	routes []netip.Prefix
	last   bool // nothing is behind this link: everything else is unreachable
}

// connect makes the links and configures the interfaces. When it returns,
// all of them work.
func (n *Net) connect() error {
	handles := make([]*netlink.Handle, len(n.nodes))
	for i, ns := range n.nodes {
		h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("netlab: open netlink in node %d: %w", i, err)
		}
		defer h.Close()
		handles[i] = h
	}
	for link := range n.top.Routers + 1 {
		if err := n.lay(handles, link); err != nil {
			return err
		}
	}
	for i, h := range handles {
		err := inside(n.nodes[i], func() error { return n.address(h, n.interfaces(i)) })
		if err != nil {
			return fmt.Errorf("netlab: node %d: %w", i, err)
		}
	}
	// Only now do all links have both ends up, and can hold routes.
	for i, h := range handles {
		for _, f := range n.interfaces(i) {
			if err := introduce(h, f); err != nil {
				return fmt.Errorf("netlab: node %d: %w", i, err)
			}
		}
	}
	if n.wire.IsOpen() {
		return n.awaitWire()
	}
	return nil
}

// lay makes the link behind node link: one veth pair, or two with the boxes
// between them.
func (n *Net) lay(handles []*netlink.Handle, link int) error {
	boxes := n.boxesOn(link)
	if len(boxes) == 0 {
		return pair(handles[link], far, mac(link, clientSide), n.nodes[link+1], near, mac(link, serverSide))
	}
	ends := wireEnds(link)
	if err := pair(handles[link], far, mac(link, clientSide), n.wire, ends[0], nil); err != nil {
		return err
	}
	if err := pair(handles[link+1], near, mac(link, serverSide), n.wire, ends[1], nil); err != nil {
		return err
	}
	return n.inWire(func(h *netlink.Handle) error {
		for _, name := range ends {
			if _, err := start(h, name); err != nil {
				return fmt.Errorf("netlab: link %d: %w", link, err)
			}
		}
		l, err := newCutLink(link, ends, boxes)
		if err != nil {
			return err
		}
		n.links = append(n.links, l)
		return nil
	})
}

// wireEnds are the inner ends of a cut link: the client's side first.
func wireEnds(link int) [2]string {
	return [2]string{fmt.Sprint(near, link), fmt.Sprint(far, link)}
}

// awaitWire waits until the inner ends of all cut links work.
func (n *Net) awaitWire() error {
	return n.inWire(func(h *netlink.Handle) error {
		for _, l := range n.links {
			for _, name := range wireEnds(l.link) {
				if _, err := awaitUp(h, name); err != nil {
					return fmt.Errorf("netlab: link %d: %w", l.link, err)
				}
			}
		}
		return nil
	})
}

// inWire runs f inside the namespace of the cut links.
func (n *Net) inWire(f func(*netlink.Handle) error) error {
	return inside(n.wire, func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("netlab: open netlink: %w", err)
		}
		defer h.Close()
		return f(h)
	})
}

// pair makes a veth pair between the handle's namespace and another one.
func pair(h *netlink.Handle, name string, hw net.HardwareAddr, peer netns.NsHandle, peerName string, peerHW net.HardwareAddr) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = name, hw
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerHardwareAddr, veth.PeerNamespace = peerName, peerHW, netlink.NsFd(peer)
	if err := h.LinkAdd(veth); err != nil {
		return fmt.Errorf("netlab: make veth pair %s-%s: %w", name, peerName, err)
	}
	return nil
}

// interfaces are those of node i, 0 being the client.
func (n *Net) interfaces(i int) []iface {
	var out []iface
	if i > 0 {
		f := iface{name: near, addrs: n.hosts(i-1, serverSide), peers: n.hosts(i-1, clientSide), mac: mac(i-1, clientSide)}
		switch {
		case i > n.top.Routers: // the server: everything is this way
			f.routes = []netip.Prefix{{}}
		case i > 1: // the client's link, which router 1 is on
			f.routes = []netip.Prefix{n.prefix(n.top.Client()).Masked()}
		}
		out = append(out, f)
	}
	if i <= n.top.Routers {
		f := iface{name: far, addrs: n.hosts(i, clientSide), peers: n.hosts(i, serverSide), mac: mac(i, serverSide)}
		if i < n.top.Routers {
			f.routes = []netip.Prefix{{}}
		} else {
			f.last = true
		}
		out = append(out, f)
	}
	return out
}

// hosts are the addresses of one side of the link behind node link.
func (n *Net) hosts(link int, side byte) []netip.Addr {
	host := n.top.Router(link + 1) // the server, for the last link
	switch {
	case side == clientSide:
		b := host.AsSlice()
		b[len(b)-1] = clientSide
		a, _ := netip.AddrFromSlice(b)
		return []netip.Addr{a}
	case link == n.top.Routers:
		return []netip.Addr{host, n.top.ServerAddr2()}
	}
	return []netip.Addr{host}
}

// prefix is the address with the mask of its link.
func (n *Net) prefix(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(a, 24)
	}
	return netip.PrefixFrom(a, 64)
}

// mac is the address of one side of a link, from the range for local use
// (IEEE 802-2014 §8.4).
func mac(link int, side byte) net.HardwareAddr {
	return net.HardwareAddr{0x02, 0x09, 0, 0, byte(link), side}
}
