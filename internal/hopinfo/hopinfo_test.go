package hopinfo

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

type fields = mmdbtype.Map

// write writes a database that holds networks.
func write(t *testing.T, path, kind string, built time.Time, version int, networks map[string]fields) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: kind, BuildEpoch: built.Unix(), IPVersion: version, RecordSize: 24, IncludeReservedNetworks: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for network, data := range networks {
		_, ipNet, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(ipNet, data); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string) *Database {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// The networks of the tests. Nothing is sent there.
const (
	net4, net6 = "9.1.0.0/16", "2a00:1::/32"
	host4      = "9.1.2.3"
)

var built = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestLayouts: every layout in use gives the same facts.
func TestLayouts(t *testing.T) {
	t.Parallel()
	str := func(s string) mmdbtype.String { return mmdbtype.String(s) }
	city := fields{
		"city":       fields{"names": fields{"en": str("Springfield")}},
		"country":    fields{"geoname_id": mmdbtype.Uint32(7), "iso_code": str("DE"), "names": fields{"en": str("Germany")}},
		"location":   fields{"latitude": mmdbtype.Float64(1.5), "accuracy_radius": mmdbtype.Uint16(100)},
		"registered": fields{"iso_code": str("US")},
	}
	for _, tt := range []struct {
		kind         string
		data         fields
		want         Info
		asn, country bool
	}{
		{
			"GeoLite2-ASN", fields{"autonomous_system_number": mmdbtype.Uint32(64500), "autonomous_system_organization": str("Example Telecom")},
			Info{ASN: 64500, Owner: "Example Telecom"}, true, false,
		},
		{"GeoLite2-ASN", fields{"autonomous_system_number": mmdbtype.Uint32(4200000000)}, Info{ASN: 4200000000}, true, false},
		{"GeoLite2-City", city, Info{Country: "DE"}, false, true},
		{"GeoLite2-Country", fields{"country": fields{"iso_code": str("DE")}}, Info{Country: "DE"}, false, true},
		{"GeoLite2-Country", fields{"continent": fields{"code": str("EU")}}, Info{}, false, false},
		{
			"ipinfo lite", fields{
				"asn": str("AS64500"), "as_name": str("Example Telecom"), "as_domain": str("telecom.example"),
				"continent": str("Europe"), "continent_code": str("EU"), "country": str("Germany"), "country_code": str("DE"),
			},
			Info{ASN: 64500, Owner: "Example Telecom", Country: "DE"}, true, true,
		},
		{
			"ipinfo country_asn.mmdb", fields{"asn": str("AS64500"), "as_name": str("Example Telecom"), "country": str("DE"), "country_name": str("Germany")},
			Info{ASN: 64500, Owner: "Example Telecom", Country: "DE"}, true, true,
		},
		{
			"ipinfo generic_asn_free.mmdb", fields{"asn": str("AS64500"), "name": str("Example Telecom"), "domain": str("telecom.example")},
			Info{ASN: 64500, Owner: "Example Telecom"}, true, false,
		},
		{"ipinfo country", fields{"country": str("DE"), "country_name": str("Germany")}, Info{Country: "DE"}, false, true},
		{"a number for asn", fields{"asn": mmdbtype.Uint64(64500), "name": str("X")}, Info{ASN: 64500, Owner: "X"}, true, false},
		{"no number", fields{"asn": str("ASx"), "name": str("X"), "country": str("Germany")}, Info{}, false, false},
		{"too large a number", fields{"asn": str("AS4294967296")}, Info{}, false, false},
		{"other kinds", fields{"asn": mmdbtype.Slice{str("AS1")}, "country": mmdbtype.Bool(true)}, Info{}, false, false},
		{
			"hostile", fields{"asn": str("AS64500"), "as_name": str(" \x1b[31mred\u202e\n" + strings.Repeat("ä", 200)), "country": str("\x1b[")},
			Info{ASN: 64500, Owner: `\x1b[31mred\u202e\n` + strings.Repeat("ä", 99) + ".."}, true, false,
		},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			t.Parallel()
			d := open(t, write(t, filepath.Join(t.TempDir(), "x.mmdb"), tt.kind, built, 6, map[string]fields{net4: tt.data, net6: tt.data}))
			for _, ip := range []string{host4, "::ffff:" + host4, "2a00:1::1"} {
				got, err := d.Lookup(netip.MustParseAddr(ip))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s: -want +got:\n%s", ip, diff)
				}
			}
			want := &Database{Path: d.Path, Type: tt.kind, Built: built, ASN: tt.asn, Country: tt.country}
			if diff := cmp.Diff(want, d, cmpopts.IgnoreUnexported(Database{})); diff != "" {
				t.Errorf("database: -want +got:\n%s", diff)
			}
		})
	}
}

// TestSpecialAddresses: what nobody owns is not looked up, even in a database
// that has a record for everything.
func TestSpecialAddresses(t *testing.T) {
	t.Parallel()
	all := fields{"asn": mmdbtype.String("AS64500")}
	d := open(t, write(t, filepath.Join(t.TempDir(), "x.mmdb"), "all", built, 6, map[string]fields{"::/0": all}))
	for _, tt := range []struct {
		ips  string
		want int
	}{
		{"9.1.2.3 2a00:1::1 100.128.0.1 172.32.0.1 198.20.0.1", 64500},
		{"10.0.0.1 172.16.0.1 192.168.1.1 ::ffff:10.0.0.1 fd00::1", 0}, // RFC 1918, RFC 4193
		{"100.64.0.1 100.127.255.254", 0},
		{"127.0.0.1 ::1 0.0.0.0 :: 169.254.1.1 fe80::1 fe80::1%eth0", 0},
		{"192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1 2001:db8::1 3fff::1", 0},
		{"224.0.0.1 ff02::1 255.255.255.255 240.0.0.1 100::1 64:ff9b:1::1", 0},
	} {
		for s := range strings.FieldsSeq(tt.ips) {
			ip := netip.MustParseAddr(s)
			got, err := d.Lookup(ip)
			if err != nil || got.ASN != tt.want || Public(ip) != (tt.want != 0) {
				t.Errorf("%s: AS%d, %v, public %v; want AS%d", s, got.ASN, err, Public(ip), tt.want)
			}
		}
	}
	if got, err := d.Lookup(netip.Addr{}); err != nil || got != (Info{}) {
		t.Errorf("no address: %+v, %v", got, err)
	}
}

// TestIPv4Only: such a database knows nothing of IPv6, which is no error.
func TestIPv4Only(t *testing.T) {
	t.Parallel()
	d := open(t, write(t, filepath.Join(t.TempDir(), "x.mmdb"), "v4", built, 4, map[string]fields{net4: {"asn": mmdbtype.String("AS1")}}))
	for ip, want := range map[string]int{host4: 1, "2a00:1::1": 0} {
		if got, err := d.Lookup(netip.MustParseAddr(ip)); err != nil || got.ASN != want {
			t.Errorf("%s: %+v, %v; want AS%d", ip, got, err, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, err := os.ReadFile(write(t, filepath.Join(dir, "good.mmdb"), "x", built, 6, map[string]fields{net4: {"asn": mmdbtype.String("AS1")}}))
	if err != nil {
		t.Fatal(err)
	}
	marker := bytes.LastIndex(good, []byte("\xab\xcd\xefMaxMind.com"))
	noData := append(bytes.Repeat([]byte{0xff}, marker), good[marker:]...)
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("asn,owner\n"), "no metadata": good[:marker], "torn metadata": good[:len(good)-9],
		"only metadata": good[marker:], "overwritten": noData,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path+" is damaged or no MMDB file") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(filepath.Join(dir, "nosuch")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("missing: %v", err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("directory: %v", err)
	}
}

// TestLookupDamage: every database that was overwritten somewhere is refused,
// or answers, or gives an error; it never takes the program down.
func TestLookupDamage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.mmdb")
	first := fields{"asn": mmdbtype.String("AS1"), "country": mmdbtype.String("DE")} // all that Open reads
	data, err := os.ReadFile(write(t, path, "x", built, 4, map[string]fields{"8.0.0.0/8": first, net4: {"asn": mmdbtype.String("AS2")}}))
	if err != nil {
		t.Fatal(err)
	}
	refused, failed := 0, 0
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 0xff
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := Open(path)
		if err != nil {
			refused++
			continue
		}
		if _, err := d.Lookup(netip.MustParseAddr(host4)); err != nil {
			failed++
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if refused == 0 || failed == 0 {
		t.Errorf("of %d damaged files %d were refused and %d failed later: want some of both", len(data), refused, failed)
	}
}

// TestDatabases: directories in their order, in each the newest first; what is
// not there is skipped, what is damaged named.
func TestDatabases(t *testing.T) {
	t.Parallel()
	first, second := t.TempDir(), filepath.Join(t.TempDir(), "[x]")
	if err := os.Mkdir(second, 0o700); err != nil {
		t.Fatal(err)
	}
	asn := map[string]fields{net4: {"asn": mmdbtype.String("AS1")}}
	write(t, filepath.Join(first, "a-old.mmdb"), "old", built.AddDate(0, -1, 0), 6, asn)
	write(t, filepath.Join(first, "b-new.mmdb"), "new", built, 6, asn)
	write(t, filepath.Join(second, "c.mmdb"), "other", built.AddDate(1, 0, 0), 6, asn)
	for _, name := range []string{"bad.mmdb", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(first, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, errs := Databases([]string{filepath.Join(first, "nosuch"), first, second})
	var got []string
	for _, d := range found {
		got = append(got, d.Type)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"new", "old", "other"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "bad.mmdb is damaged") {
		t.Errorf("errors: %v", errs)
	}
}

func TestDirs(t *testing.T) {
	t.Parallel()
	system := []string{"/usr/share/GeoIP", "/usr/local/share/GeoIP", "/var/lib/GeoIP"}
	for _, tt := range []struct {
		name string
		env  map[string]string
		want []string
	}{
		{"nothing set", nil, system},
		{"home", map[string]string{"HOME": "/home/u"}, append(system, "/home/u/.local/share/rstprobe")},
		{"data", map[string]string{"HOME": "/home/u", "XDG_DATA_HOME": "/data"}, append(system, "/data/rstprobe")},
		{"relative", map[string]string{"HOME": "/home/u", "XDG_DATA_HOME": "data"}, append(system, "/home/u/.local/share/rstprobe")},
	} {
		if diff := cmp.Diff(tt.want, Dirs(func(k string) string { return tt.env[k] })); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
}

// TestTables: each field is that of the first database that knows it.
func TestTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	table := func(name string, data fields) *Database {
		return open(t, write(t, filepath.Join(dir, name), name, built, 6, map[string]fields{net4: data}))
	}
	str := func(s string) mmdbtype.String { return mmdbtype.String(s) }
	empty := open(t, write(t, filepath.Join(dir, "empty"), "empty", built, 6, nil))
	asn := table("asn", fields{"asn": str("AS1"), "name": str("One")})
	both := table("both", fields{"asn": str("AS2"), "name": str("Two"), "country": str("FR")})
	geo := table("geo", fields{"country": str("DE")})
	for _, tt := range []struct {
		name   string
		tables Tables
		want   Info
	}{
		{"none", Tables{}, Info{}},
		{"each its own", Tables{ASN: []*Database{asn}, Geo: []*Database{geo}}, Info{ASN: 1, Owner: "One", Country: "DE"}},
		{"the first that knows", Tables{ASN: []*Database{empty, asn, both}, Geo: []*Database{empty, asn, both, geo}}, Info{ASN: 1, Owner: "One", Country: "FR"}},
		{"one for both", Tables{ASN: []*Database{both}, Geo: []*Database{both}}, Info{ASN: 2, Owner: "Two", Country: "FR"}},
		{"systems only", Tables{ASN: []*Database{both}}, Info{ASN: 2, Owner: "Two"}},
		{"countries only", Tables{Geo: []*Database{both}}, Info{Country: "FR"}},
	} {
		got, err := tt.tables.Lookup(netip.MustParseAddr(host4))
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
}
