package argv

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// level is the program or one of its commands.
type level struct {
	name     string
	flags    []cli.Flag
	commands []*cli.Command
	help     bool     // the library adds its help flag when the command runs
	out      []string // the flags given for this level, as written out
}

// find looks a flag up by any of its names.
func (v *level) find(name string) cli.Flag {
	if name == "" {
		return nil
	}
	for _, f := range v.flags {
		if hasName(f, name) {
			return f
		}
	}
	if v.help && hasName(cli.HelpFlag, name) {
		return cli.HelpFlag
	}
	return nil
}

// command looks a command up by any of its names.
func (v *level) command(name string) *cli.Command {
	for _, c := range v.commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

func hasName(f cli.Flag, name string) bool {
	for _, n := range f.Names() {
		if n == name {
			return true
		}
	}
	return false
}

// takesValue reports whether a flag takes the next word.
func takesValue(f cli.Flag) bool {
	if b, ok := f.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
		return false
	}
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

// Placeholder is what the help of a flag calls its value: the text between
// backquotes in its usage, else VALUE.
func Placeholder(f cli.Flag) string {
	if d, ok := f.(cli.DocGenerationFlag); ok {
		if _, after, ok := strings.Cut(d.GetUsage(), "`"); ok {
			if name, _, ok := strings.Cut(after, "`"); ok {
				return name
			}
		}
	}
	return "VALUE"
}

// dashed is a flag as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
