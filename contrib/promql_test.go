package contrib

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// use is a metric in an expression, with the labels that its selector names.
type use struct {
	metric string
	labels []string
}

// token is the lexical grammar of PromQL, as far as it takes to tell metrics and
// labels from the rest. Whether an expression is right is for promtool.
var token = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\$?[a-zA-Z_:][a-zA-Z0-9_:]*|[0-9][0-9a-zA-Z.]*|=~|!~|[<>=!]=|[^\s]`)

// listing are the words that a list of labels follows.
var listing = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}

// operators are the words that are neither metrics nor functions.
var operators = []string{"and", "or", "unless", "bool", "offset", "inf", "nan"}

// isWord reports whether a token is an identifier.
func isWord(s string) bool {
	return regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`).MatchString(s)
}

// uses are the metrics of an expression, and the labels that lists in it name.
func uses(expr string) (metrics []use, listed []string) {
	tokens := append(token.FindAllString(expr, -1), "")
	for i := 0; i < len(tokens)-1; i++ {
		word, next := tokens[i], tokens[i+1]
		switch {
		case slices.Contains(listing, word) && next == "(":
			for i += 2; tokens[i] != ")"; i++ {
				if isWord(tokens[i]) {
					listed = append(listed, tokens[i])
				}
			}
		case !isWord(word) || next == "(" || next == "by" || next == "without" || slices.Contains(operators, word):
		case next == "{":
			u := use{metric: word}
			for i += 2; tokens[i] != "}"; i++ {
				if isWord(tokens[i]) {
					u.labels = append(u.labels, tokens[i])
				}
			}
			metrics = append(metrics, u)
		default:
			metrics = append(metrics, use{metric: word})
		}
	}
	return metrics, listed
}

func TestUses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		expr    string
		metrics []use
		listed  []string
	}{
		{`a == 1`, []use{{metric: "a"}}, nil},
		{`sum by (le, x) (rate(a_bucket{x=~"by (y)", z!="{"}[1h])) > bool 0.5`, []use{{"a_bucket", []string{"x", "z"}}}, []string{"le", "x"}},
		{`a unless on (x) b offset 30m or c{}`, []use{{metric: "a"}, {metric: "b"}, {metric: "c"}}, []string{"x"}},
		{`time() - 3e2 * d[$__rate_interval]`, []use{{metric: "d"}}, nil},
	} {
		metrics, listed := uses(tt.expr)
		if diff := cmp.Diff(tt.metrics, metrics, cmp.AllowUnexported(use{})); diff != "" {
			t.Errorf("%s: metrics (-want +got):\n%s", tt.expr, diff)
		}
		if diff := cmp.Diff(tt.listed, listed); diff != "" {
			t.Errorf("%s: lists (-want +got):\n%s", tt.expr, diff)
		}
	}
}
