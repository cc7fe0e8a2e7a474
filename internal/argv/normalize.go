package argv

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// Normalize rewrites args, args[0] being the program, to
//
//	prog [--flag[=value]]... [command [--flag[=value]]...]... [-- word...]
//
// A flag goes to the innermost command that defines it, wherever it stood, so
// a flag that two levels define must take a value in both or in neither.
// Every spelling becomes the flag's primary name, a value is glued to its
// flag, "-4v" is split where each letter is a flag without a value (the last
// may take one). "--" ends the flags. A word that names a command is one only
// in front of all other words. A help flag drops the words. The result is a
// fixed point.
//
// The error is for the person who typed the line: an unknown flag, a missing
// value, or a word behind a bare OptFlag that may have been meant as its
// value.
func Normalize(app *cli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, nil
	}
	l, err := Parse(app, args[1:])
	if err != nil {
		return nil, err
	}
	return append([]string{args[0]}, l.Args()...), nil
}

// Line is a command line, taken apart.
type Line struct {
	levels     []*level // the program, then the commands, outermost first
	flags      []given
	words      []string // what is neither a flag nor a command
	helpWanted bool
	pending    cli.Flag // lacks its value, at the end of the line
	bare       string   // the spelling of a bare OptFlag that was the last thing read, or ""
	doubt      *doubt   // the first word that stands behind a bare OptFlag
}

// Parse takes a line apart, the program's name not included. Its error is
// that of Normalize; with it comes the line as far as it can be read.
func Parse(app *cli.App, args []string) (*Line, error) {
	app.Setup() // appends the library's own flags and commands, where the app wants them
	l := &Line{levels: []*level{{
		flags: app.Flags, commands: app.Commands, help: !app.HideHelp,
	}}}
	if err := l.read(args); err != nil && !l.helpWanted {
		return l, err
	}
	return l, nil
}

// Args is the line in the order that the library reads.
func (l *Line) Args() []string {
	if l.helpWanted {
		return l.helpRequest()
	}
	return l.write()
}

// HelpWanted reports whether the line asks for help, and so for nothing else.
func (l *Line) HelpWanted() bool { return l.helpWanted }

// Commands are the commands of the line by their first names, outermost
// first; none for the program itself.
func (l *Line) Commands() []string {
	var out []string
	for _, v := range l.levels[1:] {
		out = append(out, v.name)
	}
	return out
}

// Flags are the flags that the innermost command, or else the program,
// defines itself.
func (l *Line) Flags() []cli.Flag { return l.inner().flags }

// Words are what is neither a flag nor a command.
func (l *Line) Words() []string { return l.words }

// Pending is the flag at the end of the line that lacks its value, which is
// the error of Parse then; nil if there is none.
func (l *Line) Pending() cli.Flag { return l.pending }

// Find looks a flag up by any of its names, at the innermost level first; nil
// where no level defines it.
func (l *Line) Find(name string) cli.Flag { return l.find(name) }

// Value is what the flag with this primary name was given last, "" if bare.
func (l *Line) Value(name string) (value string, ok bool) {
	for _, g := range l.flags {
		if g.name == name {
			value, ok = g.value, true
		}
	}
	return value, ok
}

// Default gives a flag of the line, under its primary name, values as if they
// stood in front of all others.
func (l *Line) Default(name string, values ...string) {
	var first []given
	for _, v := range values {
		first = append(first, given{name, v, true})
	}
	l.flags = append(first, l.flags...)
}

// given is one flag of the line under its primary name.
type given struct {
	name, value string
	hasValue    bool
}

// doubt is a word that may have been meant as the value of a flag.
type doubt struct{ flag, word string }

// read takes the words of a line in. It goes on behind an error, so that a
// later --help is found, and returns the first.
func (l *Line) read(args []string) error {
	var first error
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		switch {
		case word == "--":
			first = firstOf(first, l.literal(args))
			args = nil
		case len(word) > 1 && word[0] == '-':
			took, err := l.flag(word, args)
			args = args[took:]
			first = firstOf(first, err)
		default:
			l.word(word)
		}
	}
	return firstOf(first, l.settle())
}

// literal takes in what stands behind "--".
func (l *Line) literal(words []string) error {
	l.bare = ""
	if len(l.words) == 0 && len(words) > 0 && l.inner().command(words[0]) != nil {
		// The library looks for a command even behind "--".
		return fmt.Errorf("%q is the name of a command and cannot be a target: write %s:PORT", words[0], words[0])
	}
	l.words = append(l.words, words...)
	return nil
}

// word takes in a command or a plain word.
func (l *Line) word(w string) {
	if len(l.words) == 0 {
		if c := l.inner().command(w); c != nil {
			l.levels = append(l.levels, &level{
				name: c.Name, flags: c.Flags, commands: c.Subcommands, help: !c.HideHelp,
			})
			l.bare = ""
			return
		}
	}
	if l.bare != "" && l.doubt == nil {
		l.doubt = &doubt{l.bare, w}
	}
	l.bare = ""
	l.words = append(l.words, w)
}

// flag takes in a word that begins with a dash and reports how many of the
// words behind it belong to it.
func (l *Line) flag(word string, rest []string) (took int, err error) {
	l.bare = ""
	dashes := 1
	if strings.HasPrefix(word, "--") {
		dashes = 2
	}
	name, value, glued := strings.Cut(word[dashes:], "=")
	f := l.find(name)
	if f == nil && dashes == 1 {
		if f = l.cluster(name); f != nil {
			name = f.Names()[0]
		}
	}
	if f == nil {
		return 0, l.unknown(word[:dashes], name)
	}
	g := given{f.Names()[0], value, glued}
	if !glued && takesValue(f) {
		if len(rest) == 0 {
			l.pending = f
			return 0, fmt.Errorf("%s needs a value: write %s=%s", dashed(name), dashed(g.name), Placeholder(f))
		}
		g.value, g.hasValue, took = rest[0], true, 1
	}
	if _, ok := f.(*OptFlag); ok && !glued {
		l.bare = dashed(name)
	}
	if g.name == cli.HelpFlag.Names()[0] && g.value != "false" {
		l.helpWanted = true
	}
	l.flags = append(l.flags, g)
	return took, nil
}

// cluster takes in all but the last of several one-letter flags behind one
// dash, and returns the last. It returns nil, and takes in nothing, when they
// are not that.
func (l *Line) cluster(letters string) cli.Flag {
	var fs []cli.Flag
	for _, r := range letters {
		f := l.find(string(r))
		if f == nil || (len(fs) > 0 && takesValue(fs[len(fs)-1])) {
			return nil
		}
		fs = append(fs, f)
	}
	if len(fs) < 2 {
		return nil
	}
	last := len(fs) - 1
	for _, f := range fs[:last] {
		l.flags = append(l.flags, given{name: f.Names()[0]})
		if f.Names()[0] == cli.HelpFlag.Names()[0] {
			l.helpWanted = true
		}
	}
	return fs[last]
}

// settle decides whether the word in doubt can be read in one way only: it
// can when it is the only target there is.
func (l *Line) settle() error {
	if l.doubt == nil {
		return nil
	}
	targets := len(l.words)
	for _, g := range l.flags {
		if _, ok := l.find(g.name).(*ListFlag); ok {
			targets++
		}
	}
	if targets < 2 {
		return nil
	}
	return fmt.Errorf("%s %s is ambiguous: write %s=%s to give a value, or put every target in front of the flags",
		l.doubt.flag, l.doubt.word, l.doubt.flag, l.doubt.word)
}

// write puts the line together again, without the program.
func (l *Line) write() []string {
	for _, g := range l.flags {
		i := len(l.levels) - 1
		for i > 0 && l.levels[i].find(g.name) == nil {
			i--
		}
		word := "--" + g.name
		if g.hasValue {
			word += "=" + g.value
		}
		l.levels[i].out = append(l.levels[i].out, word)
	}
	var out []string
	for i, v := range l.levels {
		if i > 0 {
			out = append(out, v.name)
		}
		out = append(out, v.out...)
	}
	if len(l.words) > 0 {
		out = append(append(out, "--"), l.words...)
	}
	return out
}

// helpRequest asks for the help of the innermost command.
func (l *Line) helpRequest() []string {
	return append(l.Commands(), "--"+cli.HelpFlag.Names()[0])
}

// unknown is the error for a flag that no level defines.
func (l *Line) unknown(dashes, name string) error {
	msg := fmt.Sprintf("unknown flag %s%s", dashes, name)
	var all []string
	for _, f := range l.inner().flags {
		all = append(all, f.Names()[0])
	}
	if near := Nearest(name, all); near != "" {
		msg += "; did you mean " + dashed(near) + "?"
	}
	return errors.New(msg)
}

// inner is the innermost level so far.
func (l *Line) inner() *level { return l.levels[len(l.levels)-1] }

// find looks a flag up by any of its names, innermost level first.
func (l *Line) find(name string) cli.Flag {
	for i := len(l.levels) - 1; i >= 0; i-- {
		if f := l.levels[i].find(name); f != nil {
			return f
		}
	}
	return nil
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
