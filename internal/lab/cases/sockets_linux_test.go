package cases_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
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
// user without any rights. told is what the process said to standard error.
func measureOnSockets(ctx context.Context, family string, c cases.Case) (res diagnosis.Result, told string, err error) {
	net, err := netlab.New(c.Topology)
	if err != nil {
		return res, "", err
	}
	defer func() { err = errors.Join(err, net.Close()) }()
	var out, problems bytes.Buffer
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), onSockets+"="+family+"/"+c.Name)
	cmd.Stdout, cmd.Stderr = &out, &problems
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if err := net.Client(cmd.Start); err != nil {
		return res, "", err
	}
	err = cmd.Wait()
	if told = problems.String(); err == nil {
		err = json.Unmarshal(out.Bytes(), &res)
	}
	return res, told, err
}

// atATime is how many cases are measured at a time. They wait most of their
// time, and more of them would make each other's packets late.
const atATime = 6

// TestKernelSockets runs every case with ordinary sockets, as uid 65534 without
// any capability, with the box in the middle; with IPv4 those that answer a
// server name also at the first and the last router.
func TestKernelSockets(t *testing.T) {
	testenv.Need(t, "root", "netns")
	for _, family := range []string{"ipv4", "ipv6"} {
		t.Run(family, func(t *testing.T) {
			all := slices.DeleteFunc(cases.Matrix(family == "ipv6"), func(c cases.Case) bool {
				aside := strings.HasSuffix(c.Name, "/router-1") || strings.HasSuffix(c.Name, "/router-6")
				return c.Simulated || aside && (family == "ipv6" || !strings.HasPrefix(c.Name, "sni-re")) || !wanted(t.Name()+"/"+c.Name)
			})
			type answer struct {
				res  diagnosis.Result
				told string
				err  error
			}
			answers := make([]chan answer, len(all))
			slots := make(chan struct{}, atATime)
			for i, c := range all {
				answers[i] = make(chan answer, 1) // 1: a measurement need not wait for its check
				go func() {
					slots <- struct{}{}
					defer func() { <-slots }()
					var a answer
					a.res, a.told, a.err = measureOnSockets(t.Context(), family, c)
					answers[i] <- a
				}()
			}
			for i, c := range all {
				t.Run(c.Name, func(t *testing.T) {
					a := <-answers[i]
					if a.told != "" {
						t.Log(a.told)
					}
					if a.err != nil {
						t.Fatal(a.err)
					}
					for _, w := range onThisSystem(c, a.res) {
						t.Error(w)
					}
					if t.Failed() {
						b, err := json.Marshal(a.res.Tests)
						t.Logf("%s\n%s\n%s %v", c.Doc, a.res.Summary, b, err)
					}
				})
			}
		})
	}
}

// wanted reports whether a test of that name may be asked for by -run: cases
// are measured before their own tests begin.
func wanted(name string) bool {
	patterns := strings.Split(flag.Lookup("test.run").Value.String(), "/")
	for i, part := range strings.Split(name, "/") {
		if i < len(patterns) {
			if ok, err := regexp.MatchString(patterns[i], part); err == nil && !ok {
				return false
			}
		}
	}
	return true
}
