package doctor

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/netlab"
	"github.com/rstprobe/rstprobe/internal/testenv"
)

// path is an emulated one, in whose namespaces the machine is examined.
func path(t *testing.T) (*netlab.Net, lab.Topology) {
	t.Helper()
	testenv.Need(t, "root", "netns")
	top := lab.Topology{Routers: 2}
	n, err := netlab.New(top)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n, top
}

func there(t *testing.T, n *netlab.Net, f func() error) {
	t.Helper()
	if err := n.Client(f); err != nil {
		t.Fatal(err)
	}
}

// TestOffloads: what ethtool sets is what is found.
func TestOffloads(t *testing.T) {
	testenv.Need(t, "ethtool")
	n, _ := path(t)
	there(t, n, func() error {
		for _, tt := range []struct {
			set  []string
			want []string
		}{
			{[]string{"tx", "on", "sg", "on", "gro", "on", "tso", "on", "gso", "on"}, []string{"gro", "tso", "gso"}},
			{[]string{"gro", "off", "tso", "off"}, []string{"gso"}},
			{[]string{"gso", "off"}, nil},
		} {
			all := interfaces()
			if len(all) != 1 || !all[0].Routed {
				t.Fatalf("interfaces %+v, want one with an address", all)
			}
			if out, err := exec.Command("ethtool", append([]string{"-K", all[0].Name}, tt.set...)...).CombinedOutput(); err != nil {
				t.Fatalf("ethtool -K %v: %v: %s", tt.set, err, out)
			}
			if diff := cmp.Diff(tt.want, interfaces()[0].Offloads); diff != "" {
				t.Errorf("after ethtool -K %v (-want +got):\n%s", tt.set, diff)
			}
		}
		return nil
	})
}

// TestPathFilter: the stricter of both settings counts.
func TestPathFilter(t *testing.T) {
	n, _ := path(t)
	there(t, n, func() error {
		name := interfaces()[0].Name
		for _, tt := range []struct{ all, own, want string }{{"0", "0", "0"}, {"1", "0", "1"}, {"1", "2", "2"}, {"0", "1", "1"}} {
			dir := "/proc/sys/net/ipv4/conf/"
			err := errors.Join(os.WriteFile(dir+"all/rp_filter", []byte(tt.all), 0), os.WriteFile(dir+name+"/rp_filter", []byte(tt.own), 0))
			if err != nil {
				return err
			}
			if got := interfaces()[0].PathFilter; string(rune('0'+got)) != tt.want {
				t.Errorf("all %s, own %s: %d in effect, want %s", tt.all, tt.own, got, tt.want)
			}
		}
		return nil
	})
}

// TestFirewall: chains that may touch our packets are found, and others not.
func TestFirewall(t *testing.T) {
	n, _ := path(t)
	there(t, n, func() error {
		if f := firewallFacts(); !f.Readable || len(f.Chains) > 0 {
			t.Errorf("without rules: %+v", f)
		}
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		table := conn.AddTable(&nftables.Table{Name: "mine", Family: nftables.TableFamilyINet})
		drop, accept := nftables.ChainPolicyDrop, nftables.ChainPolicyAccept
		for _, c := range []struct {
			name   string
			hook   *nftables.ChainHook
			policy nftables.ChainPolicy
			rule   bool
		}{
			{"in", nftables.ChainHookInput, drop, false},
			{"out", nftables.ChainHookOutput, accept, true},
			{"empty", nftables.ChainHookOutput, accept, false},
			{"through", nftables.ChainHookForward, drop, true},
		} {
			chain := conn.AddChain(&nftables.Chain{
				Name: c.name, Table: table, Type: nftables.ChainTypeFilter, Hooknum: c.hook, Priority: nftables.ChainPriorityFilter, Policy: &c.policy,
			})
			if c.rule {
				conn.AddRule(&nftables.Rule{Table: table, Chain: chain})
			}
		}
		if err := conn.Flush(); err != nil {
			return err
		}
		got := firewallFacts().Chains
		slices.Sort(got)
		if diff := cmp.Diff([]string{"inet mine in", "inet mine out"}, got); diff != "" {
			t.Errorf("chains (-want +got):\n%s", diff)
		}
		return nil
	})
}

// TestLocalAnswers: a redirect of this machine is told from the network.
func TestLocalAnswers(t *testing.T) {
	testenv.Need(t, "nft")
	n, top := path(t)
	target := Target{Name: "server", Addr: netip.AddrPortFrom(top.ServerAddr(), 443)}
	there(t, n, func() error {
		if got := testTarget(target); got.Answered || got.Err != nil {
			t.Errorf("without a proxy: %+v", got)
		}
		if got := testTarget(Target{Addr: netip.AddrPortFrom(top.Router(1), 443)}); !got.Answered || !got.Refused || !got.Neighbor {
			t.Errorf("the first router, which has nothing on that port: %+v", got)
		}
		if got := testTarget(Target{Addr: netip.AddrPortFrom(top.Client(), 443)}); !got.Local {
			t.Errorf("this machine: %+v", got)
		}
		proxy, err := net.Listen("tcp4", ":8443")
		if err != nil {
			return err
		}
		defer proxy.Close() //nolint:errcheck // nothing was accepted
		rules := exec.Command("nft", "-f", "-")
		rules.Stdin = strings.NewReader("table ip t { chain c { type nat hook output priority -100; tcp dport 443 redirect to :8443; }; }")
		if out, err := rules.CombinedOutput(); err != nil {
			t.Fatalf("nft: %v: %s", err, out)
		}
		got := testTarget(target)
		if !got.Answered || got.Refused || got.Neighbor || got.MinTTL != 64 || got.After <= 0 {
			t.Errorf("behind a proxy: %+v, want an answer with a TTL of 64", got)
		}
		f := Facts{System: "linux", Targets: []TargetFacts{got}}
		if findings := f.answers(); findings[0].Status != Warning {
			t.Errorf("judged as %+v", findings)
		}
		return nil
	})
}

func TestFileCapabilities(t *testing.T) {
	v2 := []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}
	for _, tt := range []struct {
		name string
		data []byte
		want FileFacts
	}{
		{"none", nil, FileFacts{}},
		{"too short", v2[:8], FileFacts{}},
		{"revision 2, effective", v2, FileFacts{Permitted: NetRaw | 1<<32, Effective: true}},
		{"revision 1, permitted", []byte{0, 0, 0, 1, 0, 0x20, 0, 0, 0, 0, 0, 0}, FileFacts{Permitted: NetRaw}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, fileCapabilities(tt.data)); diff != "" {
				t.Errorf("capabilities (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFileFacts: the attribute as setcap writes it.
func TestFileFacts(t *testing.T) {
	testenv.Need(t, "root", "setcap")
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, nil, 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	if got := fileFacts(file); got.Permitted != 0 || got.Err != nil {
		t.Errorf("before setcap: %+v", got)
	}
	if out, err := exec.Command("setcap", "cap_net_raw=p", file).CombinedOutput(); err != nil {
		t.Fatalf("setcap: %v: %s", err, out)
	}
	if got := fileFacts(file); got.Permitted != NetRaw || got.Effective || got.Err != nil {
		t.Errorf("after setcap: %+v", got)
	}
}

func TestProcessStatus(t *testing.T) {
	var got ProcessFacts
	got.read("Name:\tx\nCapInh:\t0000000000000000\nCapPrm:\t0000000000002000\nCapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\n")
	want := ProcessFacts{Permitted: NetRaw, Bounding: 1<<41 - 1, NoNewPrivs: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestParent(t *testing.T) {
	for stat, want := range map[string]int{"7 (a b) S 1 7": 1, "7 (a) 5) R 42 7": 42, "7 (a)": 0} {
		if got := parent(stat); got != want {
			t.Errorf("parent(%q) = %d, want %d", stat, got, want)
		}
	}
}

func TestNameservers(t *testing.T) {
	got := nameservers("# x\nsearch a.example\nnameserver 192.0.2.53\nnameserver\tfe80::1%eth0\nnameserver bad\noptions edns0\n")
	want := []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("fe80::1%eth0")}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("nameservers (-want +got):\n%s", diff)
	}
}

// TestTemporary: files of killed runs are found, those being written and
// others are not.
func TestTemporary(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{
		".x.json.ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp": time.Hour, ".y.json.ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp": 0,
		"residual.json.tmp-123": time.Hour, "x.json": time.Hour, "a.tmp": time.Hour,
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, now, now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	got := temporary(Config{Dirs: []string{dir}, Ledger: filepath.Join(dir, "residual.json")}, now)
	want := []string{filepath.Join(dir, ".x.json.ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp"), filepath.Join(dir, "residual.json.tmp-123")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestLedgerFacts: the ledger is looked at and not touched.
func TestLedgerFacts(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "residual.json")
	if got := ledgerFacts(file); got.Err != nil || got.Locked || exists(file) {
		t.Errorf("none yet: %+v", got)
	}
	if err := errors.Join(os.WriteFile(file, []byte("x"), 0o600), os.WriteFile(file+".lock", nil, 0o600), os.WriteFile(file+".corrupt", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Open(file + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()                                               //nolint:errcheck // only locked
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil { //nolint:gosec // a descriptor fits
		t.Fatal(err)
	}
	if got, want := ledgerFacts(file), (LedgerFacts{Path: file, Locked: true, Aside: file + ".corrupt"}); !cmp.Equal(want, got) {
		t.Errorf("in use: %+v, want %+v", got, want)
	}
	if got := ledgerFacts(dir); got.Err == nil {
		t.Errorf("a directory: %+v, want an error", got)
	}
}
