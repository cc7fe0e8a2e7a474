package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rstprobe/rstprobe/internal/testenv"
)

// TestProcess runs testdata/process: the program as its users meet it, as a
// process at the client's end of an emulated path. The commands are
//
//	path CASE              build the path of a case of the demo; $target is its target
//	root CODE ARGUMENT...  run the program as root and compare the exit code
//	user CODE ARGUMENT...  the same, as a user without privileges
//	full CODE ARGUMENT...  the same as root, with a directory "full" of 8 KiB that holds the file x.json
//	                       and shows it on standard error at the end
//	there COMMAND...       run a command at the client's end; $program is the program
//
// Without a path there is no network but a loopback interface that is down.
// "< FILE" behind CODE feeds standard input; "<-" closes it.
func TestProcess(t *testing.T) {
	program := released(t)
	testenv.Need(t, "raw", "unshare", "mount", "ip")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/process",
		WorkdirRoot:         openDir(t),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Values[sceneKey{}] = &scene{program: program}
			env.Setenv("program", program)
			return os.Chmod(env.WorkDir, 0o777) //nolint:gosec // others are to write here
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"path": func(ts *testscript.TestScript, _ bool, args []string) {
				w, err := emulate(args[0])
				ts.Check(err)
				ts.Defer(func() { ts.Check(w.path.Close()) })
				sceneOf(ts).world = w
				ts.Setenv("target", w.target)
			},
			"root": func(ts *testscript.TestScript, _ bool, args []string) { sceneOf(ts).command(ts, 0, args) },
			"user": func(ts *testscript.TestScript, _ bool, args []string) { sceneOf(ts).command(ts, nobody, args) },
			"full": func(ts *testscript.TestScript, _ bool, args []string) { sceneOf(ts).full(ts, args) },
			"there": func(ts *testscript.TestScript, _ bool, args []string) {
				sceneOf(ts).run(ts, 0, "0", exec.Command(args[0], args[1:]...))
			},
		},
	})
}

// scene is where a script runs its programs.
type scene struct {
	program string
	world   world // path is nil: no network
}

type sceneKey struct{}

func sceneOf(ts *testscript.TestScript) *scene { return ts.Value(sceneKey{}).(*scene) }

// command runs the program: CODE [< FILE | <-] ARGUMENT...
func (s *scene) command(ts *testscript.TestScript, uid uint32, args []string) {
	code, args := args[0], args[1:]
	cmd := exec.Command(s.program)
	switch {
	case len(args) > 1 && args[0] == "<":
		cmd.Stdin = strings.NewReader(ts.ReadFile(args[1]))
		args = args[2:]
	case len(args) > 0 && args[0] == "<-":
		cmd = exec.Command("sh", "-c", `exec "$0" "$@" <&-`, s.program)
		args = args[1:]
	}
	cmd.Args = append(cmd.Args, args...)
	s.run(ts, uid, code, cmd)
}

// full runs the program with a small file system of its own.
func (s *scene) full(ts *testscript.TestScript, args []string) {
	const script = `mkdir full; mount -t tmpfs -o size=8k none full && echo old >full/x.json || exit 99
"$@"; code=$?; cat full/x.json >&2; ls -A full >&2; exit $code`
	s.run(ts, 0, args[0], exec.Command("unshare", append([]string{"--mount", "sh", "-c", script, "sh", s.program}, args[1:]...)...))
}

// run runs a command to its end. What it says is what the script looks at.
func (s *scene) run(ts *testscript.TestScript, uid uint32, code string, cmd *exec.Cmd) {
	want, err := strconv.Atoi(code)
	ts.Check(err)
	stdout, stderr := ts.Stdout(), ts.Stderr()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	as(cmd, uid, ts.MkAbs("."))
	if s.world.path == nil {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
		ts.Check(cmd.Start())
	} else {
		ts.Check(s.world.start(cmd))
	}
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		ts.Check(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
