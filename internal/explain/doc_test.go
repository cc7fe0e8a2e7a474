package explain_test

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rstprobe/rstprobe/internal/explain"
)

var update = flag.Bool("update", false, "write docs/causes.md anew")

// TestCausesDocument keeps docs/causes.md in step with the table.
func TestCausesDocument(t *testing.T) {
	const name = "../../docs/causes.md"
	want := explain.Markdown()
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is stale; run go test ./internal/explain -update (-want +got):\n%s", name, diff)
	}
}
