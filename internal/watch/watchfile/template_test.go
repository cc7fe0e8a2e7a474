package watchfile

import (
	"flag"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/config"
)

var update = flag.Bool("update", false, "write docs/watch.yaml")

// shape is which keys a mapping has, and which those below them.
type shape map[string]shape // nil: no mapping

// hasNo is the error for a key that is none.
var hasNo = regexp.MustCompile(`has no key "x": write one of (.*)`)

// shapeOf finds out from the errors of Read which keys a mapping may have. In
// place is a file with %s where the mapping stands.
func shapeOf(t *testing.T, place string) shape {
	t.Helper()
	for _, form := range []string{"{x: 1}", "[{x: 1}]", "{any: {x: 1}}"} {
		_, err := Read("w", strings.NewReader(strings.Replace(place, "%s", form, 1)), asked)
		if err == nil {
			continue
		}
		list := hasNo.FindStringSubmatch(err.Error())
		if list == nil {
			continue
		}
		out := shape{}
		for k := range strings.SplitSeq(list[1], ", ") {
			below := strings.Replace(form, "x: 1", k+": %s", 1)
			out[k] = shapeOf(t, strings.Replace(place, "%s", below, 1))
		}
		if strings.Contains(form, "any") {
			return shape{"any": out}
		}
		return out
	}
	return nil
}

// fileShape is that of a whole file.
func fileShape(t *testing.T) shape {
	t.Helper()
	_, err := Read("w", strings.NewReader("x: 1"), asked)
	out := shape{}
	for k := range strings.SplitSeq(hasNo.FindStringSubmatch(err.Error())[1], ", ") {
		place := k + ": %s\n"
		if k != "checks" {
			place += "checks: [shop.example]\n"
		}
		out[k] = shapeOf(t, place)
	}
	return out
}

// compare tells of keys of a shape that nodes lack, and of others that they
// have.
func (s shape) compare(t *testing.T, path string, nodes ...config.Node) {
	t.Helper()
	below := map[string][]config.Node{}
	for _, n := range nodes {
		for _, item := range append(n.Items(), n) {
			for _, f := range item.Fields() {
				below[f.Key.Text()] = append(below[f.Key.Text()], f.Value)
			}
		}
	}
	if names, free := s["any"]; free {
		names.compare(t, path+"NAME.", slices.Concat(slices.Collect(maps.Values(below))...)...)
		return
	}
	for k := range below {
		if _, ok := s[k]; !ok && s != nil {
			t.Errorf("template.yaml has %s%s, which is no key", path, k)
		}
	}
	for k, more := range s {
		values, ok := below[k]
		if !ok {
			t.Errorf("template.yaml lacks %s%s: add it, with its default and what it means", path, k)
			continue
		}
		more.compare(t, path+k+".", values...)
	}
}

// commented is a key that has its # in front of it, and nothing in between.
var commented = regexp.MustCompile(`(?m)^( *)#(- )?([a-z_]+:)`)

// TestTemplate has every key, with its default; it works as it is, and with
// all of its keys.
func TestTemplate(t *testing.T) {
	t.Parallel()
	all := commented.ReplaceAllString(Template, "$1$2$3")
	root, err := config.Parse("template.yaml", []byte(all))
	if err != nil {
		t.Fatal(err)
	}
	fileShape(t).compare(t, "", root)

	plain, err := Read("template.yaml", strings.NewReader(Template), asked)
	if err != nil {
		t.Fatal(err)
	}
	full, err := Read("template.yaml", strings.NewReader(all), asked)
	if err != nil {
		t.Fatal(err)
	}
	if len(plain.Alerts) > 0 || len(full.Alerts) != 3 {
		t.Errorf("%d receivers, with all keys %d: one of each kind is shown, and by default there is none", len(plain.Alerts), len(full.Alerts))
	}
	full.Alerts = nil
	if diff := cmp.Diff(plain, full, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})); diff != "" {
		t.Errorf("a key does not stand with its default (-default +template):\n%s", diff)
	}
	three, err := Read("template.yaml", strings.NewReader("checks:\n  - name: example\n    target: www.example.com:443\n"), asked)
	if diff := cmp.Diff(three, plain, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})); diff != "" || err != nil {
		t.Errorf("%v: it says more than its one check (-want +got):\n%s", err, diff)
	}
	for i, line := range strings.Split(Template, "\n") {
		if len(line) > 120 || strings.ContainsRune(line, '\t') {
			t.Errorf("line %d is too long, or has a tab", i+1)
		}
	}
}

// TestTemplateIsDocumented: docs/watch.yaml is the template.
func TestTemplateIsDocumented(t *testing.T) {
	t.Parallel()
	const path = "../../../docs/watch.yaml"
	if *update {
		if err := os.WriteFile(path, []byte(Template), 0o644); err != nil { //nolint:gosec // everybody may read the documentation
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if diff := cmp.Diff(Template, string(got)); err != nil || diff != "" {
		t.Errorf("%v: go test ./internal/watch/watchfile -run TestTemplateIsDocumented -update writes it anew (-want +got):\n%s", err, diff)
	}
}
