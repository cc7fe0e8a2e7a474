// Package netlab runs a lab.Topology on the real kernel: every node of the
// chain is a network namespace with the kernel's own forwarding, ICMP, packet
// filter and TCP, and the nodes are joined by veth pairs.
//
// It needs Linux and the capabilities CAP_SYS_ADMIN, CAP_NET_ADMIN and
// CAP_NET_RAW; an unprivileged user gets them in a user namespace by Reexec.
// The namespaces are anonymous: everything vanishes with the process, even on
// SIGKILL. Nothing is written to disk and no external program runs, unless the
// topology has a lab.Program, whose temporary directory a SIGKILL leaves behind.
//
// # Wiring
//
// The nodes are the client, the routers 1 … N and the server. Each node's
// interface toward the client is called "near", the one toward the server
// "far"; the addresses are those of lab.Topology. Neighbour entries are
// permanent, so that no ARP or neighbour discovery mixes with what is being
// measured; checksums and segments are made in software, so that every packet
// looks as it would on a cable; ICMP is not rate limited unless the topology
// asks for it. Forks and ways back of their own exist in simnet only. Each router knows the
// way to the client's link and sends the rest toward the server; the last
// one answers that addresses outside the lab are unreachable.
//
// # Boxes
//
// A lab.Placement sits on a link rather than in the kernel: the link is cut,
// and a goroutine passes Ethernet frames between the two ends, showing each
// datagram to the boxes. A box before router n's TTL check is on the link
// between router n-1 and n, one after it is on the link behind router n.
// Boxes that share a link see a packet router by router on its way, those of
// one router in the order of their placements. What a box injects is put on
// the link at once, behind the packet that triggered it, and not shown to the
// other boxes of the link.
//
// So a packet injected by a box before the TTL check toward the server, and
// one by a box after it toward the client, crosses the box's own router, which
// one that the router itself made would not. It starts with a TTL one higher
// (at most 255), so that it arrives with the TTL that it would have then.
//
// The server's lab.Server.Front sits on the last link in the same way, next to
// the server.
//
// A lab.KernelRule, in contrast, is a rule of the router's own nftables.
//
// # Programs
//
// A lab.Program is a process in the namespace of its node. Connections that
// one in a router takes are handed to it there, before the TTL check, by the
// kernel's transparent proxy support: the program sees the addresses of client
// and server and may use both.
package netlab
