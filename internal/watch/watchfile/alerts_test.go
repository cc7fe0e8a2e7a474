package watchfile

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
)

const twoChecks = "checks:\n  - {name: shop, target: shop.example, labels: {team: web}}\n  - bank.example\n"

func readAlerts(t *testing.T, text string) (File, error) {
	t.Helper()
	return Read("w", strings.NewReader(twoChecks+text), asked)
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	f, err := readAlerts(t, `
external_url: https://watch.example:8443/?#
alerts:
  - name: plain
    webhook: {url: "https://hooks.example/a?b=c"}
  - name: ops
    checks: [bank.example, {team: web}]
    on: interference
    failures: 3
    successes: 2
    resolved: false
    reminder: 1d
    own_network: true
    webhook:
      url_file: /run/secrets/hook
      headers: {Content-Type: text/plain}
      header_files: {Authorization: /run/secrets/token}
      template: "{{.Check}}"
      timeout: 3s
  - name: am
    alertmanager: {url: "http://127.0.0.1:9093", labels: {severity: page}}
  - name: page
    exec: {command: [/usr/local/bin/page, --now, ""], timeout: 1m}
`)
	if err != nil {
		t.Fatal(err)
	}
	plain := alert.Rule{On: alert.Anything, Failures: 1, Successes: 1, Resolved: true}
	want := []alert.Receiver{
		{Name: "plain", Rule: plain, Via: alert.Webhook{Address: alert.Address{URL: "https://hooks.example/a?b=c"}, Timeout: 10 * time.Second}},
		{Name: "ops", Rule: alert.Rule{
			Checks: []alert.Match{{Name: "bank.example"}, {Labels: map[string]string{"team": "web"}}},
			On:     alert.Interference, Failures: 3, Successes: 2, Reminder: 24 * time.Hour, OwnNetwork: true,
		}, Via: alert.Webhook{Address: alert.Address{
			URLFile: "/run/secrets/hook", Headers: map[string]alert.Secret{"Content-Type": "text/plain"}, HeaderFiles: map[string]string{"Authorization": "/run/secrets/token"},
		}, Timeout: 3 * time.Second}},
		{Name: "am", Rule: plain, Via: alert.Alertmanager{Address: alert.Address{URL: "http://127.0.0.1:9093"}, Labels: map[string]string{"severity": "page"}, Timeout: 10 * time.Second}},
		{Name: "page", Rule: plain, Via: alert.Exec{Command: []string{"/usr/local/bin/page", "--now", ""}, Timeout: time.Minute}},
	}
	if diff := cmp.Diff(want, f.Alerts, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(alert.Webhook{}, "Template")); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
	body, err := f.Alerts[1].Via.(alert.Webhook).Template.Execute(alert.Event{Check: "shop"})
	if string(body) != "shop" || err != nil || f.ExternalURL != "https://watch.example:8443" {
		t.Errorf("the template makes %q, %v; external_url is %q", body, err, f.ExternalURL)
	}
}

// TestAlertsThatAreWrong: it is said where, and nothing secret with it.
func TestAlertsThatAreWrong(t *testing.T) {
	t.Parallel()
	const (
		hook = "alerts:\n  - name: ops\n    webhook: {url: 'https://sesame.example/sesame'}\n"
		head = "alerts:\n  - name: ops\n    webhook:\n      url: https://sesame.example/sesame\n"
	)
	for _, tt := range []struct{ text, want string }{
		{"alerts: https://x.example", "w:4:9: alerts is a list of receivers"},
		{"alerts: {name: ops}", "w:4:9: alerts is a list of receivers"},
		{"alerts: [ops]", "w:4:10: a receiver has keys and values"},
		{"alerts:\n  - webhook: {url: https://sesame.example}", "w:5:5: the receiver needs a name"},
		{"alerts:\n  - name: ops", "w:5:5: how is ops to be told?"},
		{hook + "  - name: ops\n    exec: {command: x}", `w:7:5: a second receiver is called "ops"`},
		{hook + "    exec: {command: x}", "w:7:11: a receiver is told in one way"},
		{hook + "    shell: x", `w:7:5: a receiver has no key "shell": write one of alertmanager, checks,`},
		{hook + "    checks: [shoop]", "w:7:14: no check of this file is like that"},
		{hook + "    checks: [{team: x}]", "w:7:14: no check of this file is like that"},
		{hook + "    checks: [{}]", "w:7:14: write the name of a check, or labels"},
		{hook + "    checks: [{team: [web]}]", "w:7:21: a label is one text"},
		{hook + "    on: everything", `w:7:9: "everything": write anything or interference`},
		{hook + "    failures: 0", `w:7:15: "0": write a number from 1 to 100`},
		{hook + "    reminder: 1m", `w:7:15: "1m": write a time from 5m to 365d`},
		{hook + "    resolved: no", "write true or false"},
		{"alerts:\n  - name: ops\n    webhook: {url: 'https://sesame.example/sesame', timout: 5s}", "w:6:53: webhook has no key \"timout\""},
		{"alerts:\n  - name: ops\n    webhook: {ulr: 'https://sesame.example/sesame'}", "w:6:15: webhook has no key \"ulr\""},
		{"alerts:\n  - name: ops\n    webhook: {url: sesame}", "w:6:20: write an address such as https://hooks.example/path"},
		{"alerts:\n  - name: ops\n    webhook: {url: 'ftp://sesame.example'}", "w:6:20: write an address"},
		{"alerts:\n  - name: ops\n    webhook: {url: 'https://sesame%zz'}", "w:6:20: write an address"},
		{"alerts:\n  - name: ops\n    webhook: {url: [sesame]}", "one value is expected here"},
		{"alerts:\n  - name: ops\n    webhook: {timeout: 5s}", "w:6:14: where to? Write either url"},
		{head + "      url_file: /run/hook", "w:7:7: where to? Write either url"},
		{head + "      timeout: 1h", `w:8:16: "1h": write a time from 100ms to 5m`},
		{head + "      headers: {Host: sesame}", `w:8:17: "Host" is no header that can be set here`},
		{head + "      headers: {'a b': sesame}", "is no header that can be set here"},
		{head + "      headers: {a: sesame, A: sesame}", "w:8:28: a second value of A"},
		{head + "      header_files: {a: ''}", `"": write the path of a file`},
		{head + `      headers: {a: "sesame\n"}`, "w:8:20: the value has characters that no header may have"},
		{head + "      headers: sesame", "w:8:16: headers are names and values"},
		{head + "      template: '{{.Sumary}}'", "w:8:17: template: template:1"},
		{head + "      template: '{{.Summary}}'", "it makes what is not JSON"},
		{head + "      template: |\n        {{if}}\n", "missing value for if"},
		{"alerts:\n  - name: am\n    reminder: 1h\n    alertmanager: {url: 'http://127.0.0.1:9093'}", "reminder is for Alertmanager to decide"},
		{"alerts:\n  - name: am\n    alertmanager: {url: 'http://127.0.0.1:9093', labels: {alertname: x}}", `"alertname" cannot be a label`},
		{"alerts:\n  - name: page\n    exec: {}", "w:6:11: which program?"},
		{"alerts:\n  - name: page\n    exec: {command: ['']}", `"": write a program, and its arguments`},
		{"external_url: watch.example", `w:4:15: write the address at which people reach the pages`},
		{"external_url: https://me:sesame@a.example", "w:4:15: write the address at"},
		{"alert: [{webhook: {headers: {Authorization: sesame}}}]", `w:4:1: the file has no key "alert"`},
		{"external_url: https://a.example/rst/", "without a path"},
		{"external_url: https://a.example/?x", "write the address at which people reach the pages"},
	} {
		_, err := readAlerts(t, tt.text)
		switch {
		case err == nil || !strings.Contains(err.Error(), tt.want):
			t.Errorf("%s\ngives %v\nwant %s", tt.text, err, tt.want)
		case strings.Contains(err.Error(), "sesame"):
			t.Errorf("%s\nshows a secret: %v", tt.text, err)
		}
	}
}

// TestAlertsDocument: every key of a receiver is documented.
func TestAlertsDocument(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../../docs/watch.md")
	if err != nil {
		t.Fatal(err)
	}
	for prefix, text := range map[string]string{
		"": "alerts: [{x: 1}]", "webhook: ": "alerts: [{webhook: {x: 1}}]", "alertmanager: ": "alerts: [{alertmanager: {x: 1}}]", "exec: ": "alerts: [{exec: {x: 1}}]",
	} {
		for _, k := range keysOf(t, twoChecks+text) {
			// A row may be about several keys.
			if row := "(?m)^\\| (`[^|]*`, )?`(" + prefix + ")?" + k + "`"; !regexp.MustCompile(row).Match(b) {
				t.Errorf("docs/watch.md lacks %s%s", prefix, k)
			}
		}
	}
}
