package pcapio

import "fmt"

// LinkType says what a packet of a capture begins with, as a number of the
// LINKTYPE_ registry at tcpdump.org.
type LinkType uint32

// The link types that are read somewhere in this module.
const (
	LinkNull      LinkType = 0   // BSD loopback: an address family in the byte order of the capturing host
	LinkEthernet  LinkType = 1   // IEEE 802.3
	LinkPPP       LinkType = 9   // PPP, with or without HDLC address and control
	LinkRawBSD    LinkType = 12  // raw IP in files of systems whose DLT_RAW is 12
	LinkRawOpen   LinkType = 14  // raw IP in files of systems whose DLT_RAW is 14
	LinkPPPHDLC   LinkType = 50  // PPP in HDLC framing
	LinkPPPoE     LinkType = 51  // a PPPoE session header, then PPP
	LinkRaw       LinkType = 101 // an IPv4 or IPv6 header
	LinkLoop      LinkType = 108 // OpenBSD loopback: an address family in network byte order
	LinkLinuxSLL  LinkType = 113 // Linux "cooked" capture
	LinkIPv4      LinkType = 228
	LinkIPv6      LinkType = 229
	LinkLinuxSLL2 LinkType = 276 // Linux "cooked" capture, version 2
)

// linkNames has the names of those and of others that turn up in captures.
var linkNames = map[LinkType]string{
	LinkNull: "BSD loopback", LinkEthernet: "Ethernet", LinkPPP: "PPP", LinkRawBSD: "raw IP", LinkRawOpen: "raw IP",
	LinkPPPHDLC: "PPP in HDLC framing", LinkPPPoE: "PPPoE", LinkRaw: "raw IP", LinkLoop: "OpenBSD loopback",
	LinkLinuxSLL: "Linux cooked v1", LinkIPv4: "raw IPv4", LinkIPv6: "raw IPv6", LinkLinuxSLL2: "Linux cooked v2",

	6: "token ring", 10: "FDDI", 104: "Cisco HDLC", 105: "IEEE 802.11", 107: "frame relay", 117: "OpenBSD pflog",
	127: "IEEE 802.11 with radiotap", 147: "private use 0", 162: "private use 15", 163: "IEEE 802.11 with AVS",
	187: "Bluetooth HCI", 189: "Linux USB", 192: "PPI", 195: "IEEE 802.15.4", 201: "Bluetooth HCI with direction",
	220: "Linux USB, padded", 239: "Linux netfilter log", 249: "USBPcap", 252: "Wireshark upper PDU",
	253: "Linux netlink", 272: "nRF sniffer", 274: "Ethernet with mPackets", 277: "Nordic Thread sniffer",
}

// String is the name of the link type, where it has one here, and its number.
func (l LinkType) String() string {
	if name, ok := linkNames[l]; ok {
		return fmt.Sprintf("%s (%d)", name, uint32(l))
	}
	return fmt.Sprintf("number %d", uint32(l))
}
