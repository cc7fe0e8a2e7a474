package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// templateHead explains the file that print-template makes.
const templateHead = `# Configuration of rstprobe: settings for the flags of the same names.
#
# It is read from $XDG_CONFIG_HOME/rstprobe/config.yaml (if that is not set, from
# ~/.config/rstprobe/config.yaml), then from ` + systemConfigPath + `. What is set on
# the command line counts first, then RSTPROBE_* variables, the file of the user, the
# file of the system, the defaults.
#
# Take the # away in front of a key to set it. null is the default. Of flags that may
# be repeated, or that take several names, write a list: [a.example, b.example].
# Then try: rstprobe config check
`

// template is a configuration file with all keys, each commented out.
func template(app *cli.App) string {
	var b strings.Builder
	b.WriteString(templateHead)
	group, command := "", ""
	for _, k := range keys(app) {
		indent := ""
		if k.command != "" {
			indent = "    "
			if command == "" {
				fmt.Fprintf(&b, "\n# Settings for one command only, which may be any of its flags.\n%s:\n", commandsKey)
			}
			if k.command != command {
				command, group = k.command, ""
				fmt.Fprintf(&b, "\n  %s:\n", command)
			}
		}
		if g := groupOf(k.flag); g != group {
			group = g
			fmt.Fprintf(&b, "\n%s# --- %s ---\n", indent, group)
		}
		_, usage := flagLine(k.flag)
		b.WriteString("\n")
		for line := range wrapped(usage, helpColumns-len(indent)-len("# ")) {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		fmt.Fprintf(&b, "%s#%s: %s\n", indent, k.name(), cmp.Or(defaultText(k.flag), "null"))
	}
	return b.String()
}

// defaultText is the value of a flag that is not given, as it could be typed;
// "" if there is none, or no single one.
func defaultText(f cli.Flag) string {
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	if _, ok := f.(*cli.BoolFlag); ok {
		return "false"
	}
	switch v := doc.GetValue(); v {
	case "0", "0s", "[]":
		return ""
	default:
		return v
	}
}
