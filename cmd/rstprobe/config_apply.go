package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
)

// configure gives the flags that the line lacks the values of the environment
// and the configuration files, as if they stood in front of the others, and
// returns what it gave.
func (p *program) configure(app *cli.App, line *argv.Line) ([]setting, error) {
	if _, version := line.Value("version"); version || len(settable(line.Flags())) == 0 {
		return nil, nil // a broken file is no reason to refuse these
	}
	p.warnOfVariables(app)
	sources, err := p.sources(app, line)
	if err != nil {
		return nil, err
	}
	used := apply(line, sources)
	if isOn(line, "verbose") || isOn(line, "very-verbose") {
		for _, s := range used {
			fmt.Fprintf(p.stderr, "setting %s, from %s\n", s, s.origin)
		}
	}
	return used, nil
}

// isOn reports whether a flag without a value was given.
func isOn(line *argv.Line, name string) bool {
	v, ok := line.Value(name)
	if v == "" {
		return ok
	}
	given, err := strconv.ParseBool(v)
	return err == nil && given // the library refuses what is neither true nor false
}

// apply gives the flags of the innermost command that the line lacks the
// values of the highest authority that has one.
func apply(line *argv.Line, sources []source) []setting {
	flags := settable(line.Flags())
	command := ""
	if all := line.Commands(); len(all) > 0 {
		command = all[0]
	}
	rank := map[string]int{} // of the authority on each flag that has one; 0 is the line
	found := map[string]setting{}
	for _, f := range flags {
		name := f.Names()[0]
		if _, ok := line.Value(name); ok {
			rank[name] = 0
			continue
		}
		for i, ask := range sources {
			if s, ok := ask(command, f); ok {
				rank[name], found[name] = i+1, s
				break
			}
		}
	}
	var used []setting
	for _, f := range flags {
		s, ok := found[f.Names()[0]]
		if !ok || len(s.values) == 0 || outranked(s.flag, rank) {
			continue
		}
		line.Default(s.flag, s.values...)
		used = append(used, s)
	}
	return used
}

// outranked reports whether a higher authority gave a flag that excludes this
// one.
func outranked(flag string, rank map[string]int) bool {
	for _, group := range exclusive {
		if !slices.Contains(group, flag) {
			continue
		}
		for _, other := range group {
			if r, ok := rank[other]; ok && r < rank[flag] {
				return true
			}
		}
	}
	return false
}

// String is the setting as it would be typed.
func (s setting) String() string {
	return "--" + s.flag + "=" + strings.Join(s.values, " --"+s.flag+"=")
}

// blame adds to an error of the command line where the flags that it speaks
// of were set, if not there.
func blame(err error, line *argv.Line, used []setting) error {
	var usage usageError
	if !errors.As(err, &usage) {
		return err
	}
	for _, s := range used {
		if mentions(err.Error(), line.Find(s.flag).Names()) {
			from := s.here
			if from == s.origin {
				from += ": --" + s.flag + " is set here"
			}
			err = usageError{fmt.Errorf("%w\n%s", err, from)}
		}
	}
	return err
}

// mentions reports whether text has one of the names of a flag, as it is
// typed.
func mentions(text string, names []string) bool {
	for _, n := range names {
		dashes := "--"
		if len(n) == 1 {
			dashes = "-"
		}
		if regexp.MustCompile(`(^|[^\w-])` + dashes + regexp.QuoteMeta(n) + `($|[^\w-])`).MatchString(text) {
			return true
		}
	}
	return false
}
