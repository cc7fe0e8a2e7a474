package report

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/probe"
)

// sources calls visit for every source file of the package in dir.
func sources(t *testing.T, dir string, visit func(*ast.File)) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		visit(f)
	}
}

// constants are the values of the constants of a string type, as the source
// of its package declares them: a new one cannot be forgotten here.
func constants(t *testing.T, dir, typ string) []string {
	t.Helper()
	var out []string
	sources(t, dir, func(f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != typ {
				return true
			}
			for _, v := range spec.Values {
				if s, ok := literal(v); ok {
					out = append(out, s)
				}
			}
			return true
		})
	})
	if len(out) == 0 {
		t.Fatalf("%s declares no constants of type %s", dir, typ)
	}
	slices.Sort(out)
	return out
}

func literal(n ast.Node) (string, bool) {
	lit, ok := n.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// texts are the words that a table explains.
func texts[K ~string](t *testing.T, table map[K]string, mute ...K) []string {
	t.Helper()
	var out []string
	for k, text := range table {
		out = append(out, string(k))
		if (text == "") != slices.Contains(mute, k) {
			t.Errorf("the text of %q is %q", k, text)
		}
	}
	slices.Sort(out)
	return out
}

// TestEveryConstantHasText: whatever a diagnosis can say, people can read.
func TestEveryConstantHasText(t *testing.T) {
	const (
		probeDir = "../probe"
		traceDir = "../traceroute"
		blockDir = "../internal/residual"
	)
	scopes := slices.DeleteFunc(constants(t, blockDir, "Scope"), func(s string) bool { return s == "" }) // not measured: nothing is said
	for _, e := range []struct {
		name      string
		want, got []string
	}{
		{"overall", constants(t, probeDir, "Overall"), texts(t, overallText)},
		{"outcome", constants(t, probeDir, "Outcome"), texts(t, outcomeText)},
		{"author", constants(t, probeDir, "Author"), texts(t, authorText)},
		{"ip_id", constants(t, probeDir, "IDKind"), texts(t, idText, probe.IDUnknown, probe.IDZero)},
		{"answer", constants(t, traceDir, "Answer"), texts(t, answerText)},
		{"method", constants(t, traceDir, "Method"), texts(t, methodText)},
		{"change", constants(t, traceDir, "Change"), texts(t, changeText)},
		{"scope", scopes, texts(t, scopeText)},
		{"timer", constants(t, blockDir, "Timer"), texts(t, timerText)},
	} {
		if diff := cmp.Diff(e.want, e.got); diff != "" {
			t.Errorf("%s (-declared +explained):\n%s", e.name, diff)
		}
	}
}

// TestEveryCauseHasText: every code that a verdict can name is explained, and
// so is the whole of the published table.
func TestEveryCauseHasText(t *testing.T) {
	code := regexp.MustCompile(`^[MSCN]\d+$`)
	named := map[string]bool{}
	for _, dir := range []string{"../probe", "../internal/diagnosis", "../internal/explain"} {
		sources(t, dir, func(f *ast.File) {
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := literal(n); ok && code.MatchString(s) {
					named[s] = true
				}
				return true
			})
		})
	}
	if !named["M3"] || !named["S1"] {
		t.Fatalf("the sources name %v, and neither M3 nor S1 among them", slices.Sorted(maps.Keys(named)))
	}
	for group, last := range map[string]int{"M": 20, "S": 21, "C": 7, "N": 5} {
		for i := range last {
			named[group+strconv.Itoa(i+1)] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(named)), texts(t, causes)); diff != "" {
		t.Errorf("-named +explained:\n%s", diff)
	}
	for _, c := range []probe.Cause{"", "M21", "X1"} {
		if got := CauseText(c); got != "" {
			t.Errorf("CauseText(%q) = %q, want nothing", c, got)
		}
	}
}
