package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/report"
	"github.com/rstprobe/rstprobe/traceroute"
)

// The hops of these tests: addresses that databases may know, and one that
// they may not. Nothing is sent there.
var namedHops = []traceroute.Hop{
	{TTL: 1, Addr: netip.MustParseAddr("10.0.0.1")}, {TTL: 2}, {TTL: 3, Addr: netip.MustParseAddr("9.1.2.3")},
}

// writeDatabase writes a database with one record, for all addresses.
func writeDatabase(t *testing.T, path string, record mmdbtype.Map) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "made " + filepath.Base(path), IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Insert(&net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}, record); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tree.WriteTo(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// identities are those of the target and of the hops of the first result.
func identities(t *testing.T, stdout string) []report.Identity {
	t.Helper()
	documents(t, stdout) // is as the schema says
	var d report.Document
	line, _, _ := strings.Cut(stdout, "\n")
	if err := json.Unmarshal([]byte(line), &d); err != nil {
		t.Fatal(err)
	}
	out := []report.Identity{d.Target.Identity}
	for _, h := range d.Path.Hops {
		out = append(out, h.Identity)
	}
	return out
}

// TestNames: what the resolver and the databases know is in the result, and
// each of them is asked only if it may be.
func TestNames(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	asn := writeDatabase(t, filepath.Join(dir, "asn.mmdb"), mmdbtype.Map{
		"autonomous_system_number": mmdbtype.Uint32(64500), "autonomous_system_organization": mmdbtype.String("Example Telecom"),
	})
	writeDatabase(t, filepath.Join(dir, "geo.mmdb"), mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("DE")}})
	lite := writeDatabase(t, filepath.Join(other, "lite.mmdb"), mmdbtype.Map{
		"asn": mmdbtype.String("AS64501"), "as_name": mmdbtype.String("Other"), "country": mmdbtype.String("Germany"), "country_code": mmdbtype.String("FR"),
	})
	network := func(asn int, owner, country string) report.Network {
		return report.Network{ASN: asn, ASOwner: owner, Country: country}
	}
	found := network(64500, "Example Telecom", "DE")
	for _, tt := range []struct {
		line    string
		want    report.Network // of the public hop
		nameOff bool
	}{
		{"", found, false},
		{"-n", found, true},
		{"--no-names --asn-db none", network(0, "", "DE"), true},
		{"--asn-db none --geo-db none", report.Network{}, false},
		{"--asn-db " + lite, network(64501, "Other", "DE"), false},
		{"--geo-db " + lite, network(64500, "Example Telecom", "FR"), false},
		{"--asn-db " + asn + " --geo-db=" + lite, network(64500, "Example Telecom", "FR"), false},
		{"--asn-db " + asn + " --asn-db " + lite, found, false},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var asked []string
			f := fakeSystem{hops: namedHops, databases: []string{filepath.Join(dir, "nosuch"), dir}}
			f.names = func(_ context.Context, ip netip.Addr) ([]string, error) {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, ip.String())
				if ip.Is6() {
					return nil, errNoName
				}
				return []string{"\x1b[31m" + ip.String() + ".example."}, nil
			}
			got := f.run(t.Context(), "", append(strings.Fields("clean.example clean.example@2001:db8::7 --json "+tt.line), "-q")...)
			if got.code != exitOK || got.stderr != "" {
				t.Fatalf("exit code %d, standard error %q", got.code, got.stderr)
			}
			name := func(ip string) string { return `\x1b[31m` + ip + ".example" }
			lookUps := []string{"10.0.0.1", "192.0.2.7", "2001:db8::7", "9.1.2.3"} // each once
			if tt.nameOff {
				name, lookUps = func(string) string { return "" }, nil
			}
			want := []report.Identity{{Name: name("192.0.2.7")}, {Name: name("10.0.0.1")}, {}, {Name: name("9.1.2.3"), Network: tt.want}}
			if diff := cmp.Diff(want, identities(t, got.stdout)); diff != "" {
				t.Errorf("target and hops: -want +got:\n%s", diff)
			}
			slices.Sort(asked)
			if diff := cmp.Diff(lookUps, asked); diff != "" {
				t.Errorf("lookups: -want +got:\n%s", diff)
			}
		})
	}
}

// TestNamesInText: they are shown, safe to print.
func TestNamesInText(t *testing.T) {
	t.Parallel()
	f := fakeSystem{hops: namedHops, names: func(context.Context, netip.Addr) ([]string, error) {
		return []string{"r\x1b[2J.example."}, nil
	}}
	got := f.run(t.Context(), "", "clean.example")
	if n := strings.Count(got.stdout, `r\x1b[2J.example`); n != 3 || strings.Contains(got.stdout, "\x1b") {
		t.Errorf("the name stands there %d times, want 3, and never as it came:\n%s", n, got.stdout)
	}
}

// TestBadDatabases: a file that a flag names must be of use; one that merely
// lies there is worth a warning.
func TestBadDatabases(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	geo := writeDatabase(t, filepath.Join(dir, "geo.mmdb"), mmdbtype.Map{"country": mmdbtype.String("DE")})
	bad := filepath.Join(dir, "bad.mmdb")
	if err := os.WriteFile(bad, []byte("<html>404</html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ line, want string }{
		{"--asn-db " + dir + "/nosuch.mmdb", "--asn-db: hopinfo: database: stat " + dir + "/nosuch.mmdb: no such file or directory"},
		{"--asn-db " + bad, "--asn-db: hopinfo: database " + bad + " is damaged or no MMDB file"},
		{"--geo-db " + dir, "--geo-db: hopinfo: database " + dir + ": not a regular file"},
		{"--asn-db " + geo, "--asn-db: " + geo + " (made geo.mmdb) knows no autonomous systems: write another file, or --asn-db none"},
		{"--geo-db " + geo + " --geo-db none", "--geo-db: none stands alone: write it, or files"},
		{"--asn-db=", "--asn-db: the name of the file is missing: write --asn-db FILE, or --asn-db none"},
	} {
		var f fakeSystem
		got := f.run(t.Context(), "", append([]string{"clean.example"}, strings.Fields(tt.line)...)...)
		if got.code != exitUsage || got.stdout != "" || len(f.opened) > 0 || !strings.HasPrefix(got.stderr, "rstprobe: "+tt.want) {
			t.Errorf("%s: exit code %d, standard error %q; want %d and %q", tt.line, got.code, got.stderr, exitUsage, tt.want)
		}
	}
	f := fakeSystem{hops: namedHops, databases: []string{dir}}
	got := f.run(t.Context(), "", "clean.example", "--json")
	if want := "rstprobe: warning: hopinfo: database " + bad + " is damaged or no MMDB file"; got.code != exitOK || !strings.HasPrefix(got.stderr, want) {
		t.Errorf("exit code %d, standard error %q; want %d and %q", got.code, got.stderr, exitOK, want)
	}
	if i := identities(t, got.stdout)[3]; i.Country != "DE" {
		t.Errorf("the sound database beside it was not used: %+v", i)
	}
}

// TestNamesAreNotWaitedFor: a resolver that does not answer costs a run
// namePatience, however many its targets, and the end of it none.
func TestNamesAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var begun []time.Duration
		f := fakeSystem{hops: namedHops}
		f.names = func(ctx context.Context, _ netip.Addr) ([]string, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		f.during = func(diagnosis.Config) { begun = append(begun, time.Since(start)) }
		got := f.run(t.Context(), "", "clean.example", "clean.example:80", "blocked.example", "closed.example", "--json", "-q")
		if len(documents(t, got.stdout)) != 4 {
			t.Errorf("want 4 results: %s", got.stdout)
		}
		if diff := cmp.Diff([]time.Duration{0, namePatience, namePatience, namePatience}, begun); diff != "" {
			t.Errorf("targets begun: -want +got:\n%s", diff)
		}
		if d := time.Since(start); d != namePatience {
			t.Errorf("the run took %v, want %v", d, namePatience)
		}
	})
}

// TestNamesDuringMeasurement: lookups run while packets are under way.
func TestNamesDuringMeasurement(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := fakeSystem{hops: namedHops}
		f.names = func(context.Context, netip.Addr) ([]string, error) {
			time.Sleep(time.Second) // of virtual time
			return []string{"late.example"}, nil
		}
		f.during = func(cfg diagnosis.Config) {
			cfg.Progress(diagnosis.Progress{Hops: namedHops})
			time.Sleep(1500 * time.Millisecond)
		}
		got := f.run(t.Context(), "", "clean.example", "--json")
		if d := time.Since(start); d != 1500*time.Millisecond {
			t.Errorf("the run took %v, want the 1.5s of the measurement", d)
		}
		for i, id := range identities(t, got.stdout) {
			if want := i != 2; (id.Name == "late.example") != want { // the silent hop has none
				t.Errorf("name %d is %q", i, id.Name)
			}
		}
	})
}
