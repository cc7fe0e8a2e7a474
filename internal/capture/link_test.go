package capture

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
)

// syn4 and syn6 are two SYNs, 10.9.0.1:40000 > 10.9.6.2:443 and
// [fd00:9::1]:40000 > [fd00:9:6::2]:443.
var (
	syn4 = unhex(`
		4500003c00074000400620a10a0900010a0906029c4001bb0000000100000000a002faf090f80000
		020405b40402080a010203040000000001030307`)
	syn6 = unhex(`
		6b81234500280640fd000009000000000000000000000001fd000009000600000000000000000002
		9c4001bb0000000100000000a002faf0b0f00000020405b40402080a010203040000000001030307`)
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// links are link layers, and what is behind each: 4 or 6 for that datagram, 0
// for something else.
var links = []struct {
	name   string
	link   pcapio.LinkType
	before string // in hexadecimal
	ip     int
}{
	{"Ethernet", pcapio.LinkEthernet, "020000000001 020000000002 0800", 4},
	{"Ethernet, IPv6", pcapio.LinkEthernet, "020000000001 020000000002 86dd", 6},
	{"802.1Q", pcapio.LinkEthernet, "020000000001 020000000002 8100 2064 0800", 4},
	{"802.1ad and 802.1Q", pcapio.LinkEthernet, "020000000001 020000000002 88a8 0001 8100 0002 86dd", 6},
	{"three old tags", pcapio.LinkEthernet, "020000000001 020000000002 9100 0001 9200 0002 8100 0003 0800", 4},
	{"MPLS", pcapio.LinkEthernet, "020000000001 020000000002 8847 00010040 00011140", 4},
	{"MPLS in a VLAN, IPv6", pcapio.LinkEthernet, "020000000001 020000000002 8100 0001 8848 00011140", 6},
	{"MPLS pseudowire", pcapio.LinkEthernet, "020000000001 020000000002 8847 00011140 00000000", 0},
	{"PPPoE", pcapio.LinkEthernet, "020000000001 020000000002 8864 1100 0001 003e 0021", 4},
	{"PPPoE in a VLAN, IPv6", pcapio.LinkEthernet, "020000000001 020000000002 8100 0007 8864 1100 0001 003e 0057", 6},
	{"PPPoE, short protocol", pcapio.LinkEthernet, "020000000001 020000000002 8864 1100 0001 003e 21", 4},
	{"PPPoE, LCP", pcapio.LinkEthernet, "020000000001 020000000002 8864 1100 0001 003e c021", 0},
	{"PPPoE, discovery", pcapio.LinkEthernet, "020000000001 020000000002 8863 1109 0000 0000", 0},
	{"PPPoE, not a session", pcapio.LinkEthernet, "020000000001 020000000002 8864 11a7 0001 0000 0021", 0},
	{"SNAP", pcapio.LinkEthernet, "020000000001 020000000002 0044 aaaa03 000000 0800", 4},
	{"SNAP of a vendor", pcapio.LinkEthernet, "020000000001 020000000002 0044 aaaa03 00000c 0800", 0},
	{"LLC", pcapio.LinkEthernet, "0180c2000000 020000000002 0026 424203", 0},
	{"ARP", pcapio.LinkEthernet, "ffffffffffff 020000000002 0806", 0},
	{"endless tags", pcapio.LinkEthernet, "020000000001 020000000002" + strings.Repeat("8100 0001", 100) + "0800", 0},
	{"Linux cooked v1", pcapio.LinkLinuxSLL, "0004 0001 0006 020000000001 0000 0800", 4},
	{"Linux cooked v1, VLAN", pcapio.LinkLinuxSLL, "0004 0001 0006 020000000001 0000 8100 0001 86dd", 6},
	{"Linux cooked v2", pcapio.LinkLinuxSLL2, "86dd 0000 00000002 0001 00 06 0200000000010000", 6},
	{"raw", pcapio.LinkRaw, "", 4},
	{"raw, BSD's number", pcapio.LinkRawBSD, "", 6},
	{"raw, OpenBSD's number", pcapio.LinkRawOpen, "", 4},
	{"raw IPv4", pcapio.LinkIPv4, "", 4},
	{"raw IPv6", pcapio.LinkIPv6, "", 6},
	{"raw, version 5", pcapio.LinkRaw, "50", 0},
	{"null, little endian", pcapio.LinkNull, "02000000", 4},
	{"null, big endian", pcapio.LinkNull, "00000002", 4},
	{"null, Darwin's IPv6", pcapio.LinkNull, "1e000000", 6},
	{"null, FreeBSD's IPv6", pcapio.LinkNull, "1c000000", 6},
	{"null, AppleTalk", pcapio.LinkNull, "10000000", 0},
	{"loop", pcapio.LinkLoop, "00000002", 4},
	{"loop, IPv6", pcapio.LinkLoop, "00000018", 6},
	{"PPP", pcapio.LinkPPP, "0021", 4},
	{"PPP with HDLC", pcapio.LinkPPPHDLC, "ff03 0057", 6},
	{"PPPoE as link type", pcapio.LinkPPPoE, "1100 0001 003e 0021", 4},
}

func TestDatagram(t *testing.T) {
	for _, tt := range links {
		t.Run(tt.name, func(t *testing.T) {
			want := syn4
			if tt.ip == 6 {
				want = syn6
			}
			before := unhex(tt.before)
			frame := append(bytes.Clone(before), want...)
			got, what := datagram(tt.link, frame)
			if tt.ip == 0 {
				if what != other {
					t.Errorf("content %d, want %d", what, other)
				}
				return
			}
			if what != datagramIP || !bytes.Equal(got, want) {
				t.Errorf("content %d, %x", what, got)
			}
			for n := range before {
				if got, what := datagram(tt.link, frame[:n:n]); what != short && what != other {
					t.Errorf("%d bytes: content %d, %x", n, what, got)
				}
			}
			if !known(tt.link) {
				t.Error("the link type is not known")
			}
		})
	}
	if known(105) {
		t.Error("IEEE 802.11 is known")
	}
}
