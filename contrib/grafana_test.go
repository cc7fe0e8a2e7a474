package contrib

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

const dashboardFile = "grafana/rstprobe.json"

// dashboard is what the tests look at of a dashboard, by
// https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Panels        []panel
	Templating    struct{ List []variable }
}

type panel struct {
	ID                int
	Type, Title       string
	Description       string
	Datasource        *source
	GridPos           struct{ X, Y, W, H int }
	Targets           []target
	Panels            []panel
	FieldConfig       struct{ Defaults struct{ Unit string } }
	Collapsed         bool
	LibraryPanel, URL any
}

type source struct{ Type, UID string }

type target struct {
	RefID, Expr string
	Datasource  *source
}

type variable struct{ Name, Type, Definition string }

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDashboardIsSound: each panel has an id and a place of its own within the
// 24 columns, says what it shows, and asks the data source that is chosen.
func TestDashboardIsSound(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 36 || len(d.Panels) < 10 {
		t.Errorf("title %q, uid %q, schema %d, %d panels", d.Title, d.UID, d.SchemaVersion, len(d.Panels))
	}
	ids, cells := map[int]string{}, map[[2]int]string{}
	chosen := source{"prometheus", "${datasource}"}
	for _, p := range d.Panels {
		if other, ok := ids[p.ID]; ok || p.ID == 0 {
			t.Errorf("%s has the id %d, as %q has", p.Title, p.ID, other)
		}
		ids[p.ID] = p.Title
		g := p.GridPos
		if g.X < 0 || g.W < 1 || g.X+g.W > 24 || g.H < 1 {
			t.Errorf("%s is outside the grid: %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, ok := cells[[2]int{x, y}]; ok {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d (%s) lacks a title, a description, a unit or a query", p.ID, p.Title)
		}
		if p.Datasource == nil || *p.Datasource != chosen {
			t.Errorf("%s asks %v, want %v", p.Title, p.Datasource, chosen)
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if q.Datasource == nil || *q.Datasource != chosen || q.Expr == "" || refs[q.RefID] {
				t.Errorf("%s: query %+v", p.Title, q)
			}
			refs[q.RefID] = true
		}
	}
}

// variables of Grafana itself.
var builtIn = map[string]string{"__rate_interval": "5m"}

// expressions are the queries of the dashboard, with the variables filled in
// as Grafana does it for "All".
func expressions(t *testing.T, d dashboard) map[string]string {
	t.Helper()
	known := map[string]string{}
	for name, value := range builtIn {
		known[name] = value
	}
	out := map[string]string{}
	name := regexp.MustCompile(`\$\{?(\w+)\}?`)
	fill := func(where, expr string) {
		out[where] = name.ReplaceAllStringFunc(expr, func(v string) string {
			value, ok := known[name.FindStringSubmatch(v)[1]]
			if !ok {
				t.Errorf("%s uses %s, which is not defined, or later", where, v)
			}
			return value
		})
	}
	values := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	for _, v := range d.Templating.List {
		switch v.Type {
		case "datasource":
		case "query":
			m := values.FindStringSubmatch(v.Definition)
			if m == nil {
				t.Fatalf("variable %s: what is %s?", v.Name, v.Definition)
			}
			fill("variable "+v.Name, fmt.Sprintf("count by (%s) (%s)", m[2], m[1]))
			known[v.Name] = ".*"
		default:
			t.Errorf("variable %s is a %s", v.Name, v.Type)
		}
	}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			fill(fmt.Sprintf("panel %q, query %s", p.Title, q.RefID), q.Expr)
		}
	}
	return out
}

// TestDashboardUsesWhatThereIs: metrics and labels, and expressions that
// Prometheus can read.
func TestDashboardUsesWhatThereIs(t *testing.T) {
	t.Parallel()
	known := exposed(t)
	var all []string
	for where, expr := range expressions(t, readDashboard(t)) {
		expect(t, known, where, expr)
		all = append(all, expr)
	}
	promtool(t, "check", "rules", writeRules(t, all))
}

// TestDashboardShowsEveryMetric that rstprobe has of its own, but those of
// single requests, or says so here.
func TestDashboardShowsEveryMetric(t *testing.T) {
	t.Parallel()
	elsewhere := map[string]string{
		"rstprobe_config_last_reload_success_timestamp_seconds": "for alerts of one's own",
		"rstprobe_http_denied_total":                            "of single requests",
		"rstprobe_probes_total":                                 "of single requests",
		"rstprobe_handshake_duration_seconds_sum":               "a part of a histogram",
		"rstprobe_handshake_duration_seconds_count":             "a part of a histogram",
		"rstprobe_run_duration_seconds_sum":                     "a part of a histogram",
		"rstprobe_run_duration_seconds_count":                   "a part of a histogram",
	}
	shown := map[string]bool{}
	for _, expr := range expressions(t, readDashboard(t)) {
		metrics, _ := uses(expr)
		for _, u := range metrics {
			shown[u.metric] = true
		}
	}
	for name := range exposed(t) {
		if strings.HasPrefix(name, "rstprobe_") && !shown[name] && elsewhere[name] == "" {
			t.Errorf("no panel shows %s", name)
		}
	}
}
