package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
	"github.com/rstprobe/rstprobe/report"
)

// configActions are what the config command can do, with the words that may
// follow.
var configActions = []struct{ name, args, usage string }{
	{"check", "[FILE]", "refuse what is wrong in FILE, or else in the environment and all files in use"},
	{"show", "[COMMAND]", "list the settings of a command, or else of the main one, and where each comes from"},
	{"print-template", "", "print a configuration file with every key, its help and its default"},
}

// config is the config command.
func (p *program) config(c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) == 0 {
		return usagef("config needs to be told what to do: write %s", configUsage())
	}
	action, rest := args[0], args[1:]
	var names []string
	for _, a := range configActions {
		names = append(names, a.name)
		if a.name == action && len(rest) > 1 || a.name == action && a.args == "" && len(rest) > 0 {
			return usagef("config %s does not take %q: write config %s %s", action, rest[len(rest)-1], action, a.args)
		}
	}
	word := strings.Join(rest, "")
	switch action {
	case "check":
		return p.checkConfig(c, word)
	case "show":
		return p.showConfig(c, word)
	case "print-template":
		_, err := fmt.Fprint(p.stdout, template(p.app()))
		return err
	}
	return usagef("config %s is not known%s", action, hint(action, names, "write "+configUsage()))
}

// configUsage are the actions, as they are typed.
func configUsage() string {
	var words []string
	for _, a := range configActions {
		words = append(words, strings.TrimSpace("config "+a.name+" "+a.args))
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// commandLine is a line that only names a command, "" being the main one, and
// the configuration file that c was given.
func commandLine(app *cli.App, command string, c *cli.Context) (*argv.Line, error) {
	var args []string
	if command != "" {
		args = append(args, command)
	}
	if c.IsSet(configFlag) {
		args = append(args, "--"+configFlag+"="+c.String(configFlag))
	}
	return argv.Parse(app, args)
}

// checkConfig carries out, for each command, what it does with its flags
// before the first packet, with the settings of a file alone, or else with
// all that are in use.
func (p *program) checkConfig(c *cli.Context, path string) error {
	if isWatchFile(path) {
		return (&watching{program: p, path: path}).check()
	}
	check := map[string]cli.ActionFunc{ // by command; the others' flags are read, but not compared
		"":        func(c *cli.Context) error { _, err := p.optionsFrom(c); return err },
		"trace":   func(c *cli.Context) error { _, err := p.optionsFrom(c); return err },
		"watch":   func(c *cli.Context) error { _, err := p.optionsFrom(c); return err },
		"explain": func(c *cli.Context) error { _, err := explainOptionsFrom(c); return err },
		"demo":    func(c *cli.Context) error { _, err := outputFrom(c, report.CheckPath); return err },
	}
	origins := map[string]bool{}
	for _, command := range configurable(p.app()) {
		app := p.app()
		do := check[command]
		if do == nil {
			do = func(*cli.Context) error { return nil }
		}
		if command == "" {
			app.Action = do
		} else {
			commandOf(app, command).Action = do
		}
		line, err := commandLine(app, command, c)
		if err != nil {
			return usageError{err}
		}
		sources, err := p.checkedSources(app, line, path)
		if err != nil {
			return err
		}
		used := apply(line, sources)
		for _, s := range used {
			origins[s.origin] = true
		}
		if err := blame(app.RunContext(c.Context, append([]string{app.Name}, line.Args()...)), line, used); err != nil {
			return err
		}
	}
	what := path
	if what == "" {
		line, err := commandLine(p.app(), "", c)
		if err != nil {
			return usageError{err}
		}
		paths, err := p.configPaths(line)
		if err != nil {
			return err
		}
		what = strings.Join(append([]string{"the environment"}, paths...), ", ")
	}
	_, err := fmt.Fprintf(p.stdout, "%s: no mistakes, settings: %d\n", what, len(origins))
	return err
}

// checkedSources are the file at path, or else all sources.
func (p *program) checkedSources(app *cli.App, line *argv.Line, path string) ([]source, error) {
	if path == "" {
		return p.sources(app, line)
	}
	s, err := configFile(app, path)
	return []source{s}, err
}

// configurable are the commands that have settings, "" being the main one.
func configurable(app *cli.App) []string {
	var out []string
	for _, k := range keys(app) {
		for _, c := range k.commands {
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}

// showConfig lists the settings of a command, and where each comes from.
func (p *program) showConfig(c *cli.Context, command string) error {
	app := p.app()
	if all := configurable(app); !slices.Contains(all, command) {
		return usagef("config show: no command %s has settings%s", command, hint(command, all, "write one of "+strings.Join(all[1:], ", ")+", or none for the main one"))
	}
	line, err := commandLine(app, command, c)
	if err != nil {
		return usageError{err}
	}
	sources, err := p.sources(app, line)
	if err != nil {
		return err
	}
	used := apply(line, sources)
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, f := range settable(line.Flags()) {
		name := f.Names()[0]
		value, origin := cmp.Or(defaultText(f), "null"), "default"
		for _, s := range used {
			if s.flag == name {
				value, origin = strings.Join(s.values, " "), s.origin
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, value, origin)
	}
	return w.Flush()
}
