package main

import (
	"reflect"
	"slices"

	"github.com/urfave/cli/v2"
)

// commandsKey is the key of a configuration file below which stand the keys
// that are for one command only.
const commandsKey = "commands"

// requests are the flags that say what to do now, and so are no settings.
// --config says where settings are; it has a variable, but no key.
var requests = []string{"help", "version", "check", "healthy", "test-alerts", "run", "from", "to", "diff", "export", configFlag}

// exclusive are flags of which only one makes sense, or that together say one
// thing. Where one is given, those given by a lower authority do not count.
var exclusive = [][]string{{"ipv4", "ipv6"}, {"syn", "sni", "host"}, {"control", "server"}}

// key is a flag as configuration files and the environment name it.
type key struct {
	command  string // the only command that it is for; "": all that have the flag
	flag     cli.Flag
	commands []string // the commands that it is for; "" is the main one
}

// name is the primary name of the flag, and the key below its command.
func (k key) name() string { return k.flag.Names()[0] }

// keys are all keys, in the order of the help. A flag of a command is that of
// the main command if it has the same name and takes the same: then one key
// is for both. Otherwise, it has a key of its own.
func keys(app *cli.App) []key {
	var out []key
	shared := map[string]int{} // index in out
	for _, f := range settable(app.Flags) {
		shared[f.Names()[0]] = len(out)
		out = append(out, key{flag: f, commands: []string{""}})
	}
	for _, c := range app.Commands {
		for _, f := range settable(c.Flags) {
			if i, ok := shared[f.Names()[0]]; ok && alike(out[i].flag, f) {
				out[i].commands = append(out[i].commands, c.Name)
			} else {
				out = append(out, key{command: c.Name, flag: f, commands: []string{c.Name}})
			}
		}
	}
	return out
}

// settable are the flags that are settings.
func settable(flags []cli.Flag) []cli.Flag {
	var out []cli.Flag
	for _, f := range flags {
		if !slices.Contains(requests, f.Names()[0]) {
			out = append(out, f)
		}
	}
	return out
}

// alike reports whether two flags of one name are the same flag.
func alike(a, b cli.Flag) bool { return reflect.TypeOf(a) == reflect.TypeOf(b) }

// flagOf looks a flag up by its primary name.
func flagOf(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if f.Names()[0] == name {
			return f
		}
	}
	return nil
}

// commandOf looks a command up by its first name; nil for none.
func commandOf(app *cli.App, name string) *cli.Command {
	for _, c := range app.Commands {
		if c.Name == name {
			return c
		}
	}
	return nil
}
