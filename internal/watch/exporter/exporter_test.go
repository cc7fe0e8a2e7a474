package exporter

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// asksAll turns tests into questions without the rules of the command line.
func asksAll(t watchfile.Tests, target probe.Target, _ []string) ([]diagnosis.Question, error) {
	var qs []diagnosis.Question
	if t.SYN {
		qs = append(qs, diagnosis.Question{Kind: probe.SYN})
	}
	if t.SNI.Own {
		t.SNI.Names = append([]string{target.Name}, t.SNI.Names...)
	}
	for _, n := range t.SNI.Names {
		qs = append(qs, diagnosis.Question{Kind: probe.SNI, Name: n})
	}
	return qs, nil
}

// file reads a watch file.
func file(t *testing.T, text string) watchfile.File {
	t.Helper()
	f, err := watchfile.Read("watch.yaml", strings.NewReader(text), asksAll)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const watched = `
checks:
  - {target: "shop.example:443@10.9.0.2", sni: [other.example], control: [harmless.example]}
  - {target: bank.example:8443}
modules:
  slow: {syn: true, sni: true, timeout: 3s, control: [control.example], control_address: 192.0.2.9}
  fixed: {sni: [blocked.example, worse.example]}
probe:
  allow: ["*.allowed.example", allowed.example:8080, 192.0.2.0/24, "[2001:db8::]/32:*", 10.1.0.0/16]
`

// exporterOf answers by a watch file; measure is told of what was asked.
func exporterOf(t *testing.T, text string, measure func(context.Context, Request) (report.Document, error)) *Exporter {
	t.Helper()
	f := file(t, text)
	s := Settings{Modules: f.HTTP.Modules, Allow: f.HTTP.Allow, Checks: f.Checks}
	return New(Config{Settings: func() Settings { return s }, Ask: asksAll, Measure: measure, Concurrency: 1})
}

// get asks an exporter; header is NAME: VALUE, ...
func get(t *testing.T, e *Exporter, query string, header ...string) (code int, body string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/probe?"+query, nil)
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	out := httptest.NewRecorder()
	e.ServeHTTP(out, r)
	return out.Code, out.Body.String()
}

// clean is a result in which all is well.
func clean(r Request) report.Document {
	d := report.Document{
		StartedAt: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC), DurationMS: 250, PacketsSent: 42,
		Lookup:  &report.Lookup{StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), DurationMS: 50},
		Target:  report.Target{IP: netip.MustParseAddr("192.0.2.7")},
		Verdict: report.Verdict{Outcome: probe.Clean},
	}
	for _, q := range r.Check.Questions {
		d.Tests = append(d.Tests, report.Test{Kind: q.Kind, Name: q.Name, Outcome: probe.OK})
	}
	return d
}

// TestWhatIsAsked: a request and its module become a check.
func TestWhatIsAsked(t *testing.T) {
	t.Parallel()
	sni := func(names ...string) []diagnosis.Question {
		var qs []diagnosis.Question
		for _, n := range names {
			qs = append(qs, diagnosis.Question{Kind: probe.SNI, Name: n})
		}
		return qs
	}
	syn := diagnosis.Question{Kind: probe.SYN}
	for _, tt := range []struct {
		query, header string
		want          watchfile.Check
		timeout       time.Duration
	}{
		{"target=bank.example:8443", "", watchfile.Check{Questions: sni("bank.example")}, defaultTimeout},
		{"target=shop.example:443@10.9.0.2&module=syn", "10", watchfile.Check{Questions: []diagnosis.Question{syn}}, 9500 * time.Millisecond},
		{"target=shop.example:443@10.9.0.2&hostname=Other.example", "0.4", watchfile.Check{Questions: sni("other.example")}, 400 * time.Millisecond},
		{"target=192.0.2.7&hostname=www.allowed.example&module=slow", "60", watchfile.Check{
			Questions: append([]diagnosis.Question{syn}, sni("www.allowed.example")...), Controls: []string{"control.example"}, ControlAddress: netip.MustParseAddr("192.0.2.9"),
		}, 3 * time.Second},
		{"target=www.allowed.example&module=slow", "2", watchfile.Check{
			Questions: append([]diagnosis.Question{syn}, sni("www.allowed.example")...), Controls: []string{"control.example"}, ControlAddress: netip.MustParseAddr("192.0.2.9"),
		}, 1500 * time.Millisecond},
		{"target=[2001:db8::7]:993&module=fixed", "3600", watchfile.Check{Questions: sni("blocked.example", "worse.example")}, defaultTimeout},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := exporterOf(t, watched, func(ctx context.Context, r Request) (report.Document, error) {
				end, _ := ctx.Deadline()
				if left := time.Until(end); left != tt.timeout {
					t.Errorf("%s: %v are left, want %v", tt.query, left, tt.timeout)
				}
				if diff := cmp.Diff(tt.want, r.Check, cmpopts.EquateComparable(netip.Addr{}), cmpopts.IgnoreFields(watchfile.Check{}, "Target")); diff != "" {
					t.Errorf("%s (-want +got):\n%s", tt.query, diff)
				}
				return clean(r), nil
			})
			var header []string
			if tt.header != "" {
				header = append(header, timeoutHeader+": "+tt.header)
			}
			if code, body := get(t, e, tt.query, header...); code != 200 {
				t.Errorf("%s: %d %s", tt.query, code, body)
			}
		})
	}
}

// TestRefused: nothing is measured that is not listed, or cannot be read, and
// a sentence says why.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		query string
		code  int
		want  string
	}{
		{"", 400, "there is no target: write target=shop.example:443"},
		{"target=bank.example:8443&module=http_2xx", 400, `there is no module "http_2xx": write module=fixed or module=slow or module=sni_check or module=syn`},
		{"target=bank.example:8443&target=192.0.2.1", 400, `"target" is there 2 times`},
		{"target=192.0.2.0/24", 400, "target \"192.0.2.0/24\", character "},
		{"target=http://%00", 400, "target \"http://\\x00\", character "},
		{"target=bank.example:8443&hostname=a%20b", 400, "hostname: "},
		{"target=192.0.2.7", 400, "module sni_check says the target's own name, and 192.0.2.7 has none: add hostname=NAME"},

		{"target=elsewhere.example", 403, "elsewhere.example port 443 may not be probed: list it in the watch file under probe: allow, or watch it by a check"},
		{"target=bank.example:443", 403, "port 443 may not be probed"},
		{"target=bank.example:8443@192.0.2.7", 403, "bank.example port 8443 may not be probed"},
		{"target=shop.example:443", 403, "may not be probed"}, // the check has an address
		{"target=shop.example:443@10.9.0.3", 403, "may not be probed"},
		{"target=https://bank.example:8443/secret", 403, "may not be probed"},
		{"target=https://www.allowed.example/secret", 403, `the path "/secret" may not be asked for`},
		{"target=allowed.example", 403, "may not be probed"}, // of another port, and *. is what is below
		{"target=notallowed.example", 403, "may not be probed"},
		{"target=evil.example:443@192.0.2.7", 403, "evil.example port 443 may not be probed"},
		{"target=www.allowed.example:443@127.0.0.1", 403, "127.0.0.1 port 443 may not be probed"},
		{"target=192.0.3.1&module=syn", 403, "192.0.3.1 port 443 may not be probed"},
		{"target=192.0.2.7:22&module=syn", 403, "192.0.2.7 port 22 may not be probed"},
		{"target=127.0.0.1:22&module=syn", 403, "127.0.0.1 port 22 may not be probed"},
		{"target=[::ffff:127.0.0.1]:443&module=syn", 403, "127.0.0.1 port 443 may not be probed"},
		{"target=169.254.169.254:80&module=syn", 403, "may not be probed"},
		{"target=[fe80::1]:443&module=syn", 403, "may not be probed"},
		{"target=192.0.2.7&hostname=forbidden.example", 403, "hostname forbidden.example may not be said"},
		{"target=bank.example:8443&hostname=forbidden.example", 403, "hostname forbidden.example may not be said to port 8443"},
	} {
		e := exporterOf(t, watched, func(_ context.Context, r Request) (report.Document, error) {
			t.Errorf("%s: measured", tt.query)
			return clean(r), nil
		})
		code, body := get(t, e, tt.query)
		if code != tt.code || !strings.Contains(body, tt.want) || strings.Count(body, "\n") != 1 {
			t.Errorf("%s: %d %q, want %d %q", tt.query, code, body, tt.code, tt.want)
		}
	}
	e := exporterOf(t, watched, func(_ context.Context, r Request) (report.Document, error) { return clean(r), nil })
	for _, seconds := range []string{"0", "-1", "NaN", "1e9", "10s"} {
		if code, body := get(t, e, "target=bank.example:8443", timeoutHeader+": "+seconds); code != 400 || !strings.Contains(body, "a number of seconds") {
			t.Errorf("a timeout of %s: %d %s", seconds, code, body)
		}
	}
}

// TestAddresses that the name of a target turns out to have.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"198.51.100.7": true, "203.0.113.7": true, "2001:4860::1": true, "64:ff9b::c633:6407": true, // the last embeds 198.51.100.7
		"10.1.2.3": true, // listed
		"10.2.2.3": false, "127.0.0.1": false, "169.254.169.254": false, "172.16.0.1": false, "192.168.1.1": false, "100.64.0.1": false, "0.0.0.1": false,
		"224.0.0.1": false, "255.255.255.255": false, "198.18.0.1": false, "240.0.0.1": false,
		"::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "ff02::1": false, "::ffff:127.0.0.1": false,
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false, "::7f00:1": false, "fec0::1": false, "64:ff9b:1::1": false,
	} {
		e := exporterOf(t, watched, func(_ context.Context, r Request) (report.Document, error) {
			return clean(r), r.Admit(netip.MustParseAddr(addr))
		})
		code, body := get(t, e, "target=www.allowed.example")
		if (code == 200) != want || !want && (code != 403 || !strings.Contains(body, "no address of the public Internet")) {
			t.Errorf("%s: %d %s", addr, code, body)
		}
	}
	e := exporterOf(t, watched, func(_ context.Context, r Request) (report.Document, error) {
		return clean(r), r.Admit(netip.MustParseAddr("10.2.2.3"))
	})
	if code, body := get(t, e, "target=bank.example:8443"); code != 200 { // the check goes there, too
		t.Errorf("the target of a check: %d %s", code, body)
	}
}

// TestWithoutList: nothing but the targets of the checks.
func TestWithoutList(t *testing.T) {
	t.Parallel()
	e := exporterOf(t, "checks: [bank.example:8443]", func(_ context.Context, r Request) (report.Document, error) { return clean(r), nil })
	for target, want := range map[string]int{"bank.example:8443": 200, "BANK.example:8443": 200, "192.0.2.7": 403, "www.allowed.example": 403,
		"https://bank.example:8443": 200, "https://bank.example:8443/": 200, "https://bank.example:8443/a": 403, // no path is the root
	} {
		if code, body := get(t, e, "module=syn&target="+target); code != want {
			t.Errorf("%s: %d %s, want %d", target, code, body, want)
		}
	}
}

// TestMetrics: what Prometheus reads.
func TestMetrics(t *testing.T) {
	t.Parallel()
	one := diagnosis.Question{Kind: probe.SNI, Name: "shop.example"}
	good := clean(Request{Check: watchfile.Check{Questions: []diagnosis.Question{one}}})
	bad := good
	bad.Verdict.Outcome, bad.Tests = probe.Interference, report.List[report.Test]{{Kind: probe.SNI, Outcome: probe.Reset, Author: probe.InPath, Confidence: probe.Proved}}
	likely := good // without a trace, the server may have done it
	likely.Verdict.Outcome, likely.Tests = probe.OverallInconclusive, report.List[report.Test]{{Kind: probe.SNI, Outcome: probe.Reset, Author: probe.OnOrInPath, Confidence: probe.Possible}}
	partial := good
	partial.Tests, partial.Interrupted = nil, true
	refuses := good
	refuses.Tests = report.List[report.Test]{{Kind: probe.SNI, Outcome: probe.Alert, Author: probe.Server, Confidence: probe.Proved}}
	refuses.Verdict.Outcome, refuses.Lookup, refuses.Target.IP = probe.ServerRefuses, nil, netip.MustParseAddr("2001:db8::1")
	for name, tt := range map[string]struct {
		doc  report.Document
		want string
	}{
		"all is well": {good, `
probe_dns_lookup_time_seconds 0.05
probe_duration_seconds 0.3
probe_ip_protocol 4
probe_success 1
probe_timeout_seconds 9.5
rstprobe_probe_interference 0
rstprobe_probe_interrupted 0
rstprobe_probe_packets 42
rstprobe_probe_tests{kind="sni",outcome="ok"} 1
rstprobe_probe_tests{kind="sni",outcome="reset"} 0
rstprobe_probe_verdict{verdict="clean"} 1
rstprobe_probe_verdict{verdict="interference"} 0
rstprobe_probe_wait_seconds 1.7
`},
		"a box": {bad, `
probe_success 0
rstprobe_probe_interference 1
rstprobe_probe_tests{kind="sni",outcome="ok"} 0
rstprobe_probe_tests{kind="sni",outcome="reset"} 1
rstprobe_probe_verdict{verdict="interference"} 1
`},
		"perhaps a box":   {likely, "\nprobe_success 0\nrstprobe_probe_interference 1\nrstprobe_probe_verdict{verdict=\"inconclusive\"} 1\n"},
		"no time for all": {partial, "\nprobe_success 0\nrstprobe_probe_interrupted 1\n"},
		"the server":      {refuses, "\nprobe_success 0\nrstprobe_probe_interference 0\nprobe_ip_protocol 6\nprobe_dns_lookup_time_seconds 0\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := exporterOf(t, watched, func(context.Context, Request) (report.Document, error) {
				time.Sleep(2 * time.Second) // most of it to wait
				return tt.doc, nil
			})
			code, body := get(t, e, "target=bank.example:8443", timeoutHeader+": 10")
			for line := range strings.SplitSeq(strings.TrimSpace(tt.want), "\n") {
				if code != 200 || !strings.Contains(body, "\n"+line+"\n") {
					t.Errorf("%s: %d: it lacks %s:\n%s", name, code, line, body)
				}
			}
		})
	}
}

// TestLint: names and texts are as Prometheus wants them, of what is ours.
func TestLint(t *testing.T) {
	t.Parallel()
	problems, err := testutil.GatherAndLint(result(report.Document{}, map[probe.Kind]int{probe.SYN: 1, probe.SNI: 2}, time.Second, time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestDocument: docs/watch.md has every metric.
func TestDocument(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../../docs/watch.md")
	if err != nil {
		t.Fatal(err)
	}
	families, err := result(report.Document{}, map[probe.Kind]int{probe.SYN: 1}, 0, 0).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.Contains(string(b), "\n| `"+f.GetName()+"` |") {
			t.Errorf("docs/watch.md lacks %s", f.GetName())
		}
	}
}

// TestBusy: so many at a time, so many wait, and more are turned away.
func TestBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now, most := 0, 0
		e := exporterOf(t, watched, func(_ context.Context, r Request) (report.Document, error) {
			now++
			most = max(most, now)
			defer func() { now-- }()
			time.Sleep(4 * time.Second)
			return clean(r), nil
		})
		codes := make(chan int, 20) // one for each request
		for range cap(codes) {
			go func() {
				code, _ := get(t, e, "target=bank.example:8443", timeoutHeader+": 10")
				codes <- code
			}()
		}
		got := map[int]int{}
		synctest.Wait()
		atOnce := len(codes)
		for range cap(codes) {
			got[<-codes]++
		}
		// Those that came too late for a place are turned away at once, and those
		// whose time is over before their turn then.
		if diff := cmp.Diff(map[int]int{200: 3, 503: 17}, got); diff != "" || most != 1 || atOnce != 20-1-queue {
			t.Errorf("%d at a time, %d turned away at once, codes (-want +got):\n%s", most, atOnce, diff)
		}
	})
}

// TestEnding: what is under way when rstprobe is told to end is no failure of
// the target.
func TestEnding(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	e := exporterOf(t, watched, func(ctx context.Context, r Request) (report.Document, error) {
		end()
		<-ctx.Done()
		return report.Document{Interrupted: true, Verdict: report.Verdict{Outcome: probe.OverallInconclusive}}, nil
	})
	out := httptest.NewRecorder()
	e.ServeHTTP(out, httptest.NewRequestWithContext(ctx, "GET", "/probe?target=bank.example:8443", nil))
	if body := out.Body.String(); out.Code != 503 || strings.Contains(body, "probe_success") {
		t.Errorf("%d %s", out.Code, body)
	}
}

// TestFailure of ours is none of the target's.
func TestFailure(t *testing.T) {
	t.Parallel()
	e := exporterOf(t, watched, func(context.Context, Request) (report.Document, error) {
		return report.Document{}, errors.New("raw sockets need CAP_NET_RAW")
	})
	if code, body := get(t, e, "target=bank.example:8443"); code != 500 || body != "raw sockets need CAP_NET_RAW\n" {
		t.Errorf("%d %s", code, body)
	}
}

// TestDebug shows how it came about, and then the metrics.
func TestDebug(t *testing.T) {
	t.Parallel()
	e := exporterOf(t, watched, func(_ context.Context, r Request) (report.Document, error) {
		d := clean(r)
		d.Verdict.Summary = "Nothing interferes."
		return d, nil
	})
	code, body := get(t, e, url.Values{"target": {"bank.example:8443"}, "debug": {"true"}}.Encode(), "Accept: application/vnd.google.protobuf", "Accept-Encoding: gzip")
	for _, want := range []string{"Module: sni_check\nTimeout: 2m0s\n", "Nothing interferes.", "\nMetrics:\n# HELP", "\nprobe_success 1\n"} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("%d: it lacks %q:\n%s", code, want, body)
		}
	}
}
