package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/doctor"
	"github.com/rstprobe/rstprobe/internal/hopinfo"
	"github.com/rstprobe/rstprobe/internal/privilege"
	"github.com/rstprobe/rstprobe/internal/residual/ledgerfile"
	"github.com/rstprobe/rstprobe/internal/wire/rawsock"
)

// doctorFlags are those of the doctor command.
func doctorFlags() []cli.Flag {
	var out []cli.Flag
	for _, f := range join(waitFlags(), sendFlags()) {
		if name := f.Names()[0]; name == "mode" || name == "ledger" {
			out = append(out, f)
		}
	}
	return append(out,
		&cli.BoolFlag{Name: "json", Category: groupOutput, Usage: "print the findings as one JSON list"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: groupOutput, Usage: "say of every finding what it means"},
	)
}

// doctor is the doctor command: it says what this machine allows and how to
// mend what is wrong. Its exit code is 0 if measurements work, warnings or not,
// 1 if they would fail, 3 if --mode raw takes a privilege that is missing.
func (p *program) doctor(c *cli.Context) error {
	if err := misplaced(c); err != nil {
		return err
	}
	mode, err := oneOf[string](c, "mode")
	if err != nil {
		return err
	}
	targets, err := p.targets(c.Args().Slice(), nil)
	if err != nil {
		return err
	}
	ledger := c.String("ledger")
	switch {
	case !c.IsSet("ledger"):
		ledger = ledgerfile.DefaultPath(p.sys.getenv)
	case ledger == noLedger:
		ledger = ""
	}
	cfg := doctor.Config{Forced: mode == modeRaw, Ledger: ledger, Dirs: []string{"."}, DatabaseDirs: hopinfo.Dirs(p.sys.getenv)}
	if ledger != "" {
		if dir := filepath.Dir(ledger); isDir(dir) {
			cfg.Dirs = append(cfg.Dirs, dir)
		}
	}
	for _, t := range targets {
		if !t.IP.IsValid() {
			found, err := p.sys.lookUp(c.Context, "ip", t.Name)
			if err == nil && len(found.Answers) == 0 {
				err = errors.New("it has no address")
			}
			if err != nil {
				cfg.Targets = append(cfg.Targets, doctor.Target{Name: t.Input, Err: err})
				continue
			}
			t.IP = found.Answers[0]
		}
		cfg.Targets = append(cfg.Targets, doctor.Target{Name: t.Input, Addr: netip.AddrPortFrom(t.IP, t.Port)})
	}
	facts, err := p.sys.examine(c.Context, cfg)
	if c.Context.Err() != nil {
		p.code = exitInterrupted
		return nil
	}
	if err != nil {
		return err
	}
	findings := doctor.Judge(facts)
	if err := p.printFindings(findings, facts.Mode(), c.Bool("json"), c.Bool("verbose")); err != nil {
		return fmt.Errorf("write the findings: %w", err)
	}
	switch {
	case mode == modeRaw && facts.Mode() != doctor.ModeRaw:
		p.code = exitPrivilege
	case doctor.Worst(findings) == doctor.Problem:
		p.code = exitFailure
	}
	return nil
}

func (p *program) printFindings(findings []doctor.Finding, mode doctor.Mode, json, all bool) error {
	if !json {
		return doctor.Text(p.stdout, findings, mode, all)
	}
	line, err := doctor.JSON(findings)
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(line)
	return err
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// examineMachine is doctor.Examine with what it needs of this program.
func examineMachine(ctx context.Context, cfg doctor.Config) (doctor.Facts, error) {
	cfg.Raw = tryRaw
	cfg.Route = func(ip netip.Addr) error {
		_, err := rawsock.SourceFor(ip, netip.Addr{}, "")
		return err
	}
	cfg.Databases = func() (found []doctor.Database, bad []error) {
		files, bad := hopinfo.Databases(cfg.DatabaseDirs)
		for _, f := range files {
			found = append(found, doctor.Database{Path: f.Path, Type: f.Type, Built: f.Built})
			if err := f.Close(); err != nil {
				bad = append(bad, err)
			}
		}
		return found, bad
	}
	return doctor.Examine(ctx, cfg)
}

// tryRaw opens the sockets of a run in raw mode, and closes them.
func tryRaw(source netip.Addr) error {
	ports, err := rawsock.Room(guardedPorts, 1)
	if err != nil {
		return err
	}
	return privilege.Raise(func() error {
		conn, err := rawsock.Open(rawsock.Config{Source: source, Ports: ports})
		if err != nil {
			return err
		}
		return conn.Close()
	})
}
