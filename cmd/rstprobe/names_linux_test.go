package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/netlab"
	"github.com/rstprobe/rstprobe/internal/testenv"
	"github.com/rstprobe/rstprobe/report"
)

// TestNamesOnPath: on real kernels, both addresses of a name are measured, the
// server's and one where nobody listens; the hops have the names that the
// system's resolver gives, and all packets are in one file.
func TestNamesOnPath(t *testing.T) {
	testenv.Need(t, "root", "netns", "raw", "unshare", "tcpdump")
	for _, ipv6 := range []bool{false, true} {
		t.Run(map[bool]string{false: "IPv4", true: "IPv6"}[ipv6], func(t *testing.T) {
			top := lab.Topology{Routers: 3, IPv6: ipv6}
			path, err := netlab.New(top)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := path.Close(); err != nil {
					t.Error(err)
				}
			})
			dir := t.TempDir()
			hosts, capture := filepath.Join(dir, "hosts"), filepath.Join(dir, "all.pcapng")
			lines := fmt.Sprintf("%s two.example\n%s two.example gate.example\n%s core.example\n", top.ServerAddr(), top.Router(1), top.Router(2))
			if err := os.WriteFile(hosts, []byte(lines), 0o600); err != nil {
				t.Fatal(err)
			}
			// In a mount namespace of its own, where the file is the system's.
			script := `mount --bind "$1" /etc/hosts && shift && exec "$@"`
			cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-ec", script, "sh", hosts,
				released(t), "two.example", "--all-ips", "--sni", "--trace", "always", "--json", "-q", "--ledger", "none", "-o", capture)
			cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
			got := world{path: path}.run(t, cmd)
			if got.code != exitOK || got.stderr != "" {
				t.Fatalf("exit code %d, standard error %q; want %d and nothing", got.code, got.stderr, exitOK)
			}
			documents(t, got.stdout) // are as the schema says

			outcomes, names := map[netip.Addr]string{}, map[netip.Addr]string{}
			sent := 0
			for line := range strings.Lines(got.stdout) {
				var d report.Document
				if err := json.Unmarshal([]byte(line), &d); err != nil {
					t.Fatal(err)
				}
				outcomes[d.Target.IP] = string(d.Verdict.Outcome)
				names[d.Target.IP] = d.Target.Name
				for _, h := range d.Path.Hops {
					if h.IP.IsValid() {
						names[h.IP] = h.Name
					}
				}
				sent += d.PacketsSent
			}
			if diff := cmp.Diff(map[netip.Addr]string{top.ServerAddr(): "clean", top.Router(1): "server"}, outcomes, cmp.Comparer(equalAddrs)); diff != "" {
				t.Errorf("outcomes: -want +got:\n%s", diff)
			}
			want := map[netip.Addr]string{
				top.Router(1): "two.example", top.Router(2): "core.example", top.Router(3): "", top.ServerAddr(): "two.example",
			}
			if diff := cmp.Diff(want, names, cmp.Comparer(equalAddrs)); diff != "" {
				t.Errorf("names: -want +got:\n%s", diff)
			}
			out, err := exec.CommandContext(t.Context(), "tcpdump", "-n", "-r", capture).Output()
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(out), "\n"); n <= sent || sent == 0 {
				t.Errorf("the file has %d packets, want more than the %d sent", n, sent)
			}
			for _, ip := range []netip.Addr{top.ServerAddr(), top.Router(1)} {
				if !slices.ContainsFunc(strings.Split(string(out), "\n"), func(l string) bool { return strings.Contains(l, "> "+ip.String()+".443:") }) {
					t.Errorf("no packet to %s in the file", ip)
				}
			}
		})
	}
}

func equalAddrs(a, b netip.Addr) bool { return a == b }
