package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/testenv"
	"github.com/rstprobe/rstprobe/report"
)

const containerFile = "../../contrib/container/Containerfile"

// image is the last stage of a container file: what an engine needs to know to
// start it.
type image struct {
	uid, gid                int
	dir                     string
	env, entry, cmd, health []string
}

// readImage reads the last stage, which is to be made from nothing.
func readImage(t *testing.T) image {
	t.Helper()
	b, err := os.ReadFile(containerFile)
	if err != nil {
		t.Fatal(err)
	}
	_, last, ok := strings.Cut(string(b), "\nFROM scratch\n")
	if !ok || strings.Contains(last, "\nFROM ") {
		t.Fatalf("the last stage of %s is not made from scratch", containerFile)
	}
	var out image
	list := func(args string) (words []string) {
		if err := json.Unmarshal([]byte(args), &words); err != nil {
			t.Fatalf("%s has no shell, so commands are lists: %s: %v", containerFile, args, err)
		}
		return words
	}
	for line := range strings.Lines(last) {
		instruction, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "USER":
			if _, err := fmt.Sscanf(args, "%d:%d", &out.uid, &out.gid); err != nil {
				t.Fatalf("USER %s: it has no file of users, so write numbers: %v", args, err)
			}
		case "WORKDIR":
			out.dir = args
		case "ENV":
			out.env = strings.Fields(args)
		case "ENTRYPOINT":
			out.entry = list(args)
		case "CMD":
			out.cmd = list(args)
		case "HEALTHCHECK":
			out.health = list(args[strings.Index(args, "CMD ")+len("CMD "):])
		case "COPY", "VOLUME", "EXPOSE", "STOPSIGNAL", "":
		default:
			t.Fatalf("what is %s?", instruction)
		}
	}
	return out
}

// root is a directory with what the container file puts into the image.
func (i image) root(t *testing.T) string {
	t.Helper()
	root := openDir(t)
	for _, dir := range []string{"usr/bin", "etc/rstprobe", "var/lib/rstprobe"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil { //nolint:gosec // as in the image
			t.Fatal(err)
		}
	}
	program := filepath.Join(root, "usr/bin/rstprobe")
	if err := os.Rename(released(t), program); err != nil {
		t.Fatal(err)
	}
	setCapabilities(t, program, "cap_net_raw=p")
	state := filepath.Join(root, "var/lib/rstprobe")
	if err := os.Chmod(state, 0o700); err != nil { //nolint:gosec // a directory
		t.Fatal(err)
	}
	giveTo(t, i.uid, state)
	return root
}

// command is a command in the image, by the user of the image.
func (i image) command(t *testing.T, root string, args []string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/"+args[0], args[1:]...)
	cmd.Err = nil // it is not in our root that it must be
	cmd.Dir, cmd.Env = i.dir, i.env
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:     root,
		Credential: &syscall.Credential{Uid: uint32(i.uid), Gid: uint32(i.gid)}, //nolint:gosec // of the image
		Pdeathsig:  syscall.SIGKILL,
	}
	return cmd
}

// TestKernelContainer: what the container file puts together runs with nothing
// else around it, as its user, measures with raw sockets, is healthy as
// long as it runs, and ends in order.
func TestKernelContainer(t *testing.T) {
	testenv.Need(t, "root", "netns", "raw", "setcap")
	i := readImage(t)
	if i.uid == 0 || i.gid == 0 {
		t.Errorf("it runs as %d:%d", i.uid, i.gid)
	}
	root := i.root(t)
	var on atomic.Bool
	on.Store(true)
	top := lab.Topology{Routers: 3, Boxes: []lab.Placement{resetterAt(2, &on)}}
	path := pathOf(t, top)
	text := fmt.Sprintf("checks: [{target: \"shop.example:443@%s\", sni: true}]\n", top.ServerAddr())
	if err := os.WriteFile(filepath.Join(root, "etc/rstprobe/watch.yaml"), []byte(text), 0o644); err != nil { //nolint:gosec // for all users of the image
		t.Fatal(err)
	}
	healthy := func() int {
		cmd := i.command(t, root, i.health)
		if err := path.Client(cmd.Start); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // the exit code is what counts
		return cmd.ProcessState.ExitCode()
	}

	w := &watchProcess{T: t, path: path, cmd: i.command(t, root, append(append(i.entry, i.cmd...), "--log-runs"))}
	stderr, err := w.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.lines = bufio.NewScanner(stderr)
	if code := healthy(); code != exitFailure {
		t.Errorf("before it runs, the health check exits with %d", code)
	}
	if err := path.Client(w.cmd.Start); err != nil {
		t.Fatal(err)
	}
	w.message("watching")
	if code := healthy(); code != 0 {
		t.Errorf("while it runs, the health check exits with %d", code)
	}
	if l := w.message("run"); l.Verdict != "interference" {
		t.Errorf("the first run shows %s", l.Verdict)
	}
	w.end(syscall.SIGTERM)

	cmd := i.command(t, root, append(i.entry, "history", "--run", "1"))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var doc report.Document
	if err := json.Unmarshal(out, &doc); err != nil || doc.Mode != modeRaw {
		t.Errorf("mode %s, %v; want %s", doc.Mode, err, modeRaw)
	}
}
