package cases_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/internal/lab/netlab"
	"github.com/rstprobe/rstprobe/internal/testenv"
	"github.com/rstprobe/rstprobe/internal/wire/kernelconn"
)

// onSockets is the environment variable that makes the test program ask the
// question of one case on ordinary sockets and write the answer.
const onSockets = "RSTPROBE_TEST_ON_SOCKETS"

// nobody is a user without any rights.
const nobody = 65534

func TestMain(m *testing.M) {
	if name := os.Getenv(onSockets); name != "" {
		if err := askOnSockets(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// askOnSockets diagnoses a case from where the process stands.
func askOnSockets(name string) error {
	if os.Getuid() != nobody {
		return fmt.Errorf("user %d asks, want %d", os.Getuid(), nobody)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for _, set := range []string{"CapPrm", "CapEff"} {
		if !bytes.Contains(status, []byte(set+":\t0000000000000000\n")) {
			return errors.New("the process has capabilities")
		}
	}
	family, name, _ := strings.Cut(name, "/")
	c, err := find(cases.Matrix(family == "ipv6"), name)
	if err != nil {
		return err
	}
	cfg := kernelconn.Config{Source: c.Topology.Client()}
	if os.Getenv("RSTPROBE_TRACE") == "packets" {
		cfg.Trace = func(line string) { fmt.Fprintln(os.Stderr, line) }
	}
	x, err := kernelconn.New(cfg)
	if err != nil {
		return err
	}
	ask := c.Config()
	ask.Exchanger = x
	res, err := diagnosis.Run(context.Background(), ask)
	if err != nil {
		return err
	}
	res.Attempts = nil // large, and of no interest to the parent
	return json.NewEncoder(os.Stdout).Encode(res)
}

func find(all []cases.Case, name string) (cases.Case, error) {
	for _, c := range all {
		if c.Name == name {
			return c, nil
		}
	}
	return cases.Case{}, fmt.Errorf("there is no case %q", name)
}

// measureOnSockets runs one case in network namespaces and asks in it as a
// user without any rights.
func measureOnSockets(t *testing.T, family string, c cases.Case) diagnosis.Result {
	t.Helper()
	net, err := netlab.New(c.Topology)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := net.Close(); err != nil {
			t.Error(err)
		}
	}()
	var out, problems bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), onSockets+"="+family+"/"+c.Name)
	cmd.Stdout, cmd.Stderr = &out, &problems
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if err := net.Client(cmd.Start); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, problems.String())
	}
	if problems.Len() > 0 {
		t.Log(problems.String())
	}
	var res diagnosis.Result
	if err := json.Unmarshal(out.Bytes(), &res); err != nil {
		t.Fatal(err)
	}
	return res
}

// TestKernelSockets runs every case with ordinary sockets.
func TestKernelSockets(t *testing.T) {
	testenv.Need(t, "root", "netns")
	for _, family := range []string{"ipv4", "ipv6"} {
		t.Run(family, func(t *testing.T) {
			for _, c := range cases.Matrix(family == "ipv6") {
				if c.Simulated {
					continue
				}
				t.Run(c.Name, func(t *testing.T) {
					t.Parallel()
					res := measureOnSockets(t, family, c)
					if b, _ := json.Marshal(res.Tests); os.Getenv("KC_JSON") != "" {
						t.Logf("%s", b)
					}
					for _, w := range c.Check(res) {
						t.Errorf("WRONG %s: %s", t.Name(), w)
					}
					t.Logf("SAYS %s: %v %s", t.Name(), res.Duration, res.Summary)
				})
			}
		})
	}
}
