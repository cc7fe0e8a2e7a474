package report

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/terminal"
	"github.com/rstprobe/rstprobe/probe"
)

func explained(t *testing.T, d Document, style Style) string {
	t.Helper()
	var b strings.Builder
	if err := Explain(&b, d, style); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// asked is every step that a diagnosis may take for the two tests of
// everything.
func asked() []diagnosis.StepTaken {
	out := []diagnosis.StepTaken{
		{Step: diagnosis.StepPath, Trials: 4, Packets: 33, Took: 1020 * time.Millisecond},
		{Step: diagnosis.StepOtherPort, Trials: 3, Packets: 90, Took: time.Second},
	}
	for _, kind := range []probe.Kind{probe.SNI, probe.Host} {
		for i, step := range []diagnosis.Step{
			diagnosis.StepControls, diagnosis.StepTests, diagnosis.StepTransfers, diagnosis.StepLocate,
			diagnosis.StepWays, diagnosis.StepForms, diagnosis.StepHold, diagnosis.StepWait,
		} {
			out = append(out, diagnosis.StepTaken{Step: step, Kind: kind, Name: "blocked.example", Trials: i, Packets: 10 * i, Took: time.Duration(i) * 50 * time.Millisecond})
		}
	}
	return out
}

func TestExplainGolden(t *testing.T) {
	all := everything()
	all.Steps = asked()
	// Rules of the table, whose texts are shown.
	all.Tests[0].Verdict.Evidence[0].Rule, all.Tests[1].Verdict.Evidence[0].Rule = "below-server-ttl", "below-server-ttl"
	all.Tests[0].Verdict.Against[0].Rule = "server-ttl"
	for name, res := range map[string]diagnosis.Result{
		"everything": all, "drop_wide": dropWide(), "clean": nothingInterferes(), "closed_port": closedPort(), "empty": {},
	} {
		golden(t, "why_"+name+".txt", []byte(explained(t, New(res, meta), Style{})))
	}
}

// TestExplainShape: as of the text, whatever the network says.
func TestExplainShape(t *testing.T) {
	docs := map[string]Document{"far away": farAway()}
	for _, ex := range examples() {
		docs[ex.name] = New(ex.res, meta)
	}
	for name, d := range docs {
		for _, style := range []Style{{}, {Verbose: true, Color: true}, {Unicode: true}} {
			for line := range strings.Lines(uncolored(explained(t, d, style))) {
				line = strings.TrimSuffix(line, "\n")
				if n := terminal.Width(line); n > columns && name != "hostile" { // one word of it is longer
					t.Errorf("%s, %+v: %d columns: %q", name, style, n, line)
				}
				if strings.ContainsAny(line, "\x1b\r\x7f") || line != strings.TrimRight(line, " ") {
					t.Errorf("%s, %+v: %q", name, style, line)
				}
			}
		}
	}
}

// TestExplainSaved: a saved result explains itself like the fresh one, also
// one of a version that kept no steps.
func TestExplainSaved(t *testing.T) {
	all := everything()
	all.Steps = asked()
	fresh := New(all, meta)
	line, err := fresh.JSON()
	if err != nil {
		t.Fatal(err)
	}
	saved, err := Read(strings.NewReader(string(line)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := explained(t, saved, Style{}), explained(t, fresh, Style{}); got != want {
		t.Errorf("saved:\n%s\nfresh:\n%s", got, want)
	}
	saved.Steps = nil
	if got := explained(t, saved, Style{}); strings.Contains(got, "What was asked") || !strings.Contains(got, "Speaks for it:") {
		t.Errorf("without steps:\n%s", got)
	}
}

func TestExplainWriteError(t *testing.T) {
	broken := errors.New("broken pipe")
	err := Explain(writerFunc(func([]byte) (int, error) { return 0, broken }), New(inPathReset(), meta), Style{})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v in its chain", err, broken)
	}
}

// TestStepsHaveWords: each step of a diagnosis is explained, and the schema
// knows it.
func TestStepsHaveWords(t *testing.T) {
	for _, s := range asked() {
		if s.Step.How() == "" || s.Step.Question() == string(s.Step) || s.Step.Doing() == string(s.Step) {
			t.Errorf("step %q has no words", s.Step)
		}
		if !strings.Contains(Schema, `"`+string(s.Step)+`"`) {
			t.Errorf("the schema does not know step %q", s.Step)
		}
	}
	if later := diagnosis.Step("later"); later.Question() != "later" || later.How() != "" {
		t.Errorf("a step of a later version: %q, %q", later.Question(), later.How())
	}
}
