package traceroute

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/rstprobe/rstprobe/probe"
)

// TestRulesDocumented: what a location is backed by can be looked up.
func TestRulesDocumented(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := regexp.MustCompile(`Rule: "([a-z-]+)"`)
	found := 0
	for _, file := range files {
		if matched, _ := filepath.Match("*_test.go", file); matched {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range used.FindAllSubmatch(source, -1) {
			found++
			if !slices.ContainsFunc(probe.Rules(), func(r probe.Rule) bool {
				return string(r.ID) == string(m[1]) && r.Class == probe.Placing
			}) {
				t.Errorf("%s: rule %s is not in the table", file, m[1])
			}
		}
	}
	if found == 0 {
		t.Error("no rule found in the source")
	}
}
