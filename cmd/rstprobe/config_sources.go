package main

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
	"github.com/rstprobe/rstprobe/internal/config"
)

// systemConfigPath is the configuration of all users of a machine (Filesystem
// Hierarchy Standard 3.0 §3.7).
const systemConfigPath = "/etc/rstprobe/config.yaml"

// configFlag is the flag that names the configuration file; noConfig is its
// FILE that stands for none.
const (
	configFlag = "config"
	noConfig   = "none"
)

// setting is the value of a flag that comes from elsewhere than the line.
type setting struct {
	flag   string
	values []string // as they would stand behind the flag, each; none: the built-in default
	origin string   // RSTPROBE_RATE, or FILE:LINE:COLUMN
	here   string   // the origin, and the line of the file
}

// source is an authority on settings. It returns what it says on a flag of a
// command, "" being the main one, and whether it says anything.
type source func(command string, f cli.Flag) (setting, bool)

// userConfigPath is the configuration of a user, by the XDG Base Directory
// Specification; "" if the environment names no place.
func userConfigPath(getenv func(string) string) string {
	dir := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) { // the specification has relative paths ignored
		home := getenv("HOME")
		if !filepath.IsAbs(home) {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "rstprobe", "config.yaml")
}

// configPaths are the files that are read, the highest authority first: the
// one named, or those of the user and of the system as far as they exist.
func (p *program) configPaths(line *argv.Line) ([]string, error) {
	named, given := line.Value(configFlag)
	if !given {
		named = p.sys.getenv(envOf("", configFlag))
	}
	switch {
	case named == noConfig:
		return nil, nil
	case named != "":
		return []string{named}, nil
	case given:
		return nil, usagef("--config: the name of the file is missing: write --config FILE, or --config %s", noConfig)
	}
	var out []string
	for _, path := range []string{userConfigPath(p.sys.getenv), p.sys.systemConfig} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err == nil {
			out = append(out, path)
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) { // a HOME that is another user's
			return nil, usagef("configuration: %w", err)
		}
	}
	return out, nil
}

// sources are the environment and the files of a line, the highest authority
// first; with an error, what is right of them.
func (p *program) sources(app *cli.App, line *argv.Line) ([]source, error) {
	paths, err := p.configPaths(line)
	if err != nil {
		return nil, err
	}
	all := []source{environment(app, p.sys.getenv)}
	var errs []error
	for _, path := range paths {
		s, err := configFile(app, path)
		all, errs = append(all, s), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// environment is what the variables say. An empty one says nothing.
func environment(app *cli.App, getenv func(string) string) source {
	return func(command string, f cli.Flag) (setting, bool) {
		name := f.Names()[0]
		vars := []string{envOf(command, name)}
		if main := flagOf(app.Flags, name); main != nil && alike(main, f) && command != "" {
			vars = append(vars, envOf("", name))
		}
		for _, v := range vars {
			if text := getenv(v); text != "" {
				s := setting{flag: name, values: []string{text}, origin: v, here: v}
				if repeatable(f) {
					s.values = strings.Split(text, ",")
					for i := range s.values {
						s.values[i] = strings.TrimSpace(s.values[i])
					}
				}
				return s, true
			}
		}
		return setting{}, false
	}
}

// nothing is a source that has nothing to say.
func nothing(string, cli.Flag) (setting, bool) { return setting{}, false }

// configFile reads a file. All of it must be right, whichever command asks;
// the error names everything that is not, and the source says the rest.
func configFile(app *cli.App, path string) (source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nothing, usagef("configuration: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	root, err := config.Read(path, f)
	if err != nil {
		return nothing, usagef("configuration: %w", err)
	}
	said := map[string]map[string]setting{} // by command and flag
	said[""], err = readKeys(root, "the file", app.Flags, func(field config.Field) error {
		if field.Key.Text() != commandsKey {
			return unknownKey(app, field.Key, app.Flags)
		}
		errs := []error{mapping(field.Value, commandsKey)}
		for _, section := range field.Value.Fields() {
			name := section.Key.Text()
			c := commandOf(app, name)
			if c == nil || len(settable(c.Flags)) == 0 {
				errs = append(errs, unknownCommand(app, section.Key))
				continue
			}
			var err error
			said[name], err = readKeys(section.Value, commandsKey+": "+name, c.Flags, func(f config.Field) error {
				return unknownKey(app, f.Key, c.Flags)
			})
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	if err != nil {
		err = usagef("configuration: %w", err)
	}
	return func(command string, f cli.Flag) (setting, bool) {
		name := f.Names()[0]
		if s, ok := said[command][name]; ok {
			return s, true
		}
		if main := flagOf(app.Flags, name); main == nil || !alike(main, f) {
			return setting{}, false
		}
		s, ok := said[""][name]
		return s, ok
	}, err
}

// mapping refuses a node that holds no keys, though it should; name is what
// it is called.
func mapping(n config.Node, name string) error {
	if k := n.Kind(); k != config.Map && k != config.Null {
		return n.Errorf("%s has keys and values: write one KEY: VALUE per line", name)
	}
	return nil
}

// readKeys reads the settings of one mapping; other is asked about keys that
// are no flags. The error names everything that is wrong.
func readKeys(n config.Node, name string, flags []cli.Flag, other func(config.Field) error) (map[string]setting, error) {
	if err := mapping(n, name); err != nil {
		return nil, err
	}
	out := map[string]setting{}
	var errs []error
	for _, field := range n.Fields() {
		flag := flagOf(settable(flags), field.Key.Text())
		if flag == nil {
			errs = append(errs, other(field))
			continue
		}
		values, err := valuesOf(flag, field.Value)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s := setting{flag: field.Key.Text(), values: values, origin: field.Value.At()}
		s.here = field.Value.Errorf("--%s is set here", s.flag).Error()
		out[s.flag] = s
	}
	return out, errors.Join(errs...)
}

// valuesOf turns a value of a file into what would stand behind the flag.
func valuesOf(f cli.Flag, n config.Node) ([]string, error) {
	name := f.Names()[0]
	_, opt := f.(*argv.OptFlag)
	switch n.Kind() {
	case config.Null:
		return nil, nil
	case config.Scalar:
		return []string{n.Text()}, nil
	case config.List:
		if !opt && !repeatable(f) {
			return nil, n.Errorf("%s takes one value, not a list", name)
		}
		var out []string
		for _, item := range n.Items() {
			if item.Kind() != config.Scalar {
				return nil, item.Errorf("%s takes a list of single values", name)
			}
			out = append(out, item.Text())
		}
		if opt && len(out) > 0 {
			out = []string{strings.Join(out, ",")}
		}
		return out, nil
	}
	return nil, n.Errorf("%s takes a value, not keys", name)
}

// repeatable reports whether a flag may be given several times.
func repeatable(f cli.Flag) bool {
	s, ok := f.(cli.DocGenerationSliceFlag)
	return ok && s.IsSliceFlag()
}

// unknownKey is the error for a key that none of the flags has.
func unknownKey(app *cli.App, at config.Node, flags []cli.Flag) error {
	name := at.Text()
	if slices.Contains(requests, name) {
		return at.Errorf("%s cannot be set in a file", name)
	}
	var commands []string
	for _, k := range keys(app) {
		if k.name() == name {
			commands = append(commands, k.commands...)
		}
	}
	if len(commands) > 0 && commands[0] != "" {
		return at.Errorf("%s is for %s only: write it under %s: %s:", name, strings.Join(commands, " and "), commandsKey, commands[0])
	}
	known := []string{commandsKey}
	for _, f := range settable(flags) {
		known = append(known, f.Names()[0])
	}
	return at.Errorf("there is no key %s%s", name, hint(name, known, "rstprobe config print-template lists all"))
}

// unknownCommand is the error for a key of a command that is not there, or
// has no settings.
func unknownCommand(app *cli.App, at config.Node) error {
	known := map[string]bool{}
	for _, k := range keys(app) {
		for _, c := range k.commands {
			known[c] = true
		}
	}
	delete(known, "")
	all := slices.Sorted(maps.Keys(known))
	return at.Errorf("there are no settings for a command %s%s", at.Text(), hint(at.Text(), all, "write one of "+strings.Join(all, ", ")))
}

// hint says what was probably meant, or else otherwise.
func hint(text string, known []string, otherwise string) string {
	if near := argv.Nearest(text, known); near != "" {
		return "; did you mean " + near + "?"
	}
	return "; " + otherwise
}
