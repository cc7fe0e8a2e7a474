package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/report"
)

// configActions are what the config command can do, with the words that may
// follow.
var configActions = []struct{ name, args, usage string }{
	{"check", "[FILE]", "refuse what is wrong in FILE, of settings or of watch, or else in the environment and all files in use"},
	{"show", "[COMMAND]", "list the settings of a command, or else of the main one, and where each comes from"},
	{"print-template", "[watch]", "print a configuration file, or one of watch, with every key, its help and its default"},
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
		return p.printTemplate(word)
	}
	return usagef("config %s is not known%s", action, hint(action, names, "write "+configUsage()))
}

// printTemplate prints a file to begin with: of settings, or of a command that
// has a file of its own.
func (p *program) printTemplate(of string) error {
	text := watchfile.Template
	switch of {
	case "":
		text = template(p.app())
	case "watch":
	default:
		return usagef("config print-template: %s has no file of its own: write config print-template, or config print-template watch", of)
	}
	_, err := fmt.Fprint(p.stdout, text)
	return err
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
// all that are in use. Its error names every mistake.
func (p *program) checkConfig(c *cli.Context, path string) error {
	if isWatchFile(path) {
		return (&watching{program: p, path: path}).check()
	}
	check := &configCheck{program: p, Context: c, path: path, origins: map[string]bool{}}
	if path == "" {
		for _, err := range p.unknownVariables(p.app()) {
			check.note(err)
		}
	}
	for _, command := range configurable(p.app()) {
		used, err := check.try(command, func(string) bool { return true })
		if err != nil { // what is wrong with each setting, and then with all together
			for _, s := range used {
				_, alone := check.try(command, func(flag string) bool { return flag == s.flag })
				check.note(alone)
			}
		}
		check.note(err)
	}
	if len(check.mistakes) > 0 {
		return errors.Join(check.mistakes...)
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
	if path != "" && len(check.origins) == 0 {
		_, err := fmt.Fprintf(p.stdout, "%s: no mistakes, but it sets nothing: it is empty, or all of it is commented out\n", what)
		return err
	}
	_, err := fmt.Fprintf(p.stdout, "%s: no mistakes, settings: %d\n", what, len(check.origins))
	return err
}

// configCheck is one run of config check.
type configCheck struct {
	*program
	*cli.Context
	path     string          // of the one file; "": all sources
	origins  map[string]bool // of the settings
	mistakes []error         // each once: several commands make the same
}

func (k *configCheck) note(err error) {
	if err != nil && !slices.ContainsFunc(k.mistakes, func(e error) bool { return e.Error() == err.Error() }) {
		k.mistakes = append(k.mistakes, err)
	}
}

// try carries out what a command does with those of its settings that are
// wanted, and returns them.
func (k *configCheck) try(command string, wanted func(flag string) bool) ([]setting, error) {
	app := k.app()
	do := func(*cli.Context) error { return nil } // flags are read, but not compared
	switch command {
	case "", "trace":
		do = func(c *cli.Context) error { _, err := k.optionsFrom(c); return err }
	case "explain":
		do = func(c *cli.Context) error { _, err := explainOptionsFrom(c); return err }
	case "demo":
		do = func(c *cli.Context) error { _, err := outputFrom(c, report.CheckPath); return err }
	}
	if command == "" {
		app.Action = do
	} else {
		commandOf(app, command).Action = do
	}
	line, err := commandLine(app, command, k.Context)
	if err != nil {
		return nil, usageError{err}
	}
	sources, err := k.checkedSources(app, line, k.path)
	k.note(err)
	for i, ask := range sources {
		sources[i] = func(command string, f cli.Flag) (setting, bool) {
			if !wanted(f.Names()[0]) {
				return setting{}, false
			}
			return ask(command, f)
		}
	}
	used := apply(line, sources)
	for _, s := range used {
		k.origins[s.origin] = true
	}
	return used, blame(app.RunContext(k.Context.Context, append([]string{app.Name}, line.Args()...)), line, used)
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
