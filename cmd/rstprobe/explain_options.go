package main

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/report"
)

// The languages of summary sentences.
const (
	english = "en"
	chinese = "zh"
)

// captureFormats are the extensions of --output of explain, for the help.
const captureFormats = ".html .json .jsonl .md .pcapng .txt"

// maxMaxFlows is a bound that no memory would hold, to refuse mistakes.
const maxMaxFlows = 100_000_000

// Groups of the help of explain.
const groupCapture = "Capture"

// explainFlags say what of a capture is explained, and how.
func explainFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "control", Category: groupCapture, TakesFile: true,
			Usage: "hold a TTL-limited sweep (one connection per TTL) in FILE against the same with a harmless name in the capture `CONTROL`, and locate the box"},
		&cli.StringFlag{Name: "server", Category: groupCapture, TakesFile: true,
			Usage: "hold FILE, captured at the client, against the capture `SERVER` of the same traffic at the server; addresses and clocks may differ"},
		&cli.StringFlag{Name: "reset-reasons", Category: groupCapture, TakesFile: true,
			Usage: "hold the resets against what a Linux kernel says of them: `TRACE` is text with lines of the tracepoints tcp:tcp_send_reset and tcp:tcp_receive_reset"},
		&cli.StringFlag{Name: "sockets", Category: groupCapture, TakesFile: true,
			Usage: "show with the resets what became of the sockets: `LIST` is what ss -tan or ss -tino printed on one of the hosts"},
		&cli.StringFlag{Name: "flow", Category: groupCapture,
			Usage: "explain only the connection between two ends, in any order: `A,B` such as 192.0.2.1:40000,198.51.100.7:443"},
		&cli.StringFlag{Name: "host", Category: groupCapture, Usage: "explain only connections of this address or network, `ADDR` such as 192.0.2.1 or 2001:db8::/32"},
		&cli.IntFlag{Name: "port", Category: groupCapture, Usage: "explain only connections with port `N` at either end"},
		&argv.WordFlag{Words: words(report.ListResets, report.ListAll), StringFlag: cli.StringFlag{Name: "only", Category: groupCapture,
			Usage: "what to list: `WHAT` is resets (not what broke off without one), or all (every finding by itself, harmless ones too; unless given, those alike are told together and harmless ones counted)"}},
		&cli.IntFlag{Name: "max-flows", Category: groupCapture, DefaultText: strconv.Itoa(flow.DefaultMaxFlows) + " and " + strconv.Itoa(explain.DefaultMaxFlows),
			Usage: "follow at most `N` connections at a time, and explain at most as many: bounds the memory"},
		&argv.WordFlag{Words: words(english, chinese), StringFlag: cli.StringFlag{Name: "lang", Category: groupCapture, Value: english,
			Usage: "language of the summary sentences: `LANG` is en or zh"}},
		&cli.BoolFlag{Name: "json", Category: groupOutput, Usage: "print one JSON object"},
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Category: groupOutput,
			Usage: "also write `FILE`, in the format of its extension (" + captureFormats + "); .html is one page with the conversations drawn, .pcapng the packets that are cited, each with a comment; repeatable"},
		&cli.IntFlag{Name: "redact", Category: groupOutput,
			Usage: "hide the addresses of clients, and of a sweep the first `N` hops, in everything that is written, captures included; 0: the clients only"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: groupOutput, Usage: "show no progress"},
		&cli.BoolFlag{Name: "no-color", Category: groupOutput, Usage: "use no colours (also: NO_COLOR=1)"},
	}
}

// explainOptions are the flags of explain, checked.
type explainOptions struct {
	output
	control  string // a capture; "": none
	server   string // likewise
	reasons  string // a text file; "": none
	sockets  string // likewise
	filter   filter
	only     report.Listing // "": everything, but what is harmless only counted
	maxFlows int            // 0: the defaults
	chinese  bool
}

func explainOptionsFrom(c *cli.Context) (o explainOptions, err error) {
	if o.output, err = outputFrom(c, report.CheckCapturePath); err != nil {
		return o, err
	}
	for _, f := range []struct {
		flag, kind string
		to         *string
	}{{"control", "capture", &o.control}, {"server", "capture", &o.server}, {"reset-reasons", "text", &o.reasons}, {"sockets", "text", &o.sockets}} {
		if *f.to = c.String(f.flag); c.IsSet(f.flag) && *f.to == "" {
			return o, usagef("--%s: write the name of a %s file", f.flag, f.kind)
		}
	}
	if o.control != "" && o.server != "" {
		return o, usagef("--control and --server exclude each other: write one of them, then the other")
	}
	if o.filter, err = filterFrom(c); err != nil {
		return o, err
	}
	if c.IsSet("only") {
		if o.only, err = oneOf[report.Listing](c, "only"); err != nil {
			return o, err
		}
	}
	if o.maxFlows = c.Int("max-flows"); c.IsSet("max-flows") && (o.maxFlows < 1 || o.maxFlows > maxMaxFlows) {
		return o, usagef("--max-flows is %d: write a number from 1 to %d", o.maxFlows, maxMaxFlows)
	}
	lang, err := oneOf[string](c, "lang")
	o.chinese = lang == chinese
	return o, err
}

// filter says which connections are explained. Zero fields admit all.
type filter struct {
	ends [2]netip.AddrPort // of one connection, in any order
	host netip.Prefix
	port uint16
}

// admits reports whether a connection is to be explained.
func (f filter) admits(k packet.Key) bool {
	a, b := k.Local, k.Remote
	return (!f.ends[0].IsValid() || f.ends == [2]netip.AddrPort{a, b} || f.ends == [2]netip.AddrPort{b, a}) &&
		(!f.host.IsValid() || f.host.Contains(a.Addr()) || f.host.Contains(b.Addr())) &&
		(f.port == 0 || f.port == a.Port() || f.port == b.Port())
}

func filterFrom(c *cli.Context) (f filter, err error) {
	if s := c.String("flow"); c.IsSet("flow") {
		first, second, _ := strings.Cut(s, ",")
		for i, word := range []string{first, second} {
			end, err := netip.ParseAddrPort(strings.TrimSpace(word))
			if err != nil || end.Port() == 0 {
				return f, usagef("--flow: %q does not name two ends: write such as 192.0.2.1:40000,198.51.100.7:443 or [2001:db8::1]:40000,[2001:db8::7]:443", s)
			}
			f.ends[i] = netip.AddrPortFrom(end.Addr().Unmap(), end.Port())
		}
	}
	if s := c.String("host"); c.IsSet("host") {
		if f.host, err = prefix(s); err != nil {
			return f, usagef("--host: %q is no address: write one such as 192.0.2.1, 2001:db8::1 or 192.0.2.0/24", s)
		}
	}
	if n := c.Int("port"); c.IsSet("port") {
		if f.port = uint16(n); n < 1 || int(f.port) != n { //nolint:gosec // checked in the same breath
			return f, usagef("--port is %d: write a number from 1 to 65535", n)
		}
	}
	return f, nil
}

// prefix reads an address, in brackets or not, or a network.
func prefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	ip, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Prefix{}, err
	}
	ip = ip.Unmap().WithZone("")
	return netip.PrefixFrom(ip, ip.BitLen()), nil
}
