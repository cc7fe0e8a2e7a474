package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var (
	errDenied = fmt.Errorf("rawsock: %w", os.ErrPermission)
	errBroken = errors.New("broken\nin two")
)

// healthy is a machine with nothing to mend.
func healthy() Facts {
	return Facts{
		System: "linux", Program: "/usr/local/bin/rstprobe",
		Process:    ProcessFacts{UID: 1000, Permitted: NetRaw, Bounding: 1<<41 - 1},
		File:       FileFacts{Permitted: NetRaw},
		Spaces:     SpaceFacts{Max: 1000, MaxNet: 1000},
		Interfaces: []Interface{{Name: "eth0", PathFilter: 2, Routed: true}},
		Firewall:   FirewallFacts{Readable: true},
		Clock:      ClockFacts{Known: true, Synced: true, Observed: time.Second},
		Resolver:   ResolverFacts{Known: true, Servers: []netip.Addr{netip.MustParseAddr("192.0.2.53")}},
		Ledger:     LedgerFacts{Path: "/home/a/residual.json"},
		Disks:      []Disk{{Dir: ".", Free: 1 << 40, Inodes: 1000, Writable: true}},
		Files:      Limit{Known: true, Max: 1 << 20},
	}
}

// TestJudge: each row breaks one thing of a healthy machine, which must be
// found, with what to do about it, and nothing else.
func TestJudge(t *testing.T) {
	target := func(change func(*TargetFacts)) func(*Facts) {
		return func(f *Facts) {
			tf := TargetFacts{Name: "a.example:443", Addr: netip.MustParseAddrPort("198.51.100.7:443"), After: time.Millisecond}
			change(&tf)
			f.Targets = []TargetFacts{tf}
		}
	}
	deny := func(change func(*Facts)) func(*Facts) {
		return func(f *Facts) {
			f.Raw = RawFacts{errDenied, errDenied}
			f.Process.Permitted, f.File.Permitted = 0, 0
			change(f)
		}
	}
	for _, tt := range []struct {
		name    string
		change  func(*Facts)
		check   string
		status  Status
		found   string // part of Found
		command string // part of Command; "": none, "-": whatever
	}{
		{"no capability", deny(func(*Facts) {}), "raw_mode", Warning, "CAP_NET_RAW is missing", "sudo setcap cap_net_raw=p /usr/local/bin/rstprobe"},
		{"raw forced", deny(func(f *Facts) { f.Forced = true }), "raw_mode", Problem, "CAP_NET_RAW is missing", "sudo setcap"},
		{"a path that the shell would cut", deny(func(f *Facts) { f.Program = "/a b/it's" }), "raw_mode", Warning, "missing", `'/a b/it'\''s'`},
		{"bounding set", deny(func(f *Facts) { f.Process.Bounding = 0 }), "raw_mode", Warning, "bounding set", "--cap-add NET_RAW"},
		{"no_new_privs", deny(func(f *Facts) { f.File.Permitted, f.Process.NoNewPrivs = NetRaw, true }), "raw_mode", Warning, "no_new_privs forbids", ""},
		{"nosuid mount", deny(func(f *Facts) { f.File.NoSUID = true }), "raw_mode", Warning, "mounted nosuid", "sudo install"},
		{"user namespace", deny(func(f *Facts) { f.Process.Permitted, f.Process.UserNamespace = NetRaw, true }), "raw_mode", Warning, "user namespace", ""},
		{"seccomp", deny(func(f *Facts) { f.Process.Permitted = NetRaw }), "raw_mode", Warning, "refused all the same: rawsock: permission denied", ""},
		{"raw sockets broken", func(f *Facts) { f.Raw = RawFacts{errBroken, errBroken} }, "raw_mode", Warning, "broken; in two", ""},
		{"no IPv6", func(f *Facts) { f.Raw.Err6 = errBroken }, "raw_mode", OK, "not for IPv6", ""},
		{"no IPv4", func(f *Facts) { f.Raw.Err4 = errBroken }, "raw_mode", OK, "not for IPv4", ""},
		{"no ordinary sockets", func(f *Facts) { f.Kernel = errBroken }, "kernel_mode", Warning, "broken", ""},
		{"no sockets at all", deny(func(f *Facts) { f.Kernel = errBroken }), "kernel_mode", Problem, "broken", ""},
		{"cgo", func(f *Facts) { f.Process.Cgo = true }, "process_capabilities", Warning, "user id 1000", "CGO_ENABLED=0"},
		{"cgo without capabilities", func(f *Facts) { f.Process.Cgo, f.Process.Permitted = true, 0 }, "process_capabilities", OK, "not permitted", ""},
		{"no /proc", func(f *Facts) { f.Process.Err = errBroken }, "process_capabilities", Warning, "cannot be read", ""},
		{"no file capability", deny(func(*Facts) {}), "file_capabilities", Warning, "grants no capability", "sudo setcap"},
		{"no file capability needed", func(f *Facts) { f.File.Permitted = 0 }, "file_capabilities", OK, "grants no capability", ""},
		{"too many file capabilities", func(f *Facts) { f.File.Permitted |= 1 << 12 }, "file_capabilities", Warning, "cap_net_admin, cap_net_raw", "sudo setcap cap_net_raw=p"},
		{"file on nosuid mount", func(f *Facts) { f.File.NoSUID = true }, "file_capabilities", Warning, "nosuid", ""},
		{"file unreadable", func(f *Facts) { f.File.Err = errBroken }, "file_capabilities", Warning, "broken", "getcap"},
		{"no user namespaces", func(f *Facts) { f.Spaces = SpaceFacts{Err: errDenied, Max: 0} }, "namespaces", Warning, "max_user_namespaces is 0", "user.max_user_namespaces"},
		{"no network namespaces", func(f *Facts) { f.Spaces = SpaceFacts{Err: errBroken, Max: 9} }, "namespaces", Warning, "max_net_namespaces is 0", "user.max_net_namespaces"},
		{"user namespaces for root", func(f *Facts) { f.Spaces = SpaceFacts{Err: errDenied, Max: 9, Disabled: true} }, "namespaces", Warning, "for root only", "unprivileged_userns_clone=1"},
		{"AppArmor", func(f *Facts) { f.Spaces.AppArmor = true }, "namespaces", Warning, "AppArmor", "apparmor_restrict_unprivileged_userns=0"},
		{"AppArmor and root", func(f *Facts) { f.Spaces.AppArmor, f.Process.UID = true, 0 }, "namespaces", OK, "can be made", ""},
		{"namespaces refused", func(f *Facts) { f.Spaces = SpaceFacts{Err: errDenied, Max: 9, MaxNet: 9} }, "namespaces", Warning, "permission denied", "sudo rstprobe demo"},
		{"gro", func(f *Facts) { f.Interfaces[0].Offloads = []string{"gro"} }, "offloads", Warning, "gro is on", "sudo ethtool -K eth0 gro off"},
		{"all offloads", func(f *Facts) { f.Interfaces[0].Offloads = []string{"gro", "lro", "tso", "gso"} }, "offloads", Warning, "gro, lro, tso, gso are on", "gro off lro off tso off gso off"},
		{"strict filter, one interface", func(f *Facts) { f.Interfaces[0].PathFilter = 1 }, "rp_filter", OK, "only interface", ""},
		{
			"strict filter, two interfaces",
			func(f *Facts) {
				f.Interfaces = []Interface{{Name: "eth0.7", PathFilter: 1, Routed: true}, {Name: "wlan0", Routed: true}}
			}, "rp_filter", Warning, "2 interfaces", "net.ipv4.conf.eth0/7.rp_filter=2",
		},
		{"nftables", func(f *Facts) { f.Firewall.Chains = []string{"inet filter output"} }, "firewall", Warning, "inet filter output", "sudo nft list ruleset"},
		{"iptables", func(f *Facts) { f.Firewall.Legacy = []string{"ip filter"} }, "firewall", Warning, "ip filter", "sudo iptables-save"},
		{"rules unreadable", func(f *Facts) { f.Firewall = FirewallFacts{Modules: true} }, "firewall", Warning, "for root to read", "sudo nft list ruleset"},
		{"no filter seen", func(f *Facts) { f.Firewall = FirewallFacts{} }, "firewall", OK, "without privilege", ""},
		{"nobody answers", target(func(*TargetFacts) {}), "local_answers", OK, "nobody answered", ""},
		{"a proxy answers", target(func(t *TargetFacts) { t.Answered, t.MinTTL = true, 64 }), "local_answers", Warning, "was answered after 1ms with a TTL of at least 64, although 198.51.100.7", "nft"},
		{"a proxy answers slowly", target(func(t *TargetFacts) { t.Answered, t.MinTTL, t.After = true, 64, time.Second/2 }), "local_answers", Warning, "after 500ms, although", "nft"},
		{"a firewall refuses", target(func(t *TargetFacts) { t.Answered, t.Refused = true, true }), "local_answers", Warning, "was refused", "nft"},
		{"a neighbour answers", target(func(t *TargetFacts) { t.Answered, t.Neighbor = true, true }), "local_answers", OK, "on a link", ""},
		{"this machine", target(func(t *TargetFacts) { t.Local = true }), "local_answers", Warning, "an address of this machine", ""},
		{"no such name", target(func(t *TargetFacts) { t.Err = errBroken }), "local_answers", Problem, "broken", ""},
		{"clock free", func(f *Facts) { f.Clock.Synced = false }, "clock", Warning, "nothing keeps", "timedatectl"},
		{"clock set back", func(f *Facts) { f.Clock.Step = -time.Second }, "clock", Warning, "moved by -1s within 1s", "timedatectl"},
		{"no resolver", func(f *Facts) { f.Resolver.Servers = nil }, "resolver", Warning, "no resolver", ""},
		{"resolver unreadable", func(f *Facts) { f.Resolver.Err = errBroken }, "resolver", Warning, "broken", ""},
		{"resolver without route", func(f *Facts) { f.Resolver.NoRoute = f.Resolver.Servers }, "resolver", Warning, "no route to the resolver 192.0.2.53", ""},
		{"no databases", func(f *Facts) { f.DatabaseDir = []string{"/usr/share/GeoIP"} }, "databases", OK, "none in /usr/share/GeoIP", ""},
		{"damaged database", func(f *Facts) { f.BadFiles = []error{errBroken} }, "databases", Warning, "broken", ""},
		{"old database", func(f *Facts) {
			f.Databases = []Database{{Path: "/a.mmdb", Type: "GeoLite2-ASN", Age: 400 * 24 * time.Hour}}
		}, "databases", Warning, "400 days old", ""},
		{"new database", func(f *Facts) { f.Databases = []Database{{Path: "/a.mmdb", Type: "GeoLite2-ASN", Age: time.Hour}} }, "databases", OK, "GeoLite2-ASN of", ""},
		{"ledger unusable", func(f *Facts) { f.Ledger.Err = errDenied }, "ledger", Warning, "permission denied", "chmod u+rwx /home/a"},
		{"ledger locked", func(f *Facts) { f.Ledger.Locked = true }, "ledger", OK, "another process", ""},
		{"ledger set aside", func(f *Facts) { f.Ledger.Aside = "/home/a/residual.json.corrupt" }, "ledger", Warning, "set aside", "rm /home/a/residual.json.corrupt"},
		{"disk full", func(f *Facts) { f.Disks[0].Free = 0 }, "space", Problem, "full", "df -h ."},
		{"no files left", func(f *Facts) { f.Disks[0].Inodes = 0 }, "space", Problem, "full", "df -h ."},
		{"disk nearly full", func(f *Facts) { f.Disks[0].Free = 1 << 20 }, "space", Warning, "1.0 MiB free", "df -h ."},
		{"not writable", func(f *Facts) { f.Disks[0].Writable = false }, "space", Warning, "not writable", ""},
		{"disk unknown", func(f *Facts) { f.Disks[0].Err = errBroken }, "space", Warning, "broken", ""},
		{"unfinished file", func(f *Facts) { f.Left.Temporary = []string{"./.x.json.tmp"} }, "leftovers", Warning, ".x.json.tmp", "rm ./.x.json.tmp"},
		{"orphan", func(f *Facts) { f.Left.Orphans = []int{7, 9} }, "leftovers", Warning, "process 7 9", "kill 7 9"},
		{"few descriptors", func(f *Facts) { f.Files.Max = 256 }, "descriptors", Warning, "256 files", "ulimit -n 1024"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := healthy()
			tt.change(&f)
			findings := Judge(f)
			validate(t, findings)
			i := slices.IndexFunc(findings, func(f Finding) bool { return f.Check == tt.check && f.Status == tt.status })
			if i < 0 {
				t.Fatalf("no finding %s with status %s in %+v", tt.check, tt.status, findings)
			}
			got := findings[i]
			if !strings.Contains(got.Found, tt.found) {
				t.Errorf("found %q, want something with %q", got.Found, tt.found)
			}
			if !strings.Contains(got.Command, tt.command) || tt.command == "" && got.Command != "" {
				t.Errorf("command %q, want %q", got.Command, tt.command)
			}
			if got.Status != OK && got.Mend == "" {
				t.Errorf("nothing says how to mend %+v", got)
			}
			for _, other := range findings {
				related := other.Check == tt.check || slices.Contains([]string{"raw_mode", "kernel_mode", "file_capabilities", "process_capabilities"}, other.Check)
				if other.Status != OK && !related {
					t.Errorf("besides: %+v", other)
				}
			}
		})
	}
}

func TestJudgeHealthy(t *testing.T) {
	findings := Judge(healthy())
	validate(t, findings)
	if got := Worst(findings); got != OK {
		t.Errorf("worst status %s, want ok: %+v", got, findings)
	}
}

// TestJudgeOtherSystem: what is not known there is not judged.
func TestJudgeOtherSystem(t *testing.T) {
	findings := Judge(Facts{
		System: "darwin", Raw: RawFacts{errors.ErrUnsupported, errors.ErrUnsupported}, Kernel: errors.ErrUnsupported,
		Process: ProcessFacts{UID: -1},
	})
	validate(t, findings)
	var got []string
	for _, f := range findings {
		got = append(got, f.Check+" "+string(f.Status))
	}
	if diff := cmp.Diff([]string{"raw_mode problem", "kernel_mode problem", "leftovers ok"}, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestMode(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    Facts
		want Mode
	}{
		{"all", Facts{}, ModeRaw},
		{"IPv4 only", Facts{Raw: RawFacts{Err6: errBroken}}, ModeRaw},
		{"no privilege", Facts{Raw: RawFacts{errDenied, errDenied}}, ModeKernel},
		{"nothing", Facts{Raw: RawFacts{errDenied, errDenied}, Kernel: errBroken}, ModeNone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.f.Mode(); got != tt.want {
				t.Errorf("mode %q, want %q", got, tt.want)
			}
		})
	}
}

// TestText: what is well takes one line, what is not says how to mend it, in
// lines that fit a terminal, and hostile names do not steer it.
func TestText(t *testing.T) {
	findings := []Finding{
		{Check: "raw_mode", Status: Warning, Found: "raw sockets cannot be opened: CAP_NET_RAW is missing",
			Meaning: "measurements use ordinary sockets (--mode kernel): they locate boxes that answer, but see no single packet",
			Mend:    "let the program open raw sockets, or run it as root", Command: "sudo setcap cap_net_raw=p /usr/local/bin/rstprobe"},
		{Check: "local_answers", Subject: "a\x1b[31m", Status: OK, Found: "nobody answered", Meaning: "nothing is in between"},
	}
	for _, tt := range []struct {
		name string
		all  bool
		want string
	}{
		{"short", false, `WARNING  raw mode: raw sockets cannot be opened: CAP_NET_RAW is missing
         means: measurements use ordinary sockets (--mode kernel): they locate
         boxes that answer, but see no single packet
         mend: let the program open raw sockets, or run it as root
               sudo setcap cap_net_raw=p /usr/local/bin/rstprobe
ok       local answers a?[31m: nobody answered

This machine can measure without privilege only (ordinary sockets).
1 ok, 1 to know of, 0 to mend.
`},
		{"all", true, `WARNING  raw mode: raw sockets cannot be opened: CAP_NET_RAW is missing
         means: measurements use ordinary sockets (--mode kernel): they locate
         boxes that answer, but see no single packet
         mend: let the program open raw sockets, or run it as root
               sudo setcap cap_net_raw=p /usr/local/bin/rstprobe
ok       local answers a?[31m: nobody answered
         means: nothing is in between

This machine can measure without privilege only (ordinary sockets).
1 ok, 1 to know of, 0 to mend.
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if err := Text(&b, findings, ModeKernel, tt.all); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
}

// validate holds the JSON of findings to the published schema.
func validate(t *testing.T, findings []Finding) {
	t.Helper()
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	line, err := JSON(findings)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(line, &value); err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(value); err != nil {
		t.Errorf("%s: %v", line, err)
	}
}

// TestFewFiles: where files are too few for raw sockets, that is what is to be
// mended.
func TestFewFiles(t *testing.T) {
	f := healthy()
	f.Files.Max, f.Raw = 40, RawFacts{Err4: errBroken, Err6: errBroken}
	if got := f.rawMode(); got.Command != "ulimit -n 1024" {
		t.Errorf("%+v, want the mend of too few files", got)
	}
}
