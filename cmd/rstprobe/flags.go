package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/internal/wire/engine"
)

// Groups of the help, in the order in which it shows them.
const (
	groupTests   = "Tests"
	groupPath    = "Path"
	groupSending = "Sending"
	groupOutput  = "Output"
	groupDemo    = "Demo"
	groupOther   = "Other"
)

// Defaults and limits of flags.
const (
	defaultMaxTTL = 30
	maxMaxTTL     = 64 // the initial TTL of our own packets
	defaultRepeat = 3
	maxRepeat     = 100
	maxRate       = 1_000_000
)

// testFlags say what is asked about.
func testFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "syn", Category: groupTests, Usage: "test a bare SYN"},
		argv.NewOptFlag("sni", "NAMES", groupTests,
			"test a TLS ClientHello with each server name (a,b or @FILE); alone: the target's own name"),
		argv.NewOptFlag("host", "NAMES", groupTests,
			"test an HTTP request with each Host (a,b or @FILE); alone: the target's own name"),
		&cli.StringSliceFlag{Name: "control", Category: groupTests,
			Usage: "harmless `NAME` to compare with; repeatable (default: one under example.com or example.org, as long as the test name)"},
		&cli.StringFlag{Name: "control-address", Category: groupTests,
			Usage: "repeat the test at this `IP`, known to be good and on the same path, and compare"},
		&argv.WordFlag{Words: words(payload.Plain, payload.Chrome, payload.Firefox), StringFlag: cli.StringFlag{Name: "hello", Category: groupTests, Value: string(payload.Plain),
			Usage: "look of the ClientHello: `SHAPE` is plain, chrome or firefox"}},
		&argv.WordFlag{Words: words(synLinux, synNone), StringFlag: cli.StringFlag{Name: "syn-options", Category: groupTests, Value: synLinux,
			Usage: "options of our SYN: `SET` is linux (as Linux sends them) or none (a 20-byte header, on which some boxes insist)"}},
		&cli.IntFlag{Name: "repeat", Category: groupTests, Value: defaultRepeat,
			Usage: "ask every question `N` times (1 to 100); also the votes per location"},
		&argv.ListFlag{StringSliceFlag: cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}, Category: groupTests,
			Usage: "read targets from `FILE`, one per line, # comments; - is standard input; repeatable"}},
	}
}

// traceFlags say whether and how the path is searched.
func traceFlags() []cli.Flag {
	return append([]cli.Flag{
		&argv.WordFlag{Words: words(diagnosis.TraceAuto, diagnosis.TraceAlways, diagnosis.TraceNever), StringFlag: cli.StringFlag{Name: "trace", Category: groupPath, Value: string(diagnosis.TraceAuto),
			Usage: "when to trace the path: `WHEN` is auto (when something interferes), always or never"}},
	}, pathFlags()...)
}

func pathFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "max-ttl", Category: groupPath, Value: defaultMaxTTL, Usage: "go no further than `N` hops (1 to 64)"},
	}
}

// sendFlags say how packets leave.
func sendFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "ipv4", Aliases: []string{"4"}, Category: groupSending, Usage: "use IPv4 only"},
		&cli.BoolFlag{Name: "ipv6", Aliases: []string{"6"}, Category: groupSending, Usage: "use IPv6 only"},
		&cli.BoolFlag{Name: "all-ips", Category: groupSending, Usage: "probe every address of a name, each as a target of its own (default: the first)"},
		&cli.StringFlag{Name: "interface", Category: groupSending, Usage: "send by interface `NAME` (default: as the system routes)"},
		&cli.StringFlag{Name: "source", Category: groupSending, Usage: "send from `IP`, an address of this machine"},
		&argv.WordFlag{Words: words(modeAuto, modeRaw, modeKernel), StringFlag: cli.StringFlag{Name: "mode", Category: groupSending, Value: modeAuto,
			Usage: "how packets are exchanged: `MODE` is raw (raw sockets), kernel (ordinary sockets, without any privilege) or auto (raw if allowed)"}},
		&cli.IntFlag{Name: "rate", Category: groupSending, Value: engine.DefaultRate, Usage: "send at most `PPS` packets per second; up to a tenth of them, and 64, at once"},
		&cli.DurationFlag{Name: "timeout", Category: groupSending,
			Usage: "longest wait for a silent answer, a `DURATION` such as 500ms or 2s (default: from the measured round trip)"},
		&cli.Uint64Flag{Name: "seed", Category: groupSending, Usage: "seed of random order, names and numbers, a number `N` (default: a new one each run)"},
	}
}

// outputFlags say where results go.
func outputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "json", Category: groupOutput, Usage: "print one JSON object per target and line"},
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Category: groupOutput,
			Usage: "also write `FILE`, in the format of its extension (" + outputFormats + "); repeatable"},
		redactFlag(),
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: groupOutput, Usage: "show no progress"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: groupOutput, Usage: "print every packet to standard error"},
		&cli.BoolFlag{Name: "very-verbose", Aliases: []string{"vv"}, Category: groupOutput, Usage: "like -v, and also say why the packets are sent"},
		explainFlag(),
		&cli.BoolFlag{Name: "no-color", Category: groupOutput, Usage: "use no colours (also: NO_COLOR=1)"},
	}
}

// explainFlag lets a result say how it came about.
func explainFlag() cli.Flag {
	return &cli.BoolFlag{Name: "explain", Category: groupOutput,
		Usage: "also print how the verdict came about: what was asked, each rule for and against, how the place was found; with --json to standard error"}
}

// redactFlag keeps who measured out of all outputs.
func redactFlag() cli.Flag {
	return &cli.IntFlag{Name: "redact", Category: groupOutput,
		Usage: "hide our own address and the first `N` hops in everything that is written, captures included; 0: our address only"}
}

func demoFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "list", Category: groupDemo, Usage: "list the cases"},
	}
}

func generalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: configFlag, Category: groupOther,
			Usage: "read settings from `FILE`; none: from no file (default: ~/.config/rstprobe/config.yaml and " + systemConfigPath + ")"},
		&cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Category: groupOther, Usage: "show this help"},
	}
}

func versionFlag() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "version", Category: groupOther, Usage: "show the version"},
	}
}

func join(groups ...[]cli.Flag) []cli.Flag { return slices.Concat(groups...) }

// words are the words of an argv.WordFlag.
func words[T ~string](all ...T) []string {
	out := make([]string, len(all))
	for i, w := range all {
		out[i] = string(w)
	}
	return out
}

// wordsOf are the words that the named flag takes; none unless it is an
// argv.WordFlag.
func wordsOf(flags []cli.Flag, name string) []string {
	for _, f := range flags {
		if w, ok := f.(*argv.WordFlag); ok && w.Name == name {
			return w.Words
		}
	}
	return nil
}
