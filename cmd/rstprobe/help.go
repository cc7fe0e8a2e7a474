package main

import (
	"fmt"
	"iter"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
)

// appHelp is the help of the whole program. Columns are separated by tabs,
// which the library aligns.
func appHelp(app *cli.App) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s - %s\n\nUsage:\n", app.Name, app.Usage)
	fmt.Fprintf(&b, "  %s TARGET... [flags]\tprobe, judge and, where something interferes, locate it\n", app.Name)
	for _, c := range app.Commands {
		fmt.Fprintf(&b, "  %s %s %s\t%s\n", app.Name, c.Name, c.ArgsUsage, c.Usage)
	}
	b.WriteString(`
Targets:
  example.com, example.com:8443	a name; the port is 443 unless given
  192.0.2.1:443, [2001:db8::1]:443	an address
  http://example.com/path	port 80 and the path of the request
  example.com:443@192.0.2.1	connect to the address, use the name

Without --syn, --sni or --host: --syn, and --sni on TLS ports or --host on port 80.
Flags may stand before or after targets.
`)
	writeFlags(&b, app.Flags)
	b.WriteString(`
Exit codes:
  0	measured, nothing interferes
  1	rstprobe itself failed
  2	the command line is wrong
  3	a privilege is missing
  10	interference found
  11	not measurable, or inconclusive
  130	interrupted; what was measured is written
`)
	return b.String()
}

// commandHelp is the help of one command.
func commandHelp(c *cli.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "rstprobe %s - %s\n\nUsage:\n  rstprobe %s %s\n", c.Name, c.Usage, c.Name, c.ArgsUsage)
	writeFlags(&b, c.Flags)
	return b.String()
}

// helpColumns is the width of the help in characters.
const helpColumns = 90

// writeFlags lists flags by group, in the order in which they are defined.
func writeFlags(b *strings.Builder, flags []cli.Flag) {
	for len(flags) > 0 {
		group := groupOf(flags[0])
		n := 0 // of flags in it
		width := 0
		for n < len(flags) && groupOf(flags[n]) == group {
			names, _ := flagLine(flags[n])
			width = max(width, len(names))
			n++
		}
		fmt.Fprintf(b, "\n%s:\n", group)
		for _, f := range flags[:n] {
			names, usage := flagLine(f)
			for line := range wrapped(usage, helpColumns-len("  ")-width-len("  ")) {
				fmt.Fprintf(b, "  %s\t%s\n", names, line)
				names = ""
			}
		}
		flags = flags[n:]
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

// asTemplate makes text safe for the library, which executes help as a
// template.
func asTemplate(text string) string {
	return strings.ReplaceAll(text, "{{", `{{"{{"}}`)
}
