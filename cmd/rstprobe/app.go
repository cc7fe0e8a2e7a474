package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
)

// program is one run of the command line.
type program struct {
	sys            system
	stdin          io.Reader
	stdout, stderr io.Writer
	stdoutTTY      bool
	stderrTTY      bool
	terminal       io.Writer // standard error itself, for its width
	noColor        bool      // --no-color
	code           int       // of the measurement
}

// run carries one command line out and returns the exit code of the process.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, sys system) int {
	p := &program{
		sys: sys, stdin: &interruptible{ctx: ctx, r: stdin}, stdout: stdout, stderr: &lockedWriter{w: stderr}, terminal: stderr,
		stdoutTTY: sys.isTerminal(stdout), stderrTTY: sys.isTerminal(stderr),
	}
	err := p.start(ctx, args)
	if err == nil {
		return p.code
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exitInterrupted // before there was anything to write
	}
	fmt.Fprintf(p.stderr, "%s %v\n", p.alarm(), err)
	code := exitCode(err)
	switch code {
	case exitUsage:
		fmt.Fprintln(p.stderr, "Try 'rstprobe --help'.")
	case exitPrivilege:
		fmt.Fprintln(p.stderr, "'rstprobe doctor' says what stands in the way.")
	}
	return code
}

func (p *program) start(ctx context.Context, args []string) error {
	if len(args) > 1 && args[1] == completeCommand {
		return p.complete(args[2:])
	}
	app := p.app()
	line, err := argv.Parse(app, args[1:])
	if line.HelpWanted() {
		_, err := io.WriteString(p.stdout, help(app, line.Commands()))
		return err
	}
	p.noColor = isOn(line, "no-color")
	if wrong := mistaken(app, line); wrong != nil {
		return wrong // and what follows was meant for another command
	}
	if err != nil {
		return usageError{err}
	}
	used, err := p.configure(app, line)
	if err != nil {
		return err
	}
	p.noColor = isOn(line, "no-color")
	if !slices.Contains(line.Commands(), "watch") { // to which it says that its file is to be read again
		var stop context.CancelFunc
		ctx, stop = p.sys.untilHangup(ctx)
		defer stop()
	}
	return blame(app.RunContext(ctx, append(args[:1:1], line.Args()...)), line, used)
}

// app describes the command line. A new one is made for every run, since the
// library keeps values in flags.
func (p *program) app() *cli.App {
	app := &cli.App{
		Name: "rstprobe", HelpName: "rstprobe", Version: version(),
		Usage:  "find out which packets a network resets, drops or answers itself, who does it and at which hop",
		Flags:  join(testFlags(), traceFlags(), nameFlags(), depthFlags(), waitFlags(), sendFlags(), outputFlags(), generalFlags(), versionFlag()),
		Action: p.probe,
		Commands: []*cli.Command{
			{
				Name: "trace", Usage: "show the path as one payload sees it, hop by hop; no verdict",
				ArgsUsage: "TARGET [flags]",
				Flags:     join(testFlags(), pathFlags(), nameFlags(), waitFlags(), sendFlags(), outputFlags(), generalFlags()),
				Action:    p.trace,
			},
			{
				Name: "explain", Usage: "explain every reset, and every connection that broke off, in a capture; sends nothing",
				ArgsUsage: "FILE [flags]",
				Flags:     join(explainFlags(), generalFlags()),
				Action:    p.explain,
			},
			{
				Name: "report", Usage: "render saved results again, as a page, Markdown, text, ...; measures nothing",
				ArgsUsage: "FILE... [flags]",
				Flags:     join(reportFlags(), generalFlags()),
				Action:    p.report,
			},
			{
				Name: "watch", Usage: "check reachability at intervals, for months: keep a history, tell of changes once, serve metrics",
				ArgsUsage: "-c FILE [flags]",
				Flags:     join(watchFlags(), generalFlags()),
				Action:    p.watch,
			},
			{
				Name: "history", Usage: "show what watch has found: all checks, or the changes and runs of one",
				ArgsUsage: "[CHECK] [flags]",
				Flags:     join(historyFlags(), generalFlags()),
				Action:    p.history,
			},
			{
				Name: "doctor", Usage: "say what this machine allows, what would distort measurements, and how to mend it",
				ArgsUsage: "[TARGET...] [flags]",
				Flags:     join(doctorFlags(), generalFlags()),
				Action:    p.doctor,
			},
			{
				Name: "demo", Usage: "build an emulated path with a censor on this machine, diagnose it, tear it down",
				ArgsUsage: "[CASE] [flags]",
				Flags:     join(demoFlags(), outputFlags(), generalFlags()),
				Action:    p.demo,
			},
			{
				Name: "config", Usage: "check or show the settings in files and variables, or print a file to begin with",
				ArgsUsage: "check [FILE] | show [COMMAND] | print-template",
				Flags:     generalFlags(),
				Action:    p.config,
			},
			{
				Name: "completion", Usage: "print the script that lets a shell complete commands, flags and their values",
				ArgsUsage: "bash | zsh | fish",
				Flags:     generalFlags(),
				Action:    p.completion,
			},
			{
				Name: "man", Usage: "print the manual, for man(1)",
				Flags:  generalFlags(),
				Action: p.man,
			},
			{
				Name: "explain-rule", Usage: "say what a rule of evidence looks at and why it convinces; without RULE list them all",
				ArgsUsage: "[RULE]",
				Flags:     generalFlags(),
				Action:    p.explainRule,
			},
		},
		Writer: p.stdout, ErrWriter: p.stderr,
		// Targets named "help" are targets; --help is a flag of ours, since
		// the library's is shared by all apps of a process.
		HideHelp: true, HideHelpCommand: true, HideVersion: true,
		DisableSliceFlagSeparator: true,
		Suggest:                   true,
		OnUsageError:              badFlag,
		ExitErrHandler:            func(*cli.Context, error) {}, // run maps errors to codes
	}
	for _, c := range app.Commands {
		c.HideHelp, c.HideHelpCommand = true, true
		c.OnUsageError = badFlag
	}
	return app
}

// badFlag is the error of a flag value that the library refused. The
// standard flag package writes flags with one dash.
func badFlag(c *cli.Context, err error, _ bool) error {
	msg := err.Error()
	msg = strings.Replace(msg, " for flag -", " for -", 1) // booleans are without the word
	if before, after, ok := strings.Cut(msg, " for -"); ok {
		name, reason, _ := strings.Cut(after, ": ")
		msg = fmt.Sprintf("%s for --%s: %s", before, name, reason)
		for _, f := range c.Command.Flags {
			if f.Names()[0] == name {
				names, usage := flagLine(f)
				msg += fmt.Sprintf("\n  write %s: %s", strings.TrimSpace(names), usage)
			}
		}
	}
	return usageError{errors.New(msg)}
}

// misplaced refuses flags that only the main command knows but that were
// given for another one.
func misplaced(c *cli.Context) error {
	for _, outer := range c.Lineage()[1:] {
		if outer.Command == nil {
			continue
		}
		for _, f := range outer.App.Flags { // the library lists short names among the long ones
			if outer.IsSet(f.Names()[0]) {
				return usagef("--%s means nothing for %s", f.Names()[0], c.Command.Name)
			}
		}
	}
	return nil
}

// shortUsage answers a line without a target.
func (p *program) shortUsage() error {
	fmt.Fprint(p.stderr, `usage: rstprobe TARGET... [flags]    such as: rstprobe example.com:443 --sni=blocked.example
       rstprobe trace TARGET [flags]
       rstprobe explain FILE [flags]
       rstprobe report FILE... [flags]
       rstprobe doctor [TARGET...]
       rstprobe watch -c FILE
       rstprobe demo [CASE]
`)
	return usagef("no target")
}

// lockedWriter lets the engine, the progress line and errors share standard
// error.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// unicode reports whether standard output is read as UTF-8 (POSIX.1-2024
// base definitions §8.2).
func (p *program) unicode() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(p.sys.getenv(name)); v != "" {
			return strings.HasSuffix(v, "utf-8") || strings.HasSuffix(v, "utf8")
		}
	}
	return false
}

// progress reports whether the progress line may be drawn.
func (p *program) progress(o output) bool {
	return p.stderrTTY && !o.quiet && !o.verbose && p.sys.getenv("TERM") != "dumb"
}
