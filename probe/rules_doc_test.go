package probe

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestRulesDocument keeps docs/rules.md what the table of rules says; -update
// writes it.
func TestRulesDocument(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "docs", "rules.md")
	got := rulesDocument()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is stale: run make golden (-want +got):\n%s", file, diff)
	}
}

const rulesHead = `# Rules of evidence

Generated from the table in package probe; ` + "`make golden`" + ` writes it anew. ` + "`rstprobe explain-rule NAME`" + ` prints one entry.

A verdict rests on items of evidence, each found by one rule in the packets that it names.

* **decisive**: excludes the server by itself. Shown in two of three of at least three tests, with healthy controls, it proves a box.
* **strong**: hard to explain without a box. Items of two different families make one likely, unless the resets are like the host's own; one makes it possible if it outweighs what speaks for the server.
* **weak**: shown, and decides nothing.
* **genuine**: speaks for the server, or for an innocent cause.

Items of one family could have one and the same circumstance behind them, and count once. Three exceptions keep innocent servers out:
an odd TTL and a difference by name need a third family as long as no genuine reset of the host is known, since a load balancer that refuses one name shows both;
a difference by name and a block that lasts need one, since a rate limiter may strike at the first test;
a difference by name and an answer that is cut or slow need one, since a page may be broken or throttled by its own server.

What is genuine is measured: resets to ACKs that belong to no connection, and those of controls.
`

// rulesDocument is docs/rules.md.
func rulesDocument() []byte {
	var b bytes.Buffer
	b.WriteString(rulesHead)
	b.WriteString("\n| rule | class | family | weight | what it says |\n|---|---|---|---|---|\n")
	for _, r := range Rules() {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %d | %s |\n", r.ID, r.ID, r.Class, r.Family, r.Weight, strings.ReplaceAll(r.Doc, "|", `\|`))
	}
	for _, r := range Rules() {
		fmt.Fprintf(&b, "\n## %s\n\n%s, family %s, weight %d: %s.\n", r.ID, r.Class, r.Family, r.Weight, r.Doc)
		fmt.Fprintf(&b, "\n* **Looks at**: %s\n* **Why**: %s\n* **Looks alike**: %s\n* **Source**: %s\n", r.Looks, r.Why, r.Trap, r.Source)
		if r.Headers {
			b.WriteString("* **Needs**: packets; it is silent where ordinary sockets were used (`--mode kernel`)\n")
		}
	}
	return b.Bytes()
}
