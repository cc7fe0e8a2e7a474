package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// interfaces are those that are up, the loopback left out.
func interfaces() []Interface {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var out []Interface
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		out = append(out, Interface{
			Name: i.Name, Offloads: offloads(i.Name), Routed: err == nil && slices.ContainsFunc(addrs, global),
			// The stricter of both counts (ip-sysctl, conf/all/rp_filter).
			PathFilter: max(0, setting("net/ipv4/conf/all/rp_filter"), setting("net/ipv4/conf/"+i.Name+"/rp_filter")),
		})
	}
	return out
}

// global reports whether packets may leave from a. Reverse paths are filtered
// for IPv4 only.
func global(a net.Addr) bool {
	p, ok := a.(*net.IPNet)
	return ok && p.IP.To4() != nil && !p.IP.IsLinkLocalUnicast()
}

// offloads asks by the ioctls of linux/ethtool.h, which need no privilege,
// what of it is on. A device that knows none has none.
func offloads(name string) []string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)    //nolint:errcheck // nothing was written
	const flagLRO = 1 << 15 // ETH_FLAG_LRO
	var on []string
	for _, o := range []struct {
		name string
		cmd  uint32
		bit  uint32
	}{
		{"gro", unix.ETHTOOL_GGRO, 1},
		{"lro", unix.ETHTOOL_GFLAGS, flagLRO},
		{"tso", unix.ETHTOOL_GTSO, 1},
		{"gso", unix.ETHTOOL_GGSO, 1},
	} {
		if ethtool(fd, name, o.cmd)&o.bit != 0 {
			on = append(on, o.name)
		}
	}
	return on
}

// ethtool asks for one value; 0 if the device does not know.
func ethtool(fd int, name string, cmd uint32) uint32 {
	value := struct{ cmd, data uint32 }{cmd: cmd} // struct ethtool_value
	var request struct {                          // struct ifreq
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // the rest of the union
	}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	request.data = unsafe.Pointer(&value)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	runtime.KeepAlive(&value)
	if errno != 0 {
		return 0
	}
	return value.data
}

// firewallFacts lists the chains and tables that see our packets. Rules are
// read, never changed; listing them takes CAP_NET_ADMIN.
func firewallFacts() FirewallFacts {
	var f FirewallFacts
	for _, module := range []string{"nf_tables", "ip_tables", "ip6_tables"} {
		if _, err := os.Stat("/sys/module/" + module); err == nil {
			f.Modules = true
		}
	}
	for _, list := range []string{"ip_tables_names", "ip6_tables_names"} {
		text, err := os.ReadFile("/proc/self/net/" + list)
		if err != nil {
			continue // not loaded, or for root only
		}
		for _, table := range strings.Fields(string(text)) {
			f.Legacy = append(f.Legacy, strings.TrimSuffix(list, "_tables_names")+" "+table)
		}
	}
	conn, err := nftables.New()
	if err != nil {
		return f
	}
	chains, err := conn.ListChains()
	if err != nil {
		return f
	}
	f.Readable = true
	for _, c := range chains {
		if seesUs(c) && acts(conn, c) {
			f.Chains = append(f.Chains, families[c.Table.Family]+" "+c.Table.Name+" "+c.Name)
		}
	}
	return f
}

// families are those whose chains see IP packets of this machine, as nft
// names them.
var families = map[nftables.TableFamily]string{
	nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6", nftables.TableFamilyINet: "inet",
}

// seesUs reports whether packets that this machine sends or receives pass c.
func seesUs(c *nftables.Chain) bool {
	return families[c.Table.Family] != "" && c.Hooknum != nil && *c.Hooknum != *nftables.ChainHookForward
}

// acts reports whether c can do anything to a packet.
func acts(conn *nftables.Conn, c *nftables.Chain) bool {
	if c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop {
		return true
	}
	rules, err := conn.GetRules(c.Table, c)
	return err != nil || len(rules) > 0
}

// zone is the index of the interface that an address is limited to; 0: none.
func zone(ip netip.Addr) (uint32, error) {
	if ip.Zone() == "" {
		return 0, nil
	}
	if index, err := strconv.ParseUint(ip.Zone(), 10, 32); err == nil {
		return uint32(index), nil
	}
	i, err := net.InterfaceByName(ip.Zone())
	if err != nil {
		return 0, fmt.Errorf("doctor: interface %s: %w", ip.Zone(), err)
	}
	return uint32(i.Index), nil //nolint:gosec // an index is positive
}
