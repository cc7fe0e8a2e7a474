package netlab

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/lab"
)

// Packets with the mark are the router's own, wherever they go: the table has
// one route, which says so.
const (
	divertMark  = 1
	divertTable = 100
)

// divert hands the connections that a program takes to it: to sockets with
// IP_TRANSPARENT on the ports that they go to anyway (Documentation/networking/tproxy.rst
// of the kernel). The rules run before the TTL check.
func (n *Net) divert(p lab.Program) error {
	if len(p.Takes) == 0 {
		return nil
	}
	node := n.nodes[p.Node]
	conn, err := nftables.New(nftables.WithNetNSFd(int(node)))
	if err != nil {
		return fmt.Errorf("netlab: open the packet filter of router %d: %w", p.Node, err)
	}
	table := &nftables.Table{Name: "divert", Family: nftables.TableFamilyIPv4}
	if n.top.IPv6 {
		table.Family = nftables.TableFamilyIPv6
	}
	chain := conn.AddChain(&nftables.Chain{
		Name: "prerouting", Table: conn.AddTable(table), Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityMangle,
	})
	// What belongs to a connection that the program has, then what opens one.
	// Its listening sockets, which take any address, are no connections.
	rules := [][]expr.Any{{
		&expr.Socket{Key: expr.SocketKeyTransparent, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{1}},
		&expr.Socket{Key: expr.SocketKeyWildcard, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{0}},
	}}
	for _, a := range p.Takes {
		for _, port := range p.Listens {
			rules = append(rules, append(goesTo(a, port), &expr.TProxy{Family: byte(table.Family), RegPort: 1}))
		}
	}
	for _, r := range rules {
		r = append(protocolIs(unix.IPPROTO_TCP), r...)
		r = append(r,
			&expr.Immediate{Register: 1, Data: binaryutil.NativeEndian.PutUint32(divertMark)},
			&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1},
			&expr.Verdict{Kind: expr.VerdictAccept})
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: r})
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("netlab: divert connections in router %d: %w", p.Node, err)
	}
	if err := inside(node, n.deliver); err != nil {
		return fmt.Errorf("netlab: divert connections in router %d: %w", p.Node, err)
	}
	return nil
}

// goesTo matches packets to the address and leaves the port in register 1.
func goesTo(a netip.Addr, port uint16) []expr.Any {
	destination := uint32(16) // RFC 791 §3.1
	if a.Is6() {
		destination = 24 // RFC 8200 §3
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: destination, Len: uint32(a.BitLen() / 8)}, //nolint:gosec // 4 or 16
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: a.AsSlice()},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}, // destination port (RFC 9293 §3.1)
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, port)},
	}
}

// deliver routes marked packets to the calling thread's node itself.
func (n *Net) deliver() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	rule := netlink.NewRule()
	rule.Family, rule.Mark, rule.Table = unix.AF_INET, divertMark, divertTable
	if n.top.IPv6 {
		rule.Family = unix.AF_INET6
	}
	if err := netlink.RuleAdd(rule); err != nil {
		return fmt.Errorf("add a routing rule: %w", err)
	}
	all := netip.PrefixFrom(n.top.Client(), 0).Masked()
	route := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: ipNet(all), Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST, Table: divertTable}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("add a local route: %w", err)
	}
	return nil
}
