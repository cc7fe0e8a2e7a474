package main

import (
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// man is the man command: it prints the manual, made from the same tables as
// the help.
func (p *program) man(c *cli.Context) error {
	if c.NArg() > 0 {
		return usagef("man prints the one manual there is, and takes no %q", c.Args().First())
	}
	_, err := io.WriteString(p.stdout, manual(p.app()))
	return err
}

// manual is the manual in the macros of man(7).
func manual(app *cli.App) string {
	r := &roff{}
	r.macro("TH", strings.ToUpper(app.Name), "1", "", app.Name+" "+app.Version, "User Commands")
	r.macro("SH", "NAME")
	r.text(app.Name + " - " + app.Usage)
	r.macro("SH", "SYNOPSIS")
	r.macro("B", app.Name+" TARGET... [flags]")
	for _, c := range app.Commands {
		r.macro("br")
		r.macro("B", strings.TrimSpace(app.Name+" "+c.Name+" "+c.ArgsUsage))
	}
	r.macro("SH", "DESCRIPTION")
	r.text("It sends crafted SYNs, TLS ClientHellos with chosen server names and HTTP requests with chosen hosts, next to harmless controls that differ in nothing else. " +
		"From what comes back it says what happened, what triggered it and who did it: the server, or a box on the path, which it locates.")
	r.macro("PP")
	r.text(defaultTests)
	r.macro("SS", "Targets")
	r.rows(targetForms)
	r.macro("SH", "EXAMPLES")
	r.rows(examples[""])
	r.macro("SH", "OPTIONS")
	for _, g := range groups(app.Flags) {
		r.macro("SS", g.name)
		r.flags(g.flags)
	}
	r.macro("SH", "COMMANDS")
	for _, c := range app.Commands {
		r.command(app, c)
	}
	r.macro("SH", "EXIT STATUS")
	r.rows(exitCodes)
	r.macro("SH", "CONFIGURATION")
	r.text(settingsRule + " A flag of one command only stands in the file below its command, and in the environment as RSTPROBE_COMMAND_NAME. A list in the environment is written with commas.")
	r.macro("SH", "ENVIRONMENT")
	r.rows(variables)
	r.macro("SH", "FILES")
	r.rows(configFiles)
	r.macro("SH", "SEE ALSO")
	r.text("tcpdump(8), traceroute(8), capabilities(7)")
	return r.String()
}

// command describes a command: the flags that it shares with the main command
// by name, its own in full.
func (r *roff) command(app *cli.App, c *cli.Command) {
	r.macro("SS", strings.TrimSpace(app.Name+" "+c.Name+" "+c.ArgsUsage))
	r.text(c.Usage + ".")
	var shared []string
	var own []cli.Flag
	for _, f := range c.Flags {
		if same := flagOf(app.Flags, f.Names()[0]); same != nil && alike(same, f) {
			shared = append(shared, "--"+f.Names()[0])
		} else {
			own = append(own, f)
		}
	}
	r.flags(own)
	r.macro("PP")
	r.text("As above: " + strings.Join(shared, ", ") + ".")
	for _, e := range examples[c.Name] {
		r.macro("PP")
		r.macro("B", e.left)
		r.macro("br")
		r.text(e.right)
	}
}

// roffColumns keeps lines of the source short, escapes included.
const roffColumns = 60

// roff collects lines of man(7).
type roff struct{ strings.Builder }

// macro writes a macro and its arguments, each in quotes.
func (r *roff) macro(name string, args ...string) {
	r.WriteString("." + name)
	for _, a := range args {
		r.WriteString(` "` + strings.ReplaceAll(roffText(a), `"`, `\(dq`) + `"`)
	}
	r.WriteString("\n")
}

// text writes running text. A control character of roff at the beginning of
// a line would be read as a macro.
func (r *roff) text(s string) {
	for line := range wrapped(s, roffColumns) {
		line = roffText(line)
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line
		}
		r.WriteString(line + "\n")
	}
}

// rows writes a table as paragraphs with tags.
func (r *roff) rows(rows []row) {
	for _, line := range rows {
		r.macro("TP")
		r.macro("B", line.left)
		r.text(line.right)
	}
}

func (r *roff) flags(flags []cli.Flag) {
	var rows []row
	for _, f := range flags {
		names, usage := flagLine(f)
		rows = append(rows, row{strings.TrimSpace(names), usage})
	}
	r.rows(rows)
}

// roffText makes text safe for roff: no escapes, and hyphens and carets that
// can be copied from the page.
func roffText(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "^", `\(ha`, "~", `\(ti`, "`", `\(ga`).Replace(s)
}
