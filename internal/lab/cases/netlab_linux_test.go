package cases_test

import (
	"testing"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/internal/lab/netlab"
	"github.com/rstprobe/rstprobe/internal/testenv"
	"github.com/rstprobe/rstprobe/internal/wire/engine"
	"github.com/rstprobe/rstprobe/internal/wire/rawsock"
)

// TestKernel runs every case between real kernels in network namespaces.
func TestKernel(t *testing.T) {
	testenv.Need(t, "root", "raw", "netns")
	for _, family := range []struct {
		name string
		v6   bool
	}{{"ipv4", false}, {"ipv6", true}} {
		t.Run(family.name, func(t *testing.T) {
			for _, c := range cases.Matrix(family.v6) {
				if c.Simulated {
					continue // see its topology: no kernel's path is like that
				}
				t.Run(c.Name, func(t *testing.T) {
					t.Parallel()
					check(t, c, measure(t, c))
				})
			}
		})
	}
}

// measure runs one case in network namespaces.
func measure(t *testing.T, c cases.Case) diagnosis.Result {
	t.Helper()
	net, err := netlab.New(c.Topology)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out := net.Output(); t.Failed() && out != "" {
			t.Log(out)
		}
	})
	defer func() {
		if err := net.Close(); err != nil {
			t.Error(err)
		}
	}()
	var wire *rawsock.Conn
	err = net.Client(func() error {
		wire, err = rawsock.Open(rawsock.Config{Source: c.Topology.Client(), Ports: 64})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	res := diagnose(t, c, engine.Config{Wire: wire, Ports: wire.Ports(), Seed: 1})
	t.Logf("%v, %d packets sent", res.Duration, res.PacketsSent)
	return res
}
