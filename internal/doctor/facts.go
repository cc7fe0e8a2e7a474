package doctor

import (
	"net/netip"
	"time"
)

// Facts are what there is to know of a machine. A fact that does not exist on
// a system has its zero value there.
type Facts struct {
	System  string // as GOOS has it
	Program string // path of the running program

	Raw     RawFacts
	Forced  bool  // --mode raw: without raw sockets there is nothing
	Kernel  error // nil: measuring by ordinary sockets is possible
	Process ProcessFacts
	File    FileFacts
	Spaces  SpaceFacts

	Interfaces []Interface
	Firewall   FirewallFacts
	Targets    []TargetFacts

	Clock       ClockFacts
	Resolver    ResolverFacts
	Databases   []Database
	BadFiles    []error // databases that cannot be read
	DatabaseDir []string
	Ledger      LedgerFacts
	Disks       []Disk
	Left        LeftFacts
	Files       Limit // descriptors
}

// RawFacts are what became of opening raw sockets, as a run does it: nil where
// it works.
type RawFacts struct{ Err4, Err6 error }

// Capabilities is a set, bit n for capability n (capabilities(7)).
type Capabilities uint64

// NetRaw is CAP_NET_RAW of linux/capability.h.
const NetRaw Capabilities = 1 << 13

// ProcessFacts are what the process may do.
type ProcessFacts struct {
	UID                            int // effective; -1: the system has none
	Permitted, Effective, Bounding Capabilities
	NoNewPrivs                     bool
	UserNamespace                  bool // not the machine's first one
	Cgo                            bool // the build uses cgo, and so cannot give privileges up in all threads
	Err                            error
}

// FileFacts are what the program's file gives to who runs it.
type FileFacts struct {
	Permitted Capabilities // of the attribute security.capability
	Effective bool
	NoSUID    bool // its mount ignores the attribute
	Err       error
}

// SpaceFacts are about namespaces for the emulated paths of the demo.
type SpaceFacts struct {
	Err      error // of making one; nil: it works
	Max      int   // user.max_user_namespaces; -1: unknown
	MaxNet   int   // user.max_net_namespaces; -1: unknown
	Disabled bool  // kernel.unprivileged_userns_clone is 0 (Debian)
	AppArmor bool  // kernel.apparmor_restrict_unprivileged_userns is 1 (Ubuntu)
}

// Interface is one that is up and is not the loopback.
type Interface struct {
	Name       string
	Offloads   []string // that are on: gro, lro, tso, gso
	PathFilter int      // rp_filter in effect: 0 off, 1 strict, 2 loose
	Routed     bool     // it has an address, so packets may leave by it
}

// FirewallFacts are the packet filters of this machine.
type FirewallFacts struct {
	Readable bool     // the rules could be listed
	Chains   []string // that see our packets and may drop or change them, as "family table chain"
	Legacy   []string // tables of the older iptables, IPv4 and IPv6
	Modules  bool     // a packet filter is loaded; all that is known if not Readable
}

// TargetFacts are what became of connection attempts that no router lets pass.
type TargetFacts struct {
	Name     string // as typed
	Addr     netip.AddrPort
	Local    bool // an address of this machine
	Neighbor bool // on a link of this machine, so that no router is between
	Err      error

	Answered bool          // a SYN with a TTL of 1 was answered
	Refused  bool          // by a reset
	After    time.Duration // how fast, on the monotonic clock
	MinTTL   int           // the highest of 64, 128 and 255 that the answer's TTL reached; 0: none of them, or not known
}

// ClockFacts are about times.
type ClockFacts struct {
	Known    bool
	Synced   bool          // by NTP or the like, as the kernel knows it
	Step     time.Duration // how far the wall clock moved against the monotonic one
	Observed time.Duration // in this time
}

// ResolverFacts are the DNS configuration; nothing is asked.
type ResolverFacts struct {
	Known   bool
	Servers []netip.Addr
	NoRoute []netip.Addr // those that this machine has no route to
	Err     error
}

// Database is an MMDB file.
type Database struct {
	Path, Type string
	Built      time.Time
	Age        time.Duration
}

// LedgerFacts are about the file that keeps what is blocked until when.
type LedgerFacts struct {
	Path   string // "": none is kept
	Err    error  // it cannot be read or written
	Locked bool   // by another process, right now
	Aside  string // an unreadable one that was set aside; "": none
}

// Disk is the room in a directory that results go to.
type Disk struct {
	Dir      string
	Free     uint64 // bytes that we may use
	Inodes   uint64 // files that we may make
	Writable bool
	Err      error
}

// LeftFacts are remains of runs that were killed.
type LeftFacts struct {
	Temporary []string // files
	Orphans   []int    // processes of demos whose parent is gone
}

// Limit is a resource limit.
type Limit struct {
	Known bool
	Max   uint64
}
