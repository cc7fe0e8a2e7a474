package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
)

// envPrefix begins the environment variable of every flag.
const envPrefix = "RSTPROBE_"

// Variables with the prefix that are no flag's: those of our tests, the mark
// that package netlab puts on the process in which it goes on, and those that
// package deliver gives programs.
var (
	testVariables = []string{envPrefix + "REQUIRE", envPrefix + "CAPTURES", envPrefix + "PICTURES"}
	testPrefix    = envPrefix + "TEST_"
	goneOn        = envPrefix + "NETLAB_REEXEC"
	alertPrefix   = envPrefix + "ALERT_" // of programs that are told of an alert, and may call us
)

// envOf is the environment variable of a flag, for one command only unless
// command is "".
func envOf(command, flag string) string {
	name := flag
	if command != "" {
		name = command + "-" + flag
	}
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// unknownVariables are errors about variables that look like those of flags,
// and are none's.
func (p *program) unknownVariables(app *cli.App) []error {
	known := []string{strings.TrimPrefix(envOf("", configFlag), envPrefix)}
	for _, k := range keys(app) {
		for _, command := range slices.Concat(k.commands, []string{k.command}) {
			known = append(known, strings.TrimPrefix(envOf(command, k.name()), envPrefix))
		}
	}
	var out []error
	for _, v := range slices.Sorted(slices.Values(p.sys.environ())) {
		full, value, _ := strings.Cut(v, "=")
		name, ours := strings.CutPrefix(full, envPrefix)
		switch {
		case !ours, value == "", slices.Contains(known, name), slices.Contains(testVariables, full), strings.HasPrefix(full, testPrefix), strings.HasPrefix(full, alertPrefix), full == goneOn:
			continue
		}
		meant := "rstprobe config print-template lists all settings"
		if near := argv.Nearest(name, known); near != "" {
			meant = "did you mean " + envPrefix + near + "?"
		}
		out = append(out, usagef("the variable %s is no setting; %s", full, meant))
	}
	return out
}

// warnOfVariables tells of unknownVariables, once for all processes of a run.
func (p *program) warnOfVariables(app *cli.App) {
	if p.sys.getenv(goneOn) != "" {
		return
	}
	for _, err := range p.unknownVariables(app) {
		p.warn(err)
	}
}
