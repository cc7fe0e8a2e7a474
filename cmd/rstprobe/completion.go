package main

import (
	_ "embed" // the scripts
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
	"github.com/rstprobe/rstprobe/probe"
)

// The completion scripts. Each asks the program itself, by completeCommand.
var (
	//go:embed completion/rstprobe.bash
	bashCompletion string
	//go:embed completion/rstprobe.zsh
	zshCompletion string
	//go:embed completion/rstprobe.fish
	fishCompletion string
)

// shells are the words that the completion command takes.
var shells = []struct{ name, script string }{
	{"bash", bashCompletion}, {"zsh", zshCompletion}, {"fish", fishCompletion},
}

// completeCommand is the first word of a line that a shell completes. The
// words of the user follow, the last being the one under the cursor, as far
// as the cursor, and perhaps empty. The answer is, line by line,
//
//	CANDIDATE[<tab>DESCRIPTION]   a whole word
//	:files<tab>PREFIX             what follows PREFIX in the word is a path
//
// It is no command of the library, whose own completion mode reads os.Args,
// knows no values of flags and gives up at the first target.
const completeCommand = "__complete"

// filesCandidate stands for paths, which the shells themselves complete best.
const filesCandidate = ":files"

// candidate is a word that may stand under the cursor.
type candidate struct{ word, description string }

// completion is the completion command: it prints a script for a shell.
func (p *program) completion(c *cli.Context) error {
	var names []string
	for _, s := range shells {
		names = append(names, s.name)
		if c.NArg() == 1 && c.Args().First() == s.name {
			_, err := io.WriteString(p.stdout, s.script)
			return err
		}
	}
	ask := "write completion " + strings.Join(names, ", completion ")
	if c.NArg() != 1 {
		return usagef("completion prints the script of one shell: %s", ask)
	}
	return usagef("there is no completion for %s%s", c.Args().First(), hint(c.Args().First(), names, ask))
}

// complete answers a shell.
func (p *program) complete(words []string) error {
	if len(words) == 0 {
		words = []string{""}
	}
	for _, c := range p.candidates(words[:len(words)-1], words[len(words)-1]) {
		line := c.word
		if c.description != "" || c.word == filesCandidate {
			line += "\t" + c.description
		}
		if _, err := fmt.Fprintln(p.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

// candidates are the words that may stand behind others and begin with cur.
func (p *program) candidates(before []string, cur string) []candidate {
	app := p.app()
	line, _ := argv.Parse(app, before) //nolint:errcheck // what can be read is enough to go on
	if f := line.Pending(); f != nil {
		return valueCandidates(f, "", cur)
	}
	var out []candidate
	switch name, value, glued := strings.Cut(cur, "="); {
	case !strings.HasPrefix(cur, "-") || slices.Contains(before, "--"):
		out = p.wordCandidates(app, line)
	case glued:
		if f := line.Find(strings.TrimLeft(name, "-")); f != nil {
			return valueCandidates(f, name+"=", value)
		}
	default:
		out = flagCandidates(line)
	}
	return beginning(cur, out)
}

// beginning keeps the candidates that begin with a text.
func beginning(text string, all []candidate) []candidate {
	return slices.DeleteFunc(all, func(c candidate) bool {
		return c.word != filesCandidate && !strings.HasPrefix(c.word, text)
	})
}

// flagCandidates are the flags of the innermost command that may still be
// given.
func flagCandidates(line *argv.Line) []candidate {
	var out []candidate
	for _, f := range line.Flags() {
		name := f.Names()[0]
		_, opt := f.(*argv.OptFlag)
		if _, given := line.Value(name); given && !opt && !repeatable(f) {
			continue
		}
		_, usage := flagLine(f)
		out = append(out, candidate{"--" + name, usage})
	}
	return out
}

// valueCandidates are the values of a flag; prefix is what stands in front of
// the value in the same word.
func valueCandidates(f cli.Flag, prefix, cur string) []candidate {
	var out []candidate
	switch f := f.(type) {
	case *argv.WordFlag:
		for _, w := range f.Words {
			out = append(out, candidate{prefix + w, ""})
		}
	case *cli.BoolFlag:
		out = []candidate{{prefix + "true", ""}, {prefix + "false", ""}}
	case *argv.OptFlag:
		out = []candidate{{prefix + "none", "do not test"}}
		if strings.HasPrefix(cur, "@") {
			out = []candidate{{filesCandidate, prefix + "@"}}
		}
	default:
		if takesFile(f) {
			out = []candidate{{filesCandidate, prefix}}
		}
	}
	return beginning(prefix+cur, out)
}

// takesFile reports whether the value of a flag is a path.
func takesFile(f cli.Flag) bool {
	s, ok := f.(*cli.StringFlag)
	return ok && s.TakesFile || argv.Placeholder(f) == "FILE"
}

// wordCandidates are the words that are no flags: commands in the first
// place, behind a command what it takes. Targets are anybody's guess.
func (p *program) wordCandidates(app *cli.App, line *argv.Line) []candidate {
	var out []candidate
	add := func(word, description string) { out = append(out, candidate{word, description}) }
	n := len(line.Words())
	command := ""
	if all := line.Commands(); len(all) > 0 {
		command = all[0]
	}
	switch {
	case command == "" && n == 0:
		for _, c := range app.Commands {
			if !c.Hidden {
				add(c.Name, c.Usage)
			}
		}
	case command == "":
	case command == "demo" && n == 0:
		for _, dc := range p.demos() {
			add(dc.Name, dc.Doc)
		}
	case command == "explain-rule" && n == 0:
		for _, r := range probe.Rules() {
			add(string(r.ID), r.Doc)
		}
	case command == "completion" && n == 0:
		for _, s := range shells {
			add(s.name, "")
		}
	case command == "config" && n == 0:
		for _, a := range configActions {
			add(a.name, a.usage)
		}
	case command == "config" && n == 1 && line.Words()[0] == "show":
		for _, c := range configurable(app)[1:] {
			add(c, "")
		}
	case command == "config" && n == 1 && line.Words()[0] == "check",
		strings.HasPrefix(commandOf(app, command).ArgsUsage, "FILE"):
		add(filesCandidate, "")
	}
	return out
}
