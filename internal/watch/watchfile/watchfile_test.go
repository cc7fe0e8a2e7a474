package watchfile

import (
	"errors"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/probe"
)

// asked turns tests into questions without the rules of the command line.
func asked(t Tests, target probe.Target, controls []string) ([]diagnosis.Question, error) {
	var qs []diagnosis.Question
	if t.SYN {
		qs = append(qs, diagnosis.Question{Kind: probe.SYN})
	}
	if t.SNI.Own {
		t.SNI.Names = append(t.SNI.Names, target.Name)
	}
	for _, n := range t.SNI.Names {
		qs = append(qs, diagnosis.Question{Kind: probe.SNI, Name: n})
	}
	for _, c := range controls {
		if c == target.Name {
			return nil, errors.New("the control is the target")
		}
	}
	return qs, nil
}

func TestThreeLines(t *testing.T) {
	t.Parallel()
	got, err := Read("watch.yaml", strings.NewReader("checks:\n  - name: shop\n    target: shop.example:443\n"), asked)
	want := File{
		Listen: netip.MustParseAddrPort("127.0.0.1:9315"), Store: "rstprobe.db", Concurrency: 4,
		Retention: Retention{Age: 30 * 24 * time.Hour, Rollups: 400 * 24 * time.Hour, Bytes: 1 << 30},
		HTTP:      HTTP{Modules: defaultModules()},
		Checks: []Check{{
			Name: "shop", Target: probe.Target{Input: "shop.example:443", Host: "shop.example", Name: "shop.example", Port: 443},
			Interval: 5 * time.Minute, Jitter: 0.2, Confirm: 3, Of: 4, Retest: []time.Duration{3 * time.Second, 30 * time.Second, 200 * time.Second},
		}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestEveryKey(t *testing.T) {
	t.Parallel()
	got, err := Read("watch.yaml", strings.NewReader(`
checks:
  - name: shop
    target: shop.example:443@192.0.2.7
    syn: true
    sni: [Shop.example, other.example]
    host: false
    control: control.example
    control_address: 192.0.2.8
    interval: 1m
    jitter: 12.5%
    confirm: 1
    of: 5
    retest: [1s]
    labels: {team: web, site: "1"}
  - bank.example
defaults: {interval: 1d, jitter: 0%, confirm: 0, retest: 1m}
listen: "[::1]:9000"
store: /var/lib/rstprobe/rstprobe.db
concurrency: 2
hosts: [Watch.example, "[2001:db8::9]"]
token_file: /run/token
web_config: web.yml
modules:
  both: {syn: true, sni: true, host: [a.example], control: b.example, control_address: "2001:db8::8", timeout: 5s}
  syn:
probe: {allow: ["*.example:8443", 192.0.2.0/24]}
retention: {age: 90d, rollups: 800d, bytes: 500 MiB}
`), asked)
	want := File{
		Listen: netip.MustParseAddrPort("[::1]:9000"), Store: "/var/lib/rstprobe/rstprobe.db", Concurrency: 2,
		Retention: Retention{Age: 90 * 24 * time.Hour, Rollups: 800 * 24 * time.Hour, Bytes: 500 << 20},
		HTTP: HTTP{
			Hosts: []string{"watch.example", "2001:db8::9"}, TokenFile: "/run/token", WebConfig: "web.yml",
			Modules: map[string]Module{
				"both": {
					Tests:    Tests{SYN: true, SNI: Names{Own: true}, Host: Names{Names: []string{"a.example"}}},
					Controls: []string{"b.example"}, ControlAddress: netip.MustParseAddr("2001:db8::8"), Timeout: 5 * time.Second,
				},
				"syn": {Tests: Tests{SYN: true}}, "sni_check": {Tests: Tests{SNI: Names{Own: true}}},
			},
			Allow: []Pattern{{Name: "*.example", Port: 8443}, {Net: netip.MustParsePrefix("192.0.2.0/24"), Port: 443}},
		},
		Checks: []Check{{
			Name:      "shop",
			Target:    probe.Target{Input: "shop.example:443@192.0.2.7", Host: "shop.example", Name: "shop.example", Port: 443, IP: netip.MustParseAddr("192.0.2.7")},
			Questions: []diagnosis.Question{{Kind: probe.SYN}, {Kind: probe.SNI, Name: "shop.example"}, {Kind: probe.SNI, Name: "other.example"}},
			Controls:  []string{"control.example"}, ControlAddress: netip.MustParseAddr("192.0.2.8"),
			Interval: time.Minute, Jitter: 0.125, Confirm: 1, Of: 5, Retest: []time.Duration{time.Second}, Labels: map[string]string{"team": "web", "site": "1"},
		}, {
			Name: "bank.example", Target: probe.Target{Input: "bank.example", Host: "bank.example", Name: "bank.example", Port: 443},
			Interval: 24 * time.Hour, Retest: []time.Duration{time.Minute},
		}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestWhatIsWrongIsShownInPlace.
func TestWhatIsWrongIsShownInPlace(t *testing.T) {
	t.Parallel()
	const check = "checks:\n  - target: shop.example\n"
	for _, tt := range []struct{ text, want string }{
		{"", "w:1:1: there is no check: write at least"},
		{"checks: []", "w:1:9: there is no check"},
		{"checks: shop.example", "w:1:9: there is no check"},
		{"- shop.example", "w:1:1: the file has keys and values"},
		{"chekcs: []", `w:1:1: the file has no key "chekcs": write one of alerts, checks, `},
		{check + "listen: localhost", `w:3:9: "localhost": write an address and a port`},
		{check + "listen: :9315", `w:3:9: ":9315": write an address and a port`},
		{check + "hosts: [https://watch.example]", `w:3:9: "https://watch.example": write a name or an address`},
		{check + "token_file: ''", `w:3:13: "": write the path of a file`},
		{check + "probe: {allow: ['*']}", `w:3:17: "*": write shop.example, *.example`},
		{check + "probe: {allow: [0.0.0.0/0]}", "a network as wide as that is nobody's"},
		{check + "modules: [syn]", "w:3:10: modules has names and what they ask"},
		{check + "modules: {a b: {syn: true}}", `w:3:11: "a b" cannot be the name of a module`},
		{check + "modules: {mine: {}}", "w:3:17: the module asks nothing"},
		{check + "modules: {mine:}", "the module asks nothing"},
		{check + "modules: {mine: {sni: false}}", "the module asks nothing"},
		{check + "modules: {mine: {syn: true, timeout: 1h}}", "write a time from 100ms to 2m"},
		{check + "store: ''", `w:3:8: "": write the path of a file`},
		{check + "concurrency: 0", `w:3:14: "0": write a number from 1 to 64`},
		{check + "retention: {age: 1s}", `w:3:18: "1s": write a time from 1h to 3650d`},
		{check + "retention: {bytes: 5}", `w:3:20: "5": write a size from 1 MiB`},
		{check + "retention: {bytes: 99999999999 TiB}", "write a size"},
		{check + "defaults: {name: x}", `w:3:12: defaults has no key "name"`},
		{check + "    interval: 1m\n    interval: 2m", "w:4:5: "},
		{check + "    interval: often", `w:3:15: "often": write a time from 1s to 7d, such as 90s, 5m or 30d`},
		{check + "    interval: [1m]", "w:3:15: one value is expected here"},
		{check + "    jitter: 0.2", `w:3:13: "0.2": write a share from 0% to 50%`},
		{check + "    jitter: NaN%", "write a share"},
		{check + "    confirm: 3\n    of: 2", "w:2:5: of is 2, less than the 3 of confirm"},
		{check + "    retest: []", "w:3:13: the list is empty"},
		{check + "    retest: [1ns]", `w:3:14: "1ns": write a time`},
		{check + "    syn: yes", `w:3:10: "yes": write true or false`},
		{check + "    sni: []", "w:3:10: the list is empty"},
		{check + "    sni: True", `w:3:10: "True": write true for the target's own name, false, or names`},
		{check + "    host: off", `w:3:11: "off": write true`},
		{check + "    sni: ['@names']", "w:3:11: lists in files are not read here"},
		{check + "    sni: {a: b}", "w:3:10: a list is expected here"},
		{check + "    control: shop.example", "w:2:5: the control is the target"},
		{check + "    control_address: here", `w:3:22: "here" is not the address of a host`},
		{check + "    control_address: 224.0.0.1", "is not the address of a host"},
		{check + "    labels: {check: x}", `w:3:14: "check" cannot be a label`},
		{check + "    labels: {__name__: x}", "cannot be a label"},
		{check + "    labels: [x]", "labels has keys and values"},
		{check + "    name: ''", "write a name of 1 to 100 printable characters"},
		{check + `    name: "a\x1b"`, "printable"},
		{check + "  - target: shop.example", `w:3:5: a second check is called "shop.example"`},
		{"checks:\n  - name: shop", "w:2:5: the check has no target"},
		{"checks:\n  - target: 192.0.2.0/24", "w:2:13: "},
		{"checks:\n  - 192.0.2.0/24", "w:2:5: "},
		{"checks:\n  - {target: 192.0.2.1, sni: true}", "w:2:5: sni: true tests the target's own name, and 192.0.2.1 has none"},
		{"checks:\n  - {target: 192.0.2.1, control_address: '2001:db8::1'}", "are of different families"},
	} {
		_, err := Read("w", strings.NewReader(tt.text), asked)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

// TestReadAddress: it is found in a file that has mistakes elsewhere, too.
func TestReadAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": DefaultListen,
		"listen: 127.0.0.1:80\nweb_config: web.yml\nchekcs: [a.example]\nconcurrency: 0\n": "127.0.0.1:80 web.yml",
		"listen:\nchecks: []\n": DefaultListen,
		"listen: here\n":        "w:1:9: \"here\": write an address and a port",
		"listen: [\n":           "w:1:",
	} {
		f, err := ReadAddress("w", strings.NewReader(text))
		got := strings.TrimSpace(f.Listen.String() + " " + f.HTTP.WebConfig)
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != want || !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// keysOf are all keys of a mapping, as an error lists them.
func keysOf(t *testing.T, text string) []string {
	t.Helper()
	_, err := Read("w", strings.NewReader(text), asked)
	if err == nil {
		t.Fatal("an unknown key was taken")
	}
	list := regexp.MustCompile(`write one of (.*)`).FindStringSubmatch(err.Error())
	return strings.Split(list[1], ", ")
}

// TestDocument: every key is documented, and the examples are right.
func TestDocument(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../../docs/watch.md")
	if err != nil {
		t.Fatal(err)
	}
	for prefix, text := range map[string]string{"": "x: 1", "retention: ": "retention: {x: 1}", "probe: ": "probe: {x: 1}", "modules: NAME: ": "modules: {m: {x: 1}}", "of a check": "checks: [{x: 1}]"} {
		for _, k := range keysOf(t, text) {
			if prefix != "of a check" {
				k = prefix + k
			}
			if !strings.Contains(string(b), "\n| `"+k+"` |") {
				t.Errorf("docs/watch.md lacks %s", k)
			}
		}
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(b), -1)
	for _, e := range examples {
		if _, err := Read("docs/watch.md", strings.NewReader(e[1]), asked); err != nil {
			t.Error(err)
		}
	}
	if len(examples) < 2 {
		t.Error("docs/watch.md has no examples")
	}
}

func FuzzRead(f *testing.F) {
	f.Add("checks:\n  - name: shop\n    target: shop.example:443\n    labels: {a: b}\n")
	f.Add("defaults: {interval: 1d, retest: [1s]}\nchecks: [{target: a.example, sni: [b.example], of: 3}]")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Read("w", strings.NewReader(text), asked)
		if err != nil {
			return
		}
		for _, c := range file.Checks {
			if c.Name == "" || c.Target.Host == "" || c.Interval < MinInterval || c.Of < c.Confirm || len(c.Retest) == 0 || c.Jitter < 0 || c.Jitter > MaxJitter {
				t.Errorf("%q: %+v", text, c)
			}
		}
	})
}
