package main

import (
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rstprobe/rstprobe/internal/lab/cases"
)

// TestScripts runs testdata/script in this process, in the world of
// fakeSystem. The command is
//
//	rstprobe EXIT-CODE [< FILE] ARGUMENT...
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"rstprobe": func(ts *testscript.TestScript, _ bool, args []string) {
				if len(args) == 0 {
					ts.Fatalf("usage: rstprobe EXIT-CODE [< FILE] ARGUMENT...")
				}
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				args = args[1:]
				stdin := ""
				if len(args) > 1 && args[0] == "<" {
					stdin = ts.ReadFile(args[1])
					args = args[2:]
				}
				f := fakeSystem{
					env:      scriptEnv(ts.Getenv),
					terminal: ts.Getenv("TTY") != "", lines: []string{"12:00:00.000000 IP packet"}, demos: cases.All(),
				}
				got := f.run(t.Context(), stdin, args...)
				_, err = ts.Stdout().Write([]byte(got.stdout))
				ts.Check(err)
				_, err = ts.Stderr().Write([]byte(got.stderr))
				ts.Check(err)
				if got.code != want {
					ts.Fatalf("exit code %d, want %d", got.code, want)
				}
			},
		},
	})
}

// scriptEnv are the variables of a script that the program may read.
func scriptEnv(getenv func(string) string) map[string]string {
	names := []string{"NO_COLOR", "FORCE_COLOR", "TERM", "XDG_CONFIG_HOME", envOf("", configFlag)}
	for _, k := range keys(testApp()) {
		for _, c := range append(k.commands, k.command) {
			names = append(names, envOf(c, k.name()))
		}
	}
	env := map[string]string{}
	for _, name := range names {
		if v := getenv(name); v != "" {
			env[name] = v
		}
	}
	return env
}
