package netlab

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/lab"
)

// filter loads router r's packet filter: its kernel rules and, if it is
// silent, one that keeps its ICMP in.
func (n *Net) filter(r int) error {
	table := &nftables.Table{Name: "netlab", Family: nftables.TableFamilyIPv4}
	icmp := byte(unix.IPPROTO_ICMP)
	if n.top.IPv6 {
		table.Family, icmp = nftables.TableFamilyIPv6, unix.IPPROTO_ICMPV6
	}
	conn, err := nftables.New(nftables.WithNetNSFd(int(n.nodes[r])))
	if err != nil {
		return fmt.Errorf("netlab: open the packet filter of router %d: %w", r, err)
	}
	chain := func(hook *nftables.ChainHook, rules ...[]expr.Any) {
		if len(rules) == 0 {
			return
		}
		c := conn.AddChain(&nftables.Chain{
			Name: "hook" + fmt.Sprint(*hook), Table: conn.AddTable(table), Type: nftables.ChainTypeFilter,
			Hooknum: hook, Priority: nftables.ChainPriorityFilter,
		})
		for _, e := range rules {
			conn.AddRule(&nftables.Rule{Table: table, Chain: c, Exprs: e})
		}
	}
	var forward, output [][]expr.Any
	for _, k := range n.top.Kernel {
		if k.Router == r {
			forward = append(forward, ruleExprs(k))
		}
	}
	for _, s := range n.top.Silent {
		if s == r {
			output = [][]expr.Any{append(protocolIs(icmp), &expr.Verdict{Kind: expr.VerdictDrop})}
		}
	}
	chain(nftables.ChainHookForward, forward...)
	chain(nftables.ChainHookOutput, output...)
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("netlab: load the packet filter of router %d: %w", r, err)
	}
	return nil
}

// ruleExprs is a kernel rule as nftables evaluates it, left to right.
func ruleExprs(k lab.KernelRule) []expr.Any {
	out := append(protocolIs(unix.IPPROTO_TCP),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}, // destination port (RFC 9293 §3.1)
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, k.Port)},
	)
	if k.Contains != "" {
		out = append(out, contains(k.Contains))
	}
	if k.Reject {
		return append(out, &expr.Reject{Type: unix.NFT_REJECT_TCP_RST})
	}
	return append(out, &expr.Verdict{Kind: expr.VerdictDrop})
}

func protocolIs(proto byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{proto}},
	}
}

// maxPattern is XT_STRING_MAX_PATTERN_SIZE of <linux/netfilter/xt_string.h>.
const maxPattern = 128

// stringInfo is struct xt_string_info of <linux/netfilter/xt_string.h>.
type stringInfo struct {
	From, To  uint16 // range of offsets, from the IP header, where the pattern may start
	Algorithm [16]byte
	Pattern   [maxPattern]byte
	Length    uint8
	Flags     uint8
	_         [2]byte // the kernel's own pointer is aligned to eight bytes
	_         uint64
}

// contains matches packets with the pattern anywhere in them. nftables has
// no such expression of its own and borrows the string match of iptables.
func contains(pattern string) expr.Any {
	info := stringInfo{To: math.MaxUint16, Length: uint8(len(pattern))} //nolint:gosec // validate holds it to maxPattern
	copy(info.Algorithm[:], "kmp")                                      // unlike "bm" it finds what lies across two buffers of a packet
	copy(info.Pattern[:], pattern)
	raw, err := binary.Append(nil, binary.NativeEndian, info)
	if err != nil {
		panic(err) // the type has a fixed size
	}
	return &expr.Match{Name: "string", Rev: 1, Info: (*xt.Unknown)(&raw)}
}
