package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logged are the lines of the log that the code of the watch can write: the
// keys of each message.
func logged(t *testing.T) map[string][]string {
	t.Helper()
	var files []string
	err := filepath.WalkDir("../../internal/watch", func(path string, _ fs.DirEntry, err error) error {
		files = append(files, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	own, err := filepath.Glob("watch*.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string][]string{}
	for _, path := range append(files, own...) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if msg, keys, ok := logLineOf(call); ok {
					lines[msg] = append(lines[msg], keys...)
				}
			}
			return true
		})
	}
	return lines
}

// logLineOf is the message and the keys of a call that logs; of calls that
// only pass messages on there is none.
func logLineOf(call *ast.CallExpr) (msg string, keys []string, ok bool) {
	method, isMethod := call.Fun.(*ast.SelectorExpr)
	first, known := map[string]int{"Debug": 0, "Info": 0, "Warn": 0, "Error": 0, "Log": 2, "With": -1}[methodName(method)]
	if !isMethod || !known || !strings.HasSuffix(strings.ToLower(lastName(method.X)), "log") || len(call.Args) <= max(first, 0) {
		return "", nil, false
	}
	if first >= 0 {
		if msg, ok = literal(call.Args[first]); !ok {
			return "", nil, false
		}
	}
	for i := first + 1; i < len(call.Args); i += 2 {
		arg := call.Args[i]
		if attr, isCall := arg.(*ast.CallExpr); isCall { // slog.String(key, value) and the like
			arg = attr.Args[0]
			i--
		}
		if key, ok := literal(arg); ok {
			keys = append(keys, key)
		}
	}
	return msg, keys, true
}

func methodName(s *ast.SelectorExpr) string {
	if s == nil {
		return ""
	}
	return s.Sel.Name
}

// lastName is the last identifier of an expression such as a.b.Log.
func lastName(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}

func literal(x ast.Expr) (string, bool) {
	lit, ok := x.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// TestLogIsDocumented: docs/service.md has every message that there is and no
// other, and every key.
func TestLogIsDocumented(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/service.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "\n## The log\n")
	text, _, _ = strings.Cut(text, "\n## ")
	messages, keys, _ := strings.Cut(text, "| key |")
	code := regexp.MustCompile("`([^`]+)`")
	lines := logged(t)
	delete(lines, "") // of With
	if len(lines) < 20 {
		t.Fatalf("only %d messages are found", len(lines))
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(messages, -1) {
		if _, ok := lines[row[1]]; !ok {
			t.Errorf("docs/service.md has %q, which is never logged", row[1])
		}
	}
	var known []string
	for row := range strings.Lines(keys) {
		first, _, _ := strings.Cut(strings.TrimPrefix(row, "|"), "|")
		for _, key := range code.FindAllStringSubmatch(first, -1) {
			known = append(known, key[1])
		}
	}
	for msg, used := range lines {
		i := strings.Index(messages, "| `"+msg+"` |")
		if i < 0 {
			t.Errorf("docs/service.md lacks the message %q", msg)
			continue
		}
		row, _, _ := strings.Cut(messages[i:], "\n")
		for _, key := range used {
			if !slices.Contains(known, key) {
				t.Errorf("docs/service.md lacks the key %s, which %q has", key, msg)
			}
			if !strings.Contains(row, "`"+key+"`") && !strings.Contains(row, "the same") {
				t.Errorf("docs/service.md lacks %s in %q", key, msg)
			}
		}
	}
}
