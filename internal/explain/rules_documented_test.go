package explain

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/probe"
)

// TestRulesDocumented: every rule that this package and its parts name can be
// looked up. Those that are causes' patterns stand in the table of causes.
func TestRulesDocumented(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.go", "*/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	named := regexp.MustCompile(`(?:Rule:|RuleID =) +"([a-z-]+)"`)
	count := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllSubmatch(source, -1) {
			count++
			if !slices.ContainsFunc(probe.Rules(), func(r probe.Rule) bool { return string(r.ID) == string(m[1]) }) {
				t.Errorf("%s: rule %s is not in the table", file, m[1])
			}
		}
	}
	if count < 10 {
		t.Errorf("%d rules found in the source", count)
	}
}
