package contrib

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/testenv"
	"github.com/rstprobe/rstprobe/internal/watch/metrics"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

const (
	rulesFile     = "prometheus/rstprobe.rules.yml"
	rulesTestFile = "prometheus/rstprobe.rules.test.yml"
)

// promtool runs promtool(1) with arguments.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	testenv.Need(t, "promtool")
	if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

func TestRulesAreRight(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", rulesFile)
}

func TestRulesFire(t *testing.T) {
	t.Parallel()
	promtool(t, "test", "rules", rulesTestFile)
}

// TestEveryRuleIsTested: each alert is expected to fire, and not to, in
// the tests of the rules.
func TestEveryRuleIsTested(t *testing.T) {
	t.Parallel()
	tests := read(t, rulesTestFile)
	for _, m := range regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(read(t, rulesFile), -1) {
		if !regexp.MustCompile(`alertname: ` + m[1] + `\n +exp_alerts:`).MatchString(tests) {
			t.Errorf("%s is never expected in %s", m[1], rulesTestFile)
		}
	}
}

// exposed are the labels of every metric that a watch shows, from Prometheus'
// point of view: with those of the scrape.
func exposed(t *testing.T) map[string][]string {
	t.Helper()
	m := metrics.New("1.2.3")
	m.Watched([]watchfile.Check{{Name: "shop", Target: probe.Target{Input: "shop.example"}}})
	m.Known("shop", state.Machines{{Kind: probe.SYN}: {Confirmed: state.Axes{Outcome: probe.Drop, Author: probe.InPath, Place: state.Place{AtTTL: 1}}}})
	m.Ran(store.Run{Check: "shop", Started: time.Unix(1, 0), Ended: time.Unix(2, 0), Document: report.Document{Verdict: report.Verdict{Outcome: probe.Clean}}}, 0, nil)
	m.Reloaded(time.Unix(1, 0), true)
	m.Alerts().Receivers([]string{"ops"})
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	scrape := []string{"job", "instance"}
	out := map[string][]string{"up": scrape}
	series := regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? [^ ]+$`)
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		parts := series.FindStringSubmatch(strings.TrimSpace(line))
		if parts == nil {
			t.Fatalf("no series: %s", line)
		}
		labels := slices.Clone(scrape)
		for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(parts[2], -1) {
			labels = append(labels, l[1])
		}
		out[parts[1]] = labels
	}
	return out
}

// expect checks that an expression uses only metrics and labels that there
// are.
func expect(t *testing.T, exposed map[string][]string, where, expr string) {
	t.Helper()
	metrics, listed := uses(expr)
	if len(metrics) == 0 {
		t.Errorf("%s: %s uses no metric", where, expr)
	}
	var all []string
	for _, u := range metrics {
		labels, ok := exposed[u.metric]
		if !ok {
			t.Errorf("%s: there is no metric %s", where, u.metric)
		}
		for _, l := range u.labels {
			if !slices.Contains(labels, l) {
				t.Errorf("%s: %s has no label %s", where, u.metric, l)
			}
		}
		all = append(all, labels...)
	}
	for _, l := range listed {
		if !slices.Contains(all, l) {
			t.Errorf("%s: nothing in %s has a label %s", where, expr, l)
		}
	}
}

// TestRulesUseWhatThereIs: metrics and labels, also in texts.
func TestRulesUseWhatThereIs(t *testing.T) {
	t.Parallel()
	known := exposed(t)
	parts := regexp.MustCompile(`^(\w+)\n +expr: (?:>-\n)?((?s).*?)\n        (?:for|labels):((?s).*)$`)
	for _, rule := range strings.Split(read(t, rulesFile), "\n      - alert: ")[1:] {
		m := parts.FindStringSubmatch(rule)
		if m == nil {
			t.Fatalf("what is %s?", rule)
		}
		name, expr, texts := m[1], m[2], m[3]
		expect(t, known, name, expr)
		metrics, _ := uses(expr)
		for _, l := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(texts, -1) {
			if !slices.Contains(known[metrics[0].metric], l[1]) {
				t.Errorf("%s: the text has a label %s, which %s lacks", name, l[1], metrics[0].metric)
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// writeRules writes expressions as rules, which promtool can check.
func writeRules(t *testing.T, exprs []string) string {
	t.Helper()
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for _, e := range exprs {
		rules = append(rules, rule{"job:expr:x" + strings.Repeat("x", len(rules)), e}) // a name of its own for each
	}
	b, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "expressions", "rules": rules}}}) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
