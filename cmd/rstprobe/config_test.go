package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
)

var update = flag.Bool("update", false, "write the golden files anew")

// testApp is the command line of the program.
func testApp() *cli.App {
	f := fakeSystem{}
	return (&program{sys: f.system(), stdout: io.Discard, stderr: io.Discard}).app()
}

// writeConfig writes a configuration file and returns its path.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// commandName is a command as it is typed, "" being the main one.
func commandName(name string) string {
	if name == "" {
		return "TARGET..."
	}
	return name
}

// TestKeys: keys and variables are unambiguous, whatever flags there are.
func TestKeys(t *testing.T) {
	t.Parallel()
	app := testApp()
	seen, variables := map[string]bool{}, map[string]string{}
	for _, k := range keys(app) {
		id := k.command + "." + k.name()
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
		if k.command == "" && k.name() == commandsKey {
			t.Errorf("a flag is called --%s, which is no key then", commandsKey)
		}
	}
	use := func(name, meaning string) {
		if other, ok := variables[name]; ok {
			t.Errorf("%s is %s and %s", name, other, meaning)
		}
		variables[name] = meaning
	}
	for _, f := range settable(app.Flags) {
		use(envOf("", f.Names()[0]), "--"+f.Names()[0])
	}
	for _, c := range app.Commands {
		for _, f := range settable(c.Flags) {
			use(envOf(c.Name, f.Names()[0]), c.Name+" --"+f.Names()[0])
		}
	}
	for _, name := range []string{"RSTPROBE_REQUIRE", "RSTPROBE_CAPTURES", "RSTPROBE_CONFIG", "RSTPROBE_TEST_MAIN"} {
		use(name, "a variable of its own")
	}
}

// plausible are values that flags take, for the walk over all of them; other
// flags take any.
func plausible(f cli.Flag) string {
	switch f := f.(type) {
	case *cli.BoolFlag:
		return "true"
	case *cli.IntFlag, *cli.Uint64Flag, *cli.Int64Flag, *cli.UintFlag, *cli.Float64Flag:
		return "7"
	case *cli.DurationFlag:
		return "7s"
	case *argv.WordFlag:
		return f.Words[len(f.Words)-1]
	}
	return "x"
}

// TestEveryFlagCanBeSet: each flag of each command, by its variable and by its
// key, each in the general form, as far as there is one, and for the command.
func TestEveryFlagCanBeSet(t *testing.T) {
	t.Parallel()
	for _, k := range keys(testApp()) {
		want := plausible(k.flag)
		for _, command := range k.commands {
			for _, scope := range []string{k.command, command} { // for all that have the flag, and for one
				text := fmt.Sprintf("%s: %s\n", k.name(), want)
				if scope != "" {
					text = fmt.Sprintf("commands:\n  %s:\n    %s", scope, text)
				}
				for _, origin := range []struct {
					name string
					env  map[string]string
				}{
					{"variable", map[string]string{envOf(scope, k.name()): want}},
					{"file", map[string]string{"RSTPROBE_CONFIG": writeConfig(t, text)}},
				} {
					t.Run(fmt.Sprintf("%s/%s/%s/%s", commandName(command), k.name(), commandName(scope), origin.name), func(t *testing.T) {
						t.Parallel()
						f := fakeSystem{env: origin.env}
						p := &program{sys: f.system(), stdout: io.Discard, stderr: io.Discard}
						app := p.app()
						got := ""
						read := func(c *cli.Context) error {
							if _, ok := k.flag.(*argv.OptFlag); ok {
								got = strings.Join(argv.Opt(c, k.name()).Values, ",")
							} else {
								got = fmt.Sprint(c.Value(k.name()))
							}
							if !c.IsSet(k.name()) {
								t.Error("it does not count as set")
							}
							return nil
						}
						var words []string
						if app.Action = read; command != "" {
							commandOf(app, command).Action = read
							words = []string{command}
						}
						line, err := argv.Parse(app, words)
						if err != nil {
							t.Fatal(err)
						}
						if _, err := p.configure(app, line); err != nil {
							t.Fatal(err)
						}
						if err := app.RunContext(t.Context(), append([]string{"rstprobe"}, line.Args()...)); err != nil {
							t.Fatal(err)
						}
						if !strings.Contains(got, want) {
							t.Errorf("value %q, want %q", got, want)
						}
					})
				}
			}
		}
	}
}

// TestPrecedence: line, variable for the command, variable, file of the user,
// file of the system, default.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	user := "rate: 3\ncommands: {trace: {rate: 4}}\nsni: [u.example]\ncontrol: [c1.example, c2.example]\nmax-ttl: null\n"
	system := "rate: 2\nmax-ttl: 9\nipv6: true\nmax-wait: 1m\n"
	for _, tt := range []struct {
		name, line string
		env        map[string]string
		want       string // settings in use
	}{
		{"files", "clean.example", nil,
			"--ipv6=true from SYSTEM:3:7; --max-wait=1m from SYSTEM:4:11; --control=c1.example --control=c2.example from USER:4:10; --rate=3 from USER:1:7; --sni=u.example from USER:3:6"},
		{"command of a file", "trace clean.example -4 --sni --control=x.example --max-wait 0s", nil, "--rate=4 from USER:2:26"},
		{"variable over file", "clean.example --sni --control=x.example -6 --max-wait 0s", map[string]string{"RSTPROBE_RATE": "5"}, "--rate=5 from RSTPROBE_RATE"},
		{"variable of a command", "trace clean.example --sni --control=x.example -6 --max-wait 0s", map[string]string{"RSTPROBE_RATE": "5", "RSTPROBE_TRACE_RATE": "6"}, "--rate=6 from RSTPROBE_TRACE_RATE"},
		{"empty variable", "clean.example --sni --control=x.example -6 --max-wait 0s", map[string]string{"RSTPROBE_RATE": ""}, "--rate=3 from USER:1:7"},
		{"line over all", "clean.example --sni --control=x.example -6 --max-wait 0s --rate 8", map[string]string{"RSTPROBE_RATE": "5"}, ""},
		{"another test on the line", "clean.example --syn -4 --rate 8 --control=x.example --max-wait 0s", nil, ""},
		{"list in a variable", "clean.example --rate 8 --sni -4 --max-wait 0s", map[string]string{"RSTPROBE_CONTROL": "a.example, b.example"}, "--control=a.example --control=b.example from RSTPROBE_CONTROL"},
		{"named file alone", "clean.example --config=SYSTEM", nil, "--ipv6=true from SYSTEM:3:7; --max-ttl=9 from SYSTEM:2:10; --max-wait=1m from SYSTEM:4:11; --rate=2 from SYSTEM:1:7"},
		{"named by variable", "clean.example", map[string]string{"RSTPROBE_CONFIG": "none"}, ""},
		{"no file, but variables", "clean.example --config=none", map[string]string{"RSTPROBE_JSON": "1"}, "--json=1 from RSTPROBE_JSON"},
		{"version reads nothing", "--version", nil, ""},
		{"commands without settings read nothing", "explain-rule", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			userPath, systemPath := filepath.Join(dir, "rstprobe", "config.yaml"), writeConfig(t, system)
			if err := os.Mkdir(filepath.Dir(userPath), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(userPath, []byte(user), 0o600); err != nil {
				t.Fatal(err)
			}
			env := map[string]string{"XDG_CONFIG_HOME": dir}
			for k, v := range tt.env {
				env[k] = v
			}
			f := fakeSystem{env: env}
			sys := f.system()
			sys.systemConfig = systemPath
			p := &program{sys: sys, stdout: io.Discard, stderr: io.Discard}
			app := p.app()
			line, err := argv.Parse(app, strings.Fields(strings.ReplaceAll(tt.line, "SYSTEM", systemPath)))
			if err != nil {
				t.Fatal(err)
			}
			used, err := p.configure(app, line)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, k := range keys(app) { // in a fixed order
				for _, s := range used {
					if s.flag == k.name() && k.command == "" {
						got = append(got, s.String()+" from "+s.origin)
					}
				}
			}
			text := strings.NewReplacer(userPath, "USER", systemPath, "SYSTEM").Replace(strings.Join(got, "; "))
			if diff := cmp.Diff(sorted(tt.want), sorted(text)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// sorted are the parts of a list of settings, in an order of their own.
func sorted(text string) map[string]bool {
	out := map[string]bool{}
	for _, part := range strings.Split(text, "; ") {
		out[part] = true
	}
	return out
}

// TestTemplate: the template says nothing as it is, and all of it may be set.
func TestTemplate(t *testing.T) {
	t.Parallel()
	app := testApp()
	text := template(app)
	for _, line := range strings.Split(text, "\n") {
		if len(line) > 90 {
			t.Errorf("more than 90 columns: %s", line)
		}
	}
	for _, k := range keys(app) {
		if !regexp.MustCompile(`(?m)^ *#` + k.name() + `: `).MatchString(text) {
			t.Errorf("%s is not in it", k.name())
		}
	}
	full := regexp.MustCompile(`(?m)^( *)#([a-z0-9-]+:)`).ReplaceAllString(text, "$1$2")
	for name, text := range map[string]string{"as it is": text, "all set": full} {
		f := fakeSystem{}
		got := f.run(t.Context(), "", "config", "check", writeConfig(t, text))
		if got.code != 0 || got.stderr != "" {
			t.Errorf("%s: exit code %d, %s", name, got.code, got.stderr)
		}
	}
	// What is set there is the default: everything remains as it was.
	f := fakeSystem{env: map[string]string{"RSTPROBE_CONFIG": writeConfig(t, full), "RSTPROBE_SEED": "1"}}
	g := fakeSystem{env: map[string]string{"RSTPROBE_SEED": "1"}}
	with, without := f.run(t.Context(), "", "clean.example"), g.run(t.Context(), "", "clean.example")
	if diff := cmp.Diff(without.stdout, with.stdout); diff != "" || with.code != without.code {
		t.Errorf("exit code %d, %s\n-without +with:\n%s", with.code, with.stderr, diff)
	}
}

// TestConfigErrors: each is exit 2 and shows the place; nothing is measured.
func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, line, text string
		env              map[string]string
		want             string
	}{
		{name: "unknown key", text: "raet: 5\n", want: "FILE:1:1: there is no key raet; did you mean rate?\n    raet: 5\n    ^"},
		{name: "underscore", text: "max_ttl: 5\n", want: "did you mean max-ttl?"},
		{name: "nothing like it", text: "qqqqqq: 5\n", want: "rstprobe config print-template lists all"},
		{name: "key of another command", text: "lang: zh\n", want: "FILE:1:1: lang is for explain only: write it under commands: explain:"},
		{name: "a request", text: "help: true\n", want: "help cannot be set in a file"},
		{name: "unknown command", text: "commands: {explian: {lang: zh}}\n", want: "FILE:1:12: there are no settings for a command explian; did you mean explain?"},
		{name: "command without settings", text: "commands: {man: {json: true}}\n", want: "FILE:1:12: there are no settings for a command man; write one of"},
		{name: "commands as a list", text: "commands: [explain]\n", want: "FILE:1:11: commands has keys and values"},
		{name: "command as a word", text: "commands:\n  explain: zh\n", want: "FILE:2:12: commands: explain has keys and values"},
		{name: "unknown key of a command", text: "commands:\n  explain:\n    langu: zh\n", want: "FILE:3:5: there is no key langu; did you mean lang?"},
		{name: "a list at the top", text: "- rate\n", want: "FILE:1:1: the file has keys and values"},
		{name: "a list for one value", text: "rate: [1, 2]\n", want: "FILE:1:7: rate takes one value, not a list"},
		{name: "a mapping for a value", text: "rate: {a: 1}\n", want: "FILE:1:7: rate takes a value, not keys"},
		{name: "a list in a list", text: "control: [[a]]\n", want: "FILE:1:11: control takes a list of single values"},
		{name: "syntax", text: "rate: [1\n", want: "FILE:1:7: "},
		{name: "the library's check", text: "\nrate: many\n", want: "for --rate: parse error\n  write --rate PPS: send at most PPS packets per second; up to a tenth of them, and 64, at once (default: 1000)\nFILE:2:7: --rate is set here\n    rate: many\n          ^"},
		{name: "our check", text: "repeat: 0\n", want: "--repeat is 0: write a number from 1 to 100\nFILE:1:9: --repeat is set here"},
		{name: "words", text: "hello: firefix\n", want: "did you mean firefox? write plain, chrome or firefox\nFILE:1:8: --hello is set here"},
		{name: "item of a list", text: "control:\n  - a_b.example\n", want: "FILE:2:3: --control is set here"},
		{name: "variable", env: map[string]string{"RSTPROBE_RATE": "0"}, want: "--rate is 0: write a number from 1 to 1000000\nRSTPROBE_RATE: --rate is set here"},
		{name: "variable by a short name", line: "clean.example -4", env: map[string]string{"RSTPROBE_SOURCE": "2001:db8::1"}, want: "RSTPROBE_SOURCE: --source is set here"},
		{name: "a truth", text: "json: yes\n", want: "invalid boolean value \"yes\" for --json: parse error\n  write --json: print one JSON object per target and line\nFILE:1:7: --json is set here"},
		{name: "file that cannot be written", text: "output: [a.json, /nosuch/x.json]\n", want: "FILE:1:9: --output is set here"},
		{name: "family", text: "ipv6: true\nsource: 192.0.2.1\n", want: "FILE:2:9: --source is set here"},
		{name: "family of the target", line: "192.0.2.1", text: "ipv6: true\n", want: "FILE:1:7: --ipv6 is set here"},
		{name: "no such file", env: map[string]string{"RSTPROBE_CONFIG": "/nosuch/config.yaml"}, want: "no such file"},
		{name: "file not named", line: "clean.example --config=", want: "write --config FILE, or --config none"},
		{name: "a fault of the line", line: "clean.example --repeat 0", text: "rate: 5\n", want: "--repeat is 0: write a number from 1 to 100\nTry"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := writeConfig(t, tt.text)
			f := fakeSystem{env: map[string]string{"RSTPROBE_CONFIG": path}}
			for k, v := range tt.env {
				f.env[k] = v
			}
			line := tt.line
			if line == "" {
				line = "clean.example"
			}
			got := f.run(t.Context(), "", strings.Fields(line)...)
			errs := strings.ReplaceAll(got.stderr, path, "FILE")
			if got.code != exitUsage || got.stdout != "" || !strings.Contains(errs, tt.want) {
				t.Errorf("exit code %d, standard output %q, standard error:\n%s\nwant 2, nothing, and\n%s", got.code, got.stdout, errs, tt.want)
			}
			if len(f.configs) > 0 {
				t.Error("something was measured")
			}
			// config check says the same of a file.
			if tt.text == "" || tt.line != "" {
				return
			}
			got = f.run(t.Context(), "", "config", "check", path)
			if errs := strings.ReplaceAll(got.stderr, path, "FILE"); got.code != exitUsage || !strings.Contains(errs, tt.want) {
				t.Errorf("config check: exit code %d, standard error:\n%s", got.code, errs)
			}
		})
	}
}

// TestEveryFaultNamesItsOrigin: whichever flag a wrong value is for.
func TestEveryFaultNamesItsOrigin(t *testing.T) {
	t.Parallel()
	for _, k := range keys(testApp()) {
		if plausible(k.flag) == "x" {
			continue // takes any text, as far as this test knows
		}
		for _, command := range k.commands {
			f := fakeSystem{env: map[string]string{envOf(k.command, k.name()): "qqq"}}
			got := f.run(t.Context(), "", strings.Fields(command+" clean.example")...)
			if want := envOf(k.command, k.name()) + ": --" + k.name() + " is set here\n"; got.code != exitUsage || !strings.Contains(got.stderr, want) {
				t.Errorf("%s --%s: exit code %d, standard error %q, want %q", commandName(command), k.name(), got.code, got.stderr, want)
			}
		}
	}
}

// TestUserConfigPath: by the XDG Base Directory Specification.
func TestUserConfigPath(t *testing.T) {
	t.Parallel()
	root := filepath.VolumeName(t.TempDir()) + string(filepath.Separator)
	home, xdg := filepath.Join(root, "home"), filepath.Join(root, "xdg")
	for _, tt := range []struct{ name, xdg, home, want string }{
		{"variable", xdg, home, filepath.Join(xdg, "rstprobe", "config.yaml")},
		{"home", "", home, filepath.Join(home, ".config", "rstprobe", "config.yaml")},
		{"relative variable", "xdg", home, filepath.Join(home, ".config", "rstprobe", "config.yaml")},
		{"neither", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"XDG_CONFIG_HOME": tt.xdg, "HOME": tt.home}
			if got := userConfigPath(func(k string) string { return env[k] }); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestConfigurationDocument: the table in docs/configuration.md is that of the
// flags.
func TestConfigurationDocument(t *testing.T) {
	t.Parallel()
	const path = "../../docs/configuration.md"
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(old), "-update -->\n")
	if !ok {
		t.Fatalf("%s: the line in front of the table is missing", path)
	}
	_, tail, ok := strings.Cut(rest, "<!-- end -->")
	if !ok {
		t.Fatalf("%s: the line behind the table is missing", path)
	}
	var b strings.Builder
	b.WriteString("| key | variable | for | meaning |\n|---|---|---|---|\n")
	for _, k := range keys(testApp()) {
		name := k.name()
		if k.command != "" {
			name = commandsKey + ": " + k.command + ": " + name
		}
		var commands []string
		for _, c := range k.commands {
			commands = append(commands, "`"+commandName(c)+"`")
		}
		_, usage := flagLine(k.flag)
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", name, envOf(k.command, k.name()), strings.Join(commands, ", "), strings.ReplaceAll(usage, "|", `\|`))
	}
	want := head + "-update -->\n" + b.String() + "<!-- end -->" + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(old)); diff != "" {
		t.Errorf("run with -update; -want +got:\n%s", diff)
	}
}
