package main

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
)

// helpColumns is the width of the help in characters, that of the narrowest
// usual terminal.
const helpColumns = 80

// maxLeft is the widest first column of a table. What is longer has the second
// column on the next line.
const maxLeft = 32

// help is the help of the commands of a line, or of the whole program.
func help(app *cli.App, commands []string) string {
	if len(commands) == 0 {
		return appHelp(app)
	}
	return commandHelp(commandOf(app, commands[0]))
}

// appHelp is the help of the whole program.
func appHelp(app *cli.App) string {
	var b strings.Builder
	paragraph(&b, app.Name+" - "+app.Usage)
	usage := []row{{app.Name + " TARGET... [flags]", "probe, judge and, where something interferes, locate it"}}
	for _, c := range app.Commands {
		usage = append(usage, row{strings.TrimSpace(app.Name + " " + c.Name + " " + c.ArgsUsage), c.Usage})
	}
	table(&b, "Usage", usage)
	writeExamples(&b, "")
	table(&b, "Targets", targetForms)
	b.WriteString("\n")
	paragraph(&b, defaultTests)
	writeFlags(&b, app.Flags)
	table(&b, "Exit codes", exitCodes)
	b.WriteString("\n")
	paragraph(&b, settingsRule+" rstprobe config print-template prints a file to begin with; rstprobe man prints the manual.")
	return b.String()
}

// commandHelp is the help of one command.
func commandHelp(c *cli.Command) string {
	var b strings.Builder
	paragraph(&b, "rstprobe "+c.Name+" - "+c.Usage)
	fmt.Fprintf(&b, "\nUsage:\n  %s\n", strings.TrimSpace("rstprobe "+c.Name+" "+c.ArgsUsage))
	writeExamples(&b, c.Name)
	writeFlags(&b, c.Flags)
	return b.String()
}

// paragraph writes text in lines.
func paragraph(b *strings.Builder, text string) {
	for line := range wrapped(text, helpColumns) {
		b.WriteString(line + "\n")
	}
}

// writeExamples shows how a command is used, "" being the main one.
func writeExamples(b *strings.Builder, command string) {
	if len(examples[command]) == 0 {
		return
	}
	b.WriteString("\nExamples:\n")
	for _, e := range examples[command] {
		fmt.Fprintf(b, "  %s\n      %s\n", e.left, e.right)
	}
}

// table writes rows in two columns below a title.
func table(b *strings.Builder, title string, rows []row) {
	width := 0
	for _, r := range rows {
		if len(r.left) <= maxLeft {
			width = max(width, len(r.left))
		}
	}
	fmt.Fprintf(b, "\n%s:\n", title)
	for _, r := range rows {
		left := r.left
		if len(left) > width {
			fmt.Fprintf(b, "  %s\n", left)
			left = ""
		}
		for line := range wrapped(r.right, helpColumns-len("  ")-width-len("  ")) {
			fmt.Fprintf(b, "  %-*s  %s\n", width, left, line)
			left = ""
		}
	}
}

// flagGroup is a group of the help and its flags.
type flagGroup struct {
	name  string
	flags []cli.Flag
}

// groups are the flags by group, in the order in which they are defined.
func groups(flags []cli.Flag) []flagGroup {
	var out []flagGroup
	for _, f := range flags {
		name := groupOf(f)
		i := slices.IndexFunc(out, func(g flagGroup) bool { return g.name == name })
		if i < 0 {
			i = len(out)
			out = append(out, flagGroup{name: name})
		}
		out[i].flags = append(out[i].flags, f)
	}
	return out
}

// writeFlags lists flags by group.
func writeFlags(b *strings.Builder, flags []cli.Flag) {
	for _, g := range groups(flags) {
		var rows []row
		for _, f := range g.flags {
			names, usage := flagLine(f)
			rows = append(rows, row{names, usage})
		}
		table(b, g.name, rows)
	}
}

func groupOf(f cli.Flag) string {
	if c, ok := f.(cli.CategorizableFlag); ok {
		return c.GetCategory()
	}
	return groupOther
}

// wrapped yields text in lines of at most width characters, a longer word
// apart.
func wrapped(text string, width int) iter.Seq[string] {
	return func(yield func(string) bool) {
		line := ""
		for word := range strings.FieldsSeq(text) {
			switch {
			case line == "":
				line = word
			case len(line)+1+len(word) <= width:
				line += " " + word
			default:
				if !yield(line) {
					return
				}
				line = word
			}
		}
		yield(line)
	}
}

// flagLine is a flag as it is typed, and what it does.
func flagLine(f cli.Flag) (names, usage string) {
	if o, ok := f.(*argv.OptFlag); ok {
		return fmt.Sprintf("    --%s[=%s]", o.Name, o.Placeholder), o.Usage
	}
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return f.String(), ""
	}
	placeholder, usage := "", doc.GetUsage()
	if before, after, ok := strings.Cut(usage, "`"); ok {
		var rest string
		placeholder, rest, _ = strings.Cut(after, "`")
		usage = before + placeholder + rest
	}
	short := "    "
	if all := f.Names(); len(all) > 1 {
		short = "-" + all[1] + ", "
	}
	names = short + "--" + f.Names()[0]
	if placeholder != "" {
		names += " " + placeholder
	}
	if d := doc.GetDefaultText(); doc.TakesValue() && d != "" && d != `""` && d != "0s" && d != "0" {
		usage += fmt.Sprintf(" (default: %s)", strings.Trim(d, `"`))
	}
	return names, usage
}
