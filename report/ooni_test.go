package report

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/report/ooni/oonitest"
)

// ooniLines are the measurements of a result, each checked.
func ooniLines(t *testing.T, d Document) [][]byte {
	t.Helper()
	var b bytes.Buffer
	if err := OONI(&b, []Document{d}); err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for line := range bytes.Lines(b.Bytes()) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if err := oonitest.Check(line); err != nil {
			t.Errorf("%v\n%s", err, line)
		}
		out = append(out, line)
	}
	return out
}

// oneLine is what readers look at first.
type oneLine struct {
	Name  string  `json:"test_name"`
	Input *string `json:"input"`
	Keys  struct {
		Failure   *string `json:"failure"`
		Operation *string `json:"failed_operation"`
		Result    string  `json:"result"`
	} `json:"test_keys"`
}

func (l oneLine) String() string {
	words := []string{l.Name}
	for _, p := range []*string{l.Input, l.Keys.Operation, l.Keys.Failure, &l.Keys.Result} {
		if p != nil && *p != "" {
			words = append(words, *p)
		}
	}
	return strings.Join(words, " ")
}

// TestOONI: results of every kind, in the shapes that they fit.
func TestOONI(t *testing.T) {
	const (
		syn     = "urlgetter tcpconnect://10.9.6.2:443"
		hello   = "urlgetter tlshandshake://10.9.6.2:443"
		refused = hello + " tls_handshake ssl_failed_handshake"
	)
	want := map[string][]string{
		"clean":    {syn, hello, refused, hello, "sni_blocking blocked.example success.got_server_hello"},
		"reset":    {syn, hello, refused, hello + " tls_handshake connection_reset", "sni_blocking blocked.example interference.reset", "tlsmiddlebox tlstrace://blocked.example"},
		"reset_v6": nil, // as reset
		"drop":     {syn, hello, refused, hello + " tls_handshake generic_timeout_error", "sni_blocking blocked.example anomaly.timeout"},
		"closed":   {syn, hello, refused, hello + " tls_handshake eof_error", "sni_blocking blocked.example interference.closed"},
		"alert":    {syn, hello, refused, refused, "sni_blocking blocked.example anomaly.unexpected_failure"},
		"injected_page": {
			"urlgetter http://10.9.6.2/", "urlgetter http://10.9.6.2/",
			"urlgetter http://10.9.6.2/ http_round_trip unknown_failure: the answer is not HTTP",
		},
		"closed_port":         {syn + " connect connection_refused", "portfiltering"},
		"dns":                 {"urlgetter dnslookup://no.example resolve dns_nxdomain_error"},
		"resolved":            {"urlgetter dnslookup://example.com", syn, "portfiltering"},
		"no_route":            {syn + " connect network_unreachable"},
		"interrupted":         {hello, hello + " tls_handshake interrupted"},
		"interrupted_at_once": {syn + " top_level interrupted"},
		"empty":               {"urlgetter top_level unknown_failure: the end is not known"},
	}
	for _, line := range want["reset"] {
		want["reset_v6"] = append(want["reset_v6"], strings.ReplaceAll(line, "10.9.6.2", "[2001:1db8::3]"))
	}
	for _, ex := range attemptedExamples() {
		t.Run(ex.name, func(t *testing.T) {
			var got []string
			for _, line := range ooniLines(t, New(ex.res, meta)) {
				var one oneLine
				if err := json.Unmarshal(line, &one); err != nil {
					t.Fatal(err)
				}
				got = append(got, one.String())
			}
			if diff := cmp.Diff(want[ex.name], got); diff != "" {
				t.Errorf("measurements (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOONIGolden: the whole of some, to be reviewed.
func TestOONIGolden(t *testing.T) {
	for _, ex := range attemptedExamples() {
		if !slices.Contains([]string{"reset_v6", "injected_page", "closed_port", "dns", "resolved"}, ex.name) {
			continue
		}
		var pretty bytes.Buffer
		for _, line := range ooniLines(t, New(ex.res, meta)) {
			if err := json.Indent(&pretty, line, "", "  "); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
		}
		golden(t, "ooni_"+ex.name+".txt", pretty.Bytes())
	}
}

// TestOONIOfSaved: a result that was saved gives the measurements that it gave
// at once.
func TestOONIOfSaved(t *testing.T) {
	for _, ex := range attemptedExamples() {
		want := New(ex.res, meta)
		line, err := want.JSON()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Read(bytes.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ooniLines(t, want), ooniLines(t, got)); diff != "" {
			t.Errorf("%s (-at once +saved):\n%s", ex.name, diff)
		}
	}
}

// TestOONIOfOthers: results without attempts, and hostile ones, are no
// obstacle.
func TestOONIOfOthers(t *testing.T) {
	for _, ex := range examples() {
		if got := ooniLines(t, New(ex.res, meta)); len(got) == 0 {
			t.Errorf("%s: no measurement", ex.name)
		}
	}
}

// TestOONIScrubs: our own address is nowhere, not even in what was said.
func TestOONIScrubs(t *testing.T) {
	for _, ex := range attemptedExamples() {
		d := New(ex.res, meta)
		if !d.SourceIP.IsValid() {
			continue
		}
		d.Verdict.Summary = "<b>&" + d.SourceIP.String() + ":40000"
		for _, line := range ooniLines(t, d) {
			if bytes.Contains(line, []byte(d.SourceIP.String()+`"`)) || bytes.Contains(line, []byte(d.SourceIP.String()+`:`)) {
				t.Errorf("%s names %v: %s", ex.name, d.SourceIP, line)
			}
			if !bytes.Contains(line, []byte(`[scrubbed]:40000`)) {
				t.Errorf("%s does not say that something is missing: %s", ex.name, line)
			}
		}
	}
}

// TestOONILookups: a look-up is told in the words that say why it failed, at
// its own time, and once for all addresses of a name.
func TestOONILookups(t *testing.T) {
	for _, ex := range attemptedExamples() {
		if ex.res.Lookup == nil {
			continue
		}
		for _, failure := range []diagnosis.LookupFailure{
			"", diagnosis.NoSuchName, diagnosis.NoAddress, diagnosis.UselessAddress, diagnosis.ResolverFails, diagnosis.ResolverSilent, diagnosis.LookupInterrupted, diagnosis.LookupFails,
		} {
			ex.res.Lookup.Failure = failure
			line := ooniLines(t, New(ex.res, meta))[0]
			var got oneLine
			if err := json.Unmarshal(line, &got); err != nil {
				t.Fatal(err)
			}
			if f := got.Keys.Failure; failure == "" && f != nil || failure != "" && (f == nil || *f != string(failure)) {
				t.Errorf("%s: failure %q is told by %s", ex.name, failure, line)
			}
		}
	}
	res := attemptedExamples()[slices.IndexFunc(attemptedExamples(), func(ex example) bool { return ex.name == "resolved" })].res
	first, second := New(res, meta), New(res, meta)
	second.Target.IP = addr6(3)
	var b bytes.Buffer
	if err := OONI(&b, []Document{first, second}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), `"dnslookup://`); n != 1 {
		t.Errorf("the look-up is told %d times:\n%s", n, &b)
	}
}

// TestOONITraceEnds: iterations end at the first reset, with what stood there.
func TestOONITraceEnds(t *testing.T) {
	for _, ex := range attemptedExamples() {
		if ex.name != "reset" {
			continue
		}
		lines := ooniLines(t, New(ex.res, meta))
		var got struct {
			Keys struct {
				Trace []struct {
					Address string
					Control struct {
						ServerName string `json:"server_name"`
						Iterations []struct{ TTL int }
					} `json:"control_trace"`
					Target struct {
						Iterations []struct {
							TTL       int
							Handshake struct {
								Failure string
								SoError string `json:"so_error"`
							}
							Extra struct {
								IP     string
								Answer string
							} `json:"x_rstprobe"`
						}
					} `json:"target_trace"`
				} `json:"iterative_trace"`
			} `json:"test_keys"`
		}
		if err := json.Unmarshal(lines[len(lines)-1], &got); err != nil {
			t.Fatal(err)
		}
		trace := got.Keys.Trace[0]
		if n := len(trace.Control.Iterations); n != 6 || trace.Control.ServerName != "control.example" || trace.Address != netip.AddrPortFrom(server, 443).String() {
			t.Errorf("control: %+v, address %s", trace.Control, trace.Address)
		}
		var steps []string
		for _, it := range trace.Target.Iterations {
			steps = append(steps, strings.Join([]string{it.Handshake.Failure, it.Handshake.SoError, it.Extra.IP, it.Extra.Answer}, " "))
		}
		want := []string{
			"generic_timeout_error host_unreachable 10.9.0.2 time_exceeded", "generic_timeout_error host_unreachable 10.9.1.2 time_exceeded",
			"generic_timeout_error host_unreachable 10.9.2.2 time_exceeded", "connection_reset   reset",
		}
		if diff := cmp.Diff(want, steps); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
	}
}

// TestOONIReaderIsStrict: the reader that the other tests rely on notices
// each of the mistakes that break readers.
func TestOONIReaderIsStrict(t *testing.T) {
	var reset example
	for _, ex := range attemptedExamples() {
		if ex.name == "reset" {
			reset = ex
		}
	}
	lines := ooniLines(t, New(reset.res, meta))
	hello, trace := lines[1], lines[len(lines)-1]
	for _, tt := range []struct {
		name     string
		line     []byte
		old, new string
	}{
		{"no report_id", hello, `"report_id":"",`, ``},
		{"no uid", hello, `"measurement_uid":"2`, `"measurement_uid":"`},
		{"fraction in a time", hello, `"measurement_start_time":"2026-01-02 03:04:05"`, `"measurement_start_time":"2026-01-02 03:04:05.6"`},
		{"zone in a time", hello, `"test_start_time":"2026-01-02 03:04:05"`, `"test_start_time":"2026-01-02T03:04:05Z"`},
		{"empty input", hello, `"input":"tlshandshake://10.9.6.2:443"`, `"input":""`},
		{"id 0", hello, `"transaction_id":1`, `"transaction_id":0`},
		{"another id", hello, `"operation":"connect","proto":"tcp","t0":0,"t":0.01,"tags":[],"transaction_id":1`, `"operation":"connect","proto":"tcp","t0":0,"t":0.01,"tags":[],"transaction_id":"1"`},
		{"no address", hello, `"address":"10.9.6.2:443"`, `"address":""`},
		{"another address", hello, `"address":"10.9.6.2:443"`, `"address":"10.9.6.3:443"`},
		{"done at another time", hello, `"operation":"tls_handshake_done","proto":"tcp","t0":0.02,"t":0.02`, `"operation":"tls_handshake_done","proto":"tcp","t0":0.02,"t":0.021`},
		{"false for null", hello, `"failure":null`, `"failure":false`},
		{"empty failure", hello, `"failure":null`, `"failure":""`},
		{"own address", hello, `"probe_ip":"127.0.0.1"`, `"probe_ip":"10.9.0.1"`},
		{"AS without digits", hello, `"probe_asn":"AS0"`, `"probe_asn":"AS"`},
		{"key of the backend", hello, `"report_id":""`, `"report_id":"","bucket_date":"2026-01-02"`},
		{"no platform", hello, `"platform":"linux",`, ``},
		{"a side with nothing of ours", lines[len(lines)-2], `"x_rstprobe":{`, `"x_rstprobe":null,"x_more":{`},
		{"null list", hello, `"queries":[]`, `"queries":null`},
		{"success that failed", hello, `"success":true`, `"success":false`},
		{"iterations out of order", trace, `"ttl":2`, `"ttl":1`},
		{"iterations after the end", trace, `"failure":"generic_timeout_error","so_error"`, `"failure":"connection_reset","so_error"`},
		{"another version", trace, `"test_version":"0.1.2"`, `"test_version":"0.2.0"`},
	} {
		changed := bytes.Replace(tt.line, []byte(tt.old), []byte(tt.new), 1)
		if bytes.Equal(changed, tt.line) {
			t.Errorf("%s: there is no %s in %s", tt.name, tt.old, tt.line)
		} else if oonitest.Check(changed) == nil {
			t.Errorf("%s: it is accepted", tt.name)
		}
	}
}
