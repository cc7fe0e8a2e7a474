package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/capture"
	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/explain/sweep"
	"github.com/rstprobe/rstprobe/internal/explain/twoends"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/report"
)

// explain is the explain command: it says of every reset and every broken-off
// conversation in a capture who ended it, and why.
func (p *program) explain(c *cli.Context) error {
	if err := misplaced(c); err != nil {
		return err
	}
	o, err := explainOptionsFrom(c)
	if err != nil {
		return err
	}
	p.stderr = o.redact.Writer(p.stderr)
	if c.NArg() != 1 {
		return usagef("explain reads one capture: write explain FILE, or explain - for standard input")
	}
	name := c.Args().First()
	if name == "-" && (o.control == "-" || o.server == "-") {
		return usagef("standard input can be read only once: write the name of a file for one of the captures")
	}
	read := []string{name, o.control, o.server, o.reasons, o.sockets}
	if err := o.apart(read...); err != nil {
		return err
	}
	defer p.spendMemory()()
	reread := p.reread(c.Context, name)
	for _, path := range o.files {
		if reread == nil && report.NeedsReread(path) {
			return usagef("-o %s: picking packets needs to read the capture twice, and %s can be read only once: write the name of a file", path, name)
		}
	}
	// What is read may come from anybody. Reading takes no privilege, but the
	// superuser's to reach the files of others.
	if err := p.sys.drop(slices.Concat(read, o.files)...); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	doc, err := p.explained(c.Context, name, o)
	if err != nil {
		return err
	}
	p.code = report.ExitCode(doc.Verdict.Outcome)
	if doc.Interrupted {
		p.code = exitInterrupted
		reread = p.reread(context.WithoutCancel(c.Context), name) // of what was read until then
	}
	return p.writeExplanation(o.redact.Capture(doc), o, o.redact.Reread(reread))
}

// explained reads one capture, once, and explains what was asked for.
func (p *program) explained(ctx context.Context, name string, o explainOptions) (doc report.Capture, err error) {
	e := explain.New(o.maxFlows)
	e.Only(o.filter.admits)
	if err := p.join(e, o); err != nil {
		return doc, err
	}
	cfg := flow.Config{MaxFlows: o.maxFlows, Want: e.Wants, Yield: func(c *flow.Conversation) { e.Add(*c) }}
	all, ends := conversations{explainOptions: o}, twoends.New(o.maxFlows)
	switch {
	case o.control != "":
		cfg.Want = nil // those that went well are part of a sweep
		cfg.Yield = func(c *flow.Conversation) { e.Add(*c); all.add(c) }
	case o.server != "":
		cfg.Want = nil // what arrived says what did not
		cfg.Yield = func(c *flow.Conversation) {
			e.Add(*c)
			if o.filter.admits(c.Key) {
				ends.Add(twoends.Client, *c)
			}
		}
	}
	stats, end, err := p.scan(ctx, name, cfg, o.output)
	if err != nil {
		return doc, err
	}
	if end.damage != nil || end.interrupted {
		e.Cut()
	}
	doc = report.NewCapture(e.Finish(), report.CaptureMeta{
		Version: version(), File: name, Start: stats.Start, Duration: stats.Duration,
		Packets: stats.Packets, Unreadable: stats.Unreadable, Truncated: stats.Truncated, Dropped: stats.Dropped,
		Damage: end.damage, Interrupted: end.interrupted,
	})
	if o.only == report.ListResets {
		doc = doc.OnlyResets()
	}
	switch {
	case end.interrupted:
	case o.control != "":
		return p.swept(ctx, doc, all, o)
	case o.server != "":
		return p.matched(ctx, doc, ends, o)
	}
	return doc, nil
}

// swept holds a sweep against its control.
func (p *program) swept(ctx context.Context, doc report.Capture, tests conversations, o explainOptions) (report.Capture, error) {
	controls := conversations{explainOptions: o}
	_, end, err := p.scan(ctx, o.control, flow.Config{MaxFlows: o.maxFlows, Yield: controls.add}, o.output)
	if err != nil {
		return doc, err
	}
	if end.interrupted {
		doc.Interrupted = true
		return doc, nil
	}
	if n := tests.beyond + controls.beyond; n > 0 {
		return doc, usagef("--control: %d connections more than can be kept, of what should be one per TTL: narrow it with --host, or write a larger --max-flows", n)
	}
	res, err := sweep.Explain(tests.kept, controls.kept)
	if err != nil {
		return doc, usagef("--control: %w", err)
	}
	return doc.WithSweep(res, o.control), nil
}

// matched holds a capture against one of the same traffic at the server.
func (p *program) matched(ctx context.Context, doc report.Capture, ends *twoends.Matcher, o explainOptions) (report.Capture, error) {
	// Addresses may be others there, so that no filter fits.
	_, end, err := p.scan(ctx, o.server, flow.Config{
		MaxFlows: o.maxFlows, Yield: func(c *flow.Conversation) { ends.Add(twoends.Server, *c) },
	}, o.output)
	if err != nil {
		return doc, err
	}
	if end.interrupted {
		doc.Interrupted = true
		return doc, nil
	}
	res := ends.Finish()
	if o.filter != (filter{}) {
		// What the other capture has beside these conversations was not asked
		// for, and is no sign of anything.
		other := twoends.Server
		if res.Swapped {
			other = twoends.Client
		}
		res.Alone[other] = 0
	}
	return doc.WithServer(res, o.server), nil
}

// conversations are all those of a capture that were asked for.
type conversations struct {
	explainOptions
	kept   []flow.Conversation
	beyond int // those more than --max-flows
}

func (cs *conversations) add(c *flow.Conversation) {
	switch {
	case !cs.filter.admits(c.Key):
	case len(cs.kept) >= cmp.Or(cs.maxFlows, explain.DefaultMaxFlows):
		cs.beyond++
	default:
		cs.kept = append(cs.kept, *c)
	}
}

// scan makes conversations of one capture, as far as it can be read.
func (p *program) scan(ctx context.Context, name string, cfg flow.Config, o output) (stats capture.Stats, end readTo, err error) {
	in, err := p.openCapture(name)
	if err != nil {
		return stats, end, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	table := flow.NewTable(cfg)
	if end, err = p.feed(ctx, in, table, o); err != nil {
		return stats, end, captureError(name, err)
	}
	table.Flush()
	stats = in.Stats()
	if d := end.damage; d != nil {
		fmt.Fprintf(p.stderr, "rstprobe: warning: %s is damaged at byte %d: %v; explained are the %d packets before\n", name, d.Offset, d.Err, stats.Packets)
	}
	return stats, end, nil
}

// often is how many packets are read before anyone looks up.
const often = 1 << 16

// readTo says why reading a capture ended; it is zero at the end of the file.
type readTo struct {
	damage      *capture.Damage
	interrupted bool
}

// feed makes conversations of a capture, as far as it can be read.
func (p *program) feed(ctx context.Context, in *capture.Reader, table *flow.Table, o output) (readTo, error) {
	bar := p.newProgress(o)
	defer bar.clear()
	n := 0
	err := in.Batches(func(frames []capture.Frame) bool {
		for i := range frames {
			f := &frames[i]
			table.AddOf(f.N, f.At, &f.Packet, &f.Ends)
		}
		if n += len(frames); n < often {
			return true
		}
		n = 0
		bar.show(fmt.Sprintf("explain: %d packets", frames[len(frames)-1].N))
		return ctx.Err() == nil
	})
	damage := (*capture.Damage)(nil)
	switch {
	case err == nil, ctx.Err() != nil && errors.Is(err, context.Canceled): // the latter from standard input
		return readTo{interrupted: true}, nil
	case errors.As(err, &damage):
		return readTo{damage: damage}, nil
	case errors.Is(err, io.EOF):
		return readTo{}, nil
	}
	return readTo{}, err
}

// openCapture opens a capture file, or standard input.
func (p *program) openCapture(name string) (*capture.Reader, error) {
	if name == "-" {
		in, err := capture.NewReader(p.stdin)
		if err != nil {
			return nil, captureError("standard input", err)
		}
		return in, nil
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, usagef("%s is a directory: write the name of a capture file", name)
	}
	in, err := capture.Open(name)
	if err != nil {
		return nil, captureError(name, err)
	}
	return in, nil
}

// captureError is why a capture cannot be read: the wrong file was named, or
// the right one fails.
func captureError(name string, err error) error {
	path := (*fs.PathError)(nil)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return usagef("there is no file %s", name)
	case errors.As(err, &path), errors.Is(err, capture.ErrLinkType):
		return fmt.Errorf("read %s: %w", name, err)
	}
	return usagef("%s is no capture in pcap or pcapng format, plain or gzip: %w", name, err)
}

// writeExplanation writes an explanation to standard output and to the files.
// Those that an interruption keeps from being whole are not written.
func (p *program) writeExplanation(doc report.Capture, o explainOptions, reread report.Reread) error {
	style := report.CaptureStyle{
		Style:   report.Style{Color: p.colour(o.noColor), Unicode: p.unicode() || o.chinese},
		Chinese: o.chinese, All: o.only == report.ListAll,
	}
	err := p.printExplanation(doc, style, o.json)
	if err != nil {
		err = fmt.Errorf("write the explanation: %w", err)
	}
	for _, path := range o.files {
		failed := report.WriteCaptureFile(path, doc, style, reread)
		if errors.Is(failed, context.Canceled) {
			p.code = exitInterrupted
			fmt.Fprintf(p.stderr, "rstprobe: interrupted: %s was not written\n", path)
			continue
		}
		err = errors.Join(err, failed)
	}
	return err
}

func (p *program) printExplanation(doc report.Capture, style report.CaptureStyle, asJSON bool) error {
	if !asJSON {
		return report.CaptureText(p.stdout, doc, style)
	}
	return doc.WriteJSON(p.stdout)
}

// Garbage is collected five times less often than by default, up to half a
// GiB: a capture of a million connections then takes 0.5 GB rather than 0.7,
// and usual ones a sixth less time (BenchmarkExplain).
const (
	garbagePercent = 400
	memoryLimit    = 512 << 20
)

// spendMemory sets the garbage collector up for captures, unless the
// environment does; what it returns gives that back.
func (p *program) spendMemory() (restore func()) {
	if p.sys.getenv("GOGC") != "" || p.sys.getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	percent, limit := debug.SetGCPercent(garbagePercent), debug.SetMemoryLimit(memoryLimit)
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}
