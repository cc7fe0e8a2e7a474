package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
)

// captureEndings are those of files that nobody means as the name of a host.
var captureEndings = []string{".pcap", ".pcapng", ".cap"}

// reserved are the commands of later versions.
var reserved = []string{"serve", "agent"}

// mistaken refuses targets that were probably meant otherwise: a mistyped
// command, or a capture, would be looked up in DNS, and so be told to
// strangers.
func mistaken(app *cli.App, line *argv.Line) error {
	if len(line.Commands()) > 0 {
		return nil
	}
	for i, w := range line.Words() {
		if i == 0 && slices.Contains(reserved, w) {
			return usagef("the command %s is not in this version: write %s:443 if you mean a host of that name", w, w)
		}
		if i == 0 && !strings.ContainsAny(w, ".:@/") {
			var names []string
			for _, c := range app.Commands {
				names = append(names, c.Name)
			}
			if near := argv.Nearest(w, names); near != "" {
				return usagef("there is no command %s; did you mean %s? Write %s:443 if you mean a host of that name", w, near, w)
			}
		}
		if slices.Contains(captureEndings, filepath.Ext(strings.TrimSuffix(w, ".gz"))) && !strings.Contains(w, "://") {
			return usagef("%s is a capture and no target: write rstprobe explain %s", w, w)
		}
	}
	return nil
}
