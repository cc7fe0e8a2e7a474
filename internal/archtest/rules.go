package archtest

// Any in the Imports of a Package allows every package of this module.
const Any = "*"

// Package is one row of the table of arrows. Names are import paths without
// the module's prefix.
type Package struct {
	Name    string
	Imports []string // what its code may import of this module
	Tests   []string // what its tests may import besides
	Why     string
}

// Packages lists every package of this module.
var Packages = []Package{
	{
		Name: "internal/packet",
		Why:  "a datagram as a value stands on nothing else of ours",
	},
	{
		Name: "internal/payload",
		Why:  "what is said inside a segment knows nothing of segments",
	},
	{
		Name:  "internal/dialogue",
		Tests: []string{"internal/lab", "internal/payload"},
		Why:   "what is said in turn inside TLS knows nothing of segments either",
	},
	{
		Name:    "internal/flow",
		Imports: []string{"internal/packet"},
		Why:     "a record is packets in order, unjudged",
	},
	{
		Name:    "internal/residual",
		Imports: []string{"internal/packet"},
		Why:     "what is blocked until when is a matter of addresses, ports and times",
	},
	{
		Name:    "internal/residual/ledgerfile",
		Imports: []string{"internal/residual"},
		Tests:   []string{"internal/packet"},
		Why:     "keeps a ledger in a file, so that its package need not know of files",
	},
	{
		Name:    "probe",
		Imports: []string{"internal/packet", "internal/payload", "internal/flow"},
		Why:     "judging needs the record and what was said; how it was carried must not be visible",
	},
	{
		Name:    "traceroute",
		Imports: []string{"internal/packet", "internal/flow", "probe"},
		Why:     "places a box by comparing records, and states it as probe.Evidence",
	},
	{
		Name: "internal/diagnosis",
		Imports: []string{
			"internal/packet", "internal/payload", "internal/flow", "internal/residual",
			"probe", "traceroute",
		},
		Tests: []string{
			"internal/lab", "internal/lab/middlebox", "internal/lab/simnet", "internal/lab/netlab", "internal/lab/cases",
			"internal/wire", "internal/wire/engine", "internal/wire/rawsock",
		},
		Why: "orders trials and puts verdict and place together, over the Exchanger that it is given",
	},
	{
		Name:    "internal/capture",
		Imports: []string{"internal/packet", "internal/flow", "internal/wire/pcapio"},
		Tests:   []string{"internal/capture/capturetest", "internal/payload"},
		Why:     "turns files into packets; what they mean is for others",
	},
	{
		Name:    "internal/capture/capturetest",
		Imports: []string{"internal/packet", "internal/payload", "internal/flow", "internal/wire/pcapio"},
		Why:     "makes captures for tests and benchmarks",
	},
	{
		Name:    "internal/explain",
		Imports: []string{"internal/packet", "internal/payload", "internal/flow", "internal/explain/join", "probe", "traceroute"},
		Tests:   []string{"internal/capture"},
		Why:     "explains conversations by the functions that judge live trials; it reads no file",
	},
	{
		Name:    "internal/explain/join",
		Imports: []string{"probe"},
		Why:     "reads what kernels say of connections; what it means for a reset is for others",
	},
	{
		Name:    "internal/explain/sweep",
		Imports: []string{"internal/packet", "internal/payload", "internal/flow", "internal/explain", "probe", "traceroute"},
		Tests:   []string{"internal/capture"},
		Why:     "reads a captured sweep by the functions that place a box live",
	},
	{
		Name:    "internal/explain/twoends",
		Imports: []string{"internal/packet", "internal/payload", "internal/flow", "internal/explain", "probe", "traceroute"},
		Tests:   []string{"internal/capture", "internal/lab", "internal/lab/middlebox", "internal/lab/simnet", "internal/lab/cases", "internal/wire", "internal/wire/engine"},
		Why:     "holds two captures of the same traffic against each other",
	},
	{
		Name:    "report",
		Imports: []string{"probe", "traceroute", "internal/flow", "internal/diagnosis", "internal/explain", "internal/explain/sweep", "internal/explain/twoends", "internal/packet", "internal/payload", "internal/terminal", "internal/wire/pcapio", "report/ooni"},
		Tests:   []string{"report/ooni/oonitest"},
		Why:     "renders a result; it decides nothing",
	},
	{
		Name: "report/ooni",
		Why:  "a data format of others, as they define it",
	},
	{
		Name: "report/ooni/oonitest",
		Why:  "reads that format as its readers do; sharing code with the writer would hide mistakes",
	},
	{
		Name:    "internal/wire",
		Imports: []string{"internal/packet"},
		Why:     "the low seam carries bytes of one datagram",
	},
	{
		Name:    "internal/wire/utcp",
		Imports: []string{"internal/packet", "internal/flow"},
		Why:     "a TCP client without input or output: given packets and the time, it returns packets, a deadline and its record",
	},
	{
		Name: "internal/wire/engine",
		Imports: []string{
			"internal/packet", "internal/payload", "internal/dialogue", "internal/flow",
			"internal/wire", "internal/wire/utcp", "internal/wire/pcapio", "probe",
		},
		Tests: []string{"internal/lab", "internal/lab/middlebox", "internal/lab/simnet"},
		Why:   "implements probe.Exchanger over a wire.Wire, on any of them, and can keep every packet",
	},
	{
		Name:    "internal/wire/rawsock",
		Imports: []string{"internal/packet", "internal/wire"},
		Why:     "the Wire of an operating system",
	},
	{
		Name:    "internal/wire/pcapio",
		Imports: []string{"internal/packet", "internal/flow"},
		Why:     "capture files in and out",
	},
	{
		Name:    "internal/lab/middlebox",
		Imports: []string{"internal/packet", "internal/payload"},
		Why:     "a box is a function of packets, on any path",
	},
	{
		Name:    "internal/lab",
		Imports: []string{"internal/lab/middlebox"},
		Why:     "describes a world as a value",
	},
	{
		Name:    "internal/lab/simnet",
		Imports: []string{"internal/dialogue", "internal/lab", "internal/lab/middlebox", "internal/packet", "internal/payload", "internal/wire"},
		Why:     "builds a world in memory and is its Wire; it must not know who measures it",
	},
	{
		Name:    "internal/wire/kernelconn",
		Imports: []string{"internal/packet", "internal/dialogue", "internal/flow", "probe"},
		Why:     "an exchanger on ordinary sockets has no datagrams, and so no wire",
	},
	{
		Name:    "internal/lab/netlab",
		Imports: []string{"internal/lab", "internal/lab/middlebox", "internal/packet", "internal/payload", "internal/wire"},
		Why:     "builds the same world from kernels; it must not know who measures it",
	},
	{
		Name: "internal/lab/cases",
		Imports: []string{
			"internal/lab", "internal/lab/middlebox", "internal/packet", "internal/payload", "internal/residual",
			"probe", "traceroute", "internal/diagnosis",
		},
		Tests: []string{
			"internal/lab/simnet", "internal/lab/netlab", "internal/capture", "internal/explain", "internal/flow",
			"internal/wire", "internal/wire/engine", "internal/wire/rawsock", "internal/wire/kernelconn", "internal/wire/pcapio", "report", "report/ooni/oonitest",
		},
		Why: "worlds and the answers expected in them are data; only their tests run them",
	},
	{
		Name: "internal/argv",
		Why:  "puts arguments in order for the command-line library and knows nothing of what they mean",
	},
	{
		Name: "internal/terminal",
		Why:  "knows characters and columns; it opens no terminal",
	},
	{
		Name: "internal/config",
		Why:  "reads YAML with places; which keys there are is for others",
	},
	{
		Name:    "internal/hopinfo",
		Imports: []string{"internal/terminal"},
		Why:     "says what is known of an address besides the address; it has no say in a verdict",
	},
	{
		Name: "internal/privilege",
		Why:  "gives privileges up and knows nothing of what they were for",
	},
	{
		Name:  "internal/doctor",
		Tests: []string{"internal/lab", "internal/lab/netlab"},
		Why:   "judges facts about the machine; how sockets are opened it is told",
	},
	{
		Name:    "internal/watch/watchfile",
		Imports: []string{"internal/config", "internal/payload", "internal/diagnosis", "internal/watch/alert", "probe"},
		Why:     "says what is watched and who is told; what a check asks is the command line's to choose",
	},
	{
		Name: "internal/watch/timetable",
		Why:  "says when, from a name and a secret alone",
	},
	{
		Name:    "internal/watch/state",
		Imports: []string{"probe", "traceroute", "report"},
		Why:     "reads results as they are stored, so that a state can be derived again",
	},
	{
		Name:    "internal/watch/period",
		Imports: []string{"internal/watch/state", "probe", "traceroute", "report"},
		Why:     "says what a check was like between two times, from what is stored; it opens no store",
	},
	{
		Name:    "internal/watch/alert",
		Imports: []string{"internal/watch/state", "probe"},
		Why:     "who is to be told what follows from states and times alone",
	},
	{
		Name:    "internal/watch/alert/deliver",
		Imports: []string{"internal/watch/alert", "internal/watch/store", "internal/privilege"},
		Tests:   []string{"internal/watch/state", "internal/testenv", "probe", "report"},
		Why:     "the network and the programs by which receivers are told",
	},
	{
		Name:    "internal/watch/store",
		Imports: []string{"internal/watch/alert", "internal/watch/period", "internal/watch/state", "probe", "report"},
		Why:     "keeps results and what was made of them; it makes nothing of them itself",
	},
	{
		Name:    "internal/watch/metrics",
		Imports: []string{"internal/watch/alert", "internal/watch/period", "internal/watch/state", "internal/watch/store", "internal/watch/watchfile", "probe", "report"},
		Why:     "shows what it is told",
	},
	{
		Name:    "internal/watch/page",
		Imports: []string{"internal/argv", "internal/watch/period", "internal/watch/state", "internal/watch/store", "internal/watch/watchfile", "probe", "report"},
		Tests:   []string{"internal/diagnosis", "traceroute"},
		Why:     "shows what it is told and what is stored; who may see it is the server's to decide",
	},
	{
		Name:    "internal/watch/server",
		Imports: []string{"internal/config"},
		Why:     "who may ask, and over what; what is answered it is given",
	},
	{
		Name:    "internal/watch/exporter",
		Imports: []string{"internal/payload", "internal/watch/watchfile", "probe", "report"},
		Tests:   []string{"internal/diagnosis"},
		Why:     "what may be probed, and what Prometheus reads of it; how it is measured it is given",
	},
	{
		Name:    "internal/watch",
		Imports: []string{"internal/watch/alert", "internal/watch/state", "internal/watch/store", "internal/watch/timetable", "internal/watch/watchfile", "report"},
		Tests:   []string{"internal/diagnosis", "internal/watch/metrics", "probe"},
		Why:     "the clock and the goroutines of watching; how a check is measured it is given",
	},
	{
		Name: "internal/sdnotify",
		Why:  "a protocol of the system manager, and nothing else",
	},
	{
		Name:  "contrib",
		Tests: []string{"internal/watch/metrics", "internal/watch/state", "internal/watch/store", "internal/watch/watchfile", "probe", "report"},
		Why:   "files for other programs; its tests let those programs, and ours, read them",
	},
	{
		Name: "internal/testenv",
		Why:  "says what a test needs of the machine",
	},
	{
		Name:    "internal/browsertest",
		Imports: []string{"internal/testenv"},
		Why:     "looks at pages in a browser, for tests of any package that writes HTML",
	},
	{
		Name: "internal/archtest",
		Why:  "reads source files",
	},
	{
		Name:    "cmd/rstprobe",
		Imports: []string{Any},
		Why:     "wiring: the only place that picks an Exchanger",
	},
}

// TestImports are the packages of this module that any test may import.
var TestImports = []string{"internal/testenv", "internal/browsertest"}

// Module is a row of the table of packages that are not ours, and not plain
// standard library: where they may be used, and why only there.
type Module struct {
	Path  string   // an import path, and all below it
	Users []string // packages of this module whose code may import it
	Tests []string // packages whose tests may, besides; Any for all
	Why   string
}

// Modules lists the foreign imports. Of several rows the longest path counts.
// An import that has a dot in its first element must have a row.
var Modules = []Module{
	{
		Path:  "github.com/google/gopacket",
		Users: []string{"internal/packet", "internal/wire/pcapio"},
		Why:   "unmaintained: no type of it in any signature of ours",
	},
	{
		Path:  "github.com/google/gopacket/layers",
		Users: []string{"internal/packet"},
		Tests: []string{"internal/wire/pcapio"},
		Why:   "crafts headers, and is the oracle of our parser; its own parser loses fragments and short quotes",
	},
	{
		Path:  "github.com/google/gopacket/pcapgo",
		Tests: []string{"internal/wire/pcapio", "internal/capture"},
		Why:   "a second reader and writer of capture files, to compare ours with",
	},
	{
		Path:  "github.com/refraction-networking/utls",
		Users: []string{"internal/payload"},
		Why:   "the ClientHello of a browser",
	},
	{
		Path:  "github.com/urfave/cli/v2",
		Users: []string{"internal/argv", "cmd/rstprobe"},
		Why:   "flags and help",
	},
	{
		Path:  "github.com/goccy/go-yaml",
		Users: []string{"internal/config"},
		Why:   "one reader of configuration, which shows the place of a mistake",
	},
	{
		Path:  "modernc.org/sqlite",
		Users: []string{"internal/watch/store"},
		Why:   "one reader and writer of the history",
	},
	{
		Path:  "github.com/prometheus/client_golang",
		Users: []string{"internal/watch/metrics", "internal/watch/exporter"},
		Why:   "the exposition of metrics; what is counted is told to those packages",
	},
	{
		Path:  "github.com/prometheus/exporter-toolkit",
		Users: []string{"internal/watch/server"},
		Why:   "TLS and users by the convention of Prometheus",
	},
	{
		Path:  "golang.org/x/net/idna",
		Users: []string{"internal/payload", "cmd/rstprobe"},
		Why:   "host names as DNS and TLS write them",
	},
	{
		Path:  "golang.org/x/net/dns/dnsmessage",
		Tests: []string{"cmd/rstprobe"},
		Why:   "a resolver that says what a test needs; the program asks the system's",
	},
	{
		Path:  "golang.org/x/net/bpf",
		Users: []string{"internal/wire/rawsock"},
		Why:   "receive filters",
	},
	{
		Path:  "golang.org/x/sys/unix",
		Users: []string{"internal/wire/rawsock", "internal/wire/kernelconn", "internal/lab/netlab", "internal/residual/ledgerfile", "internal/testenv", "internal/privilege", "internal/doctor", "cmd/rstprobe"},
		Why:   "the operating system is behind the wires, the sockets and the wiring",
	},
	{
		Path:  "syscall",
		Users: []string{"internal/watch/alert/deliver", "internal/wire/rawsock", "internal/wire/kernelconn", "internal/lab/netlab", "internal/testenv", "internal/privilege", "internal/doctor", "cmd/rstprobe"},
		Tests: []string{"internal/lab/cases"},
		Why:   "as golang.org/x/sys/unix",
	},
	{
		Path:  "golang.org/x/sys/windows",
		Users: []string{"internal/wire/kernelconn"},
		Why:   "socket options and the numbers of errors there",
	},
	{
		Path:  "golang.org/x/time/rate",
		Users: []string{"internal/wire/engine", "internal/wire/kernelconn", "internal/watch/server"},
		Why:   "the ceilings on packets, on wrong tokens and on lines of the log per second",
	},
	{
		Path:  "github.com/oschwald/maxminddb-golang/v2",
		Users: []string{"internal/hopinfo"},
		Why:   "reads databases of networks",
	},
	{
		Path:  "github.com/maxmind/mmdbwriter",
		Tests: []string{"internal/hopinfo", "cmd/rstprobe"},
		Why:   "writes the databases that tests read",
	},
	{
		Path:  "golang.org/x/term",
		Users: []string{"cmd/rstprobe"},
		Why:   "colour and progress only on a terminal",
	},
	{
		Path:  "github.com/vishvananda/netlink",
		Users: []string{"internal/lab/netlab"},
		Tests: []string{"internal/wire/rawsock"},
		Why:   "links, addresses and routes of the namespace lab",
	},
	{
		Path:  "github.com/vishvananda/netns",
		Users: []string{"internal/lab/netlab"},
		Tests: []string{"internal/wire/rawsock"},
		Why:   "namespaces of the namespace lab",
	},
	{
		Path:  "github.com/google/nftables",
		Users: []string{"internal/lab/netlab", "internal/doctor"},
		Tests: []string{"internal/wire/rawsock"},
		Why:   "the kernel's packet filter as a censor in the lab, and listed by the doctor; the tool itself installs no rule",
	},
	{
		Path:  "github.com/google/go-cmp",
		Tests: []string{Any},
		Why:   "differences in test failures",
	},
	{
		Path:  "github.com/santhosh-tekuri/jsonschema/v6",
		Tests: []string{Any},
		Why:   "every JSON output is validated against the published schema",
	},
	{
		Path:  "github.com/chromedp/chromedp",
		Users: []string{"internal/browsertest"},
		Why:   "drives the browser in which tests look at pages",
	},
	{
		Path:  "github.com/chromedp/cdproto",
		Users: []string{"internal/browsertest"},
		Why:   "the commands and events of that browser",
	},
	{
		Path:  "github.com/rogpeppe/go-internal",
		Tests: []string{"cmd/rstprobe"},
		Why:   "scripts that drive the command as a user does",
	},
}

// Pure lists the packages whose code judges, crafts or renders without
// touching an operating system, so that every result can be derived again
// from stored packets.
var Pure = []string{
	"internal/packet", "internal/payload", "internal/flow", "internal/residual", "internal/wire/utcp", "internal/lab/middlebox",
	"probe", "traceroute", "internal/diagnosis", "internal/explain", "internal/explain/join", "internal/explain/sweep", "internal/explain/twoends", "report",
	"internal/watch/timetable", "internal/watch/state", "internal/watch/alert", "internal/watch/watchfile", "internal/watch/period",
}

// Impure lists the parts of the standard library that pure code must not
// import, by exact path, with the packages that may nevertheless.
var Impure = map[string][]string{
	"net":       nil, // net/netip is a value and is allowed
	"net/http":  nil,
	"os":        {"report"}, // writes the files that it was asked for
	"os/exec":   nil,
	"os/signal": nil,
	"syscall":   nil,
	"unsafe":    nil,
}

// The longest files, in lines. One concept fits in fewer.
const (
	MaxLines     = 500
	MaxTestLines = 800
)
