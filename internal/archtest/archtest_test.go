package archtest

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func sources(t *testing.T) []File {
	t.Helper()
	files, err := Read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestRepositoryKeepsTheRules(t *testing.T) {
	for _, file := range sources(t) {
		for _, breach := range Check(file) {
			t.Error(breach)
		}
	}
}

// TestEveryRowHasItsPackage keeps the tables from outliving the code.
func TestEveryRowHasItsPackage(t *testing.T) {
	files := sources(t)
	for _, row := range Packages {
		if !slices.ContainsFunc(files, func(f File) bool { return f.Package() == row.Name }) {
			t.Errorf("row %s: there is no such package", row.Name)
		}
		if row.Why == "" {
			t.Errorf("row %s gives no reason", row.Name)
		}
	}
	for _, row := range Modules {
		if !slices.ContainsFunc(files, func(f File) bool {
			return slices.ContainsFunc(f.Imports, func(imported string) bool {
				found, _ := lookup(imported)
				return found.Path == row.Path
			})
		}) {
			t.Errorf("row %s: nobody imports it", row.Path)
		}
		if row.Why == "" {
			t.Errorf("row %s gives no reason", row.Path)
		}
	}
}

// TestEveryNameInTheRulesIsAPackage catches a misspelt name, which would
// otherwise allow or forbid nothing.
func TestEveryNameInTheRulesIsAPackage(t *testing.T) {
	var names []string
	for _, row := range Packages {
		names = append(append(names, row.Imports...), row.Tests...)
	}
	for _, row := range Modules {
		names = append(append(names, row.Users...), row.Tests...)
	}
	names = append(append(names, Pure...), TestImports...)
	for _, except := range Impure {
		names = append(names, except...)
	}
	for _, name := range names {
		if name != Any && !slices.ContainsFunc(Packages, func(p Package) bool { return p.Name == name }) {
			t.Errorf("%s is named in the rules and has no row", name)
		}
	}
}

// TestDependenciesAreExplained holds docs/dependencies.md to go.mod: a line
// for each module that we require directly or as a tool, and for no other.
func TestDependenciesAreExplained(t *testing.T) {
	gomod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	var explained []string
	for _, match := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllSubmatch(document, -1) {
		explained = append(explained, string(match[1]))
	}
	slices.Sort(explained)
	if diff := cmp.Diff(direct(string(gomod)), explained); diff != "" {
		t.Errorf("modules of go.mod and of docs/dependencies.md (-want +got):\n%s", diff)
	}
}

// direct returns, sorted, the modules that a tidy go.mod requires for our own
// code, and those that hold its tools, which it marks as indirect.
func direct(gomod string) []string {
	var required, tools, out []string
	indirect := map[string]bool{}
	for line := range strings.Lines(gomod) {
		line, comment, _ := strings.Cut(line, "//")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 2 && fields[0] == "tool":
			tools = append(tools, fields[1])
		case len(fields) >= 2 && strings.HasPrefix(fields[len(fields)-1], "v"):
			name := fields[len(fields)-2]
			required = append(required, name)
			indirect[name] = strings.TrimSpace(comment) == "indirect"
		}
	}
	for _, name := range required {
		holds := func(tool string) bool { return strings.HasPrefix(tool, name+"/") }
		if !indirect[name] || slices.ContainsFunc(tools, holds) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func TestDirect(t *testing.T) {
	got := direct(`module example.com/m

go 1.26.8

require example.com/single v1.0.0

require (
	example.com/b v1.2.3
	example.com/a v0.0.0-20240521201337-686a1a2994c1
)

require (
	example.com/other v1.0.0 // indirect
	example.com/tools v0.8.2 // indirect
)

tool example.com/tools/cmd/check
`)
	want := []string{"example.com/a", "example.com/b", "example.com/single", "example.com/tools"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("direct (-want +got):\n%s", diff)
	}
}

func TestCheck(t *testing.T) {
	const ours = module + "/"
	tests := []struct {
		name string
		file File
		want []string // the imports, or the measure, that each breach is about
	}{
		{name: "listed arrow", file: File{Name: "probe/decide.go", Imports: []string{"fmt", "net/netip", ours + "internal/flow"}}},
		{name: "unlisted arrow", file: File{Name: "probe/decide.go", Imports: []string{ours + "internal/wire"}}, want: []string{ours + "internal/wire"}},
		{name: "arrow upward", file: File{Name: "probe/decide.go", Imports: []string{ours + "traceroute"}}, want: []string{ours + "traceroute"}},
		{name: "two breaches", file: File{Name: "probe/decide.go", Imports: []string{"os", ours + "report"}}, want: []string{"os", ours + "report"}},
		{name: "command imports all", file: File{Name: "cmd/rstprobe/main.go", Imports: []string{"os", ours + "probe", ours + "internal/wire/rawsock"}}},
		{name: "package without a row", file: File{Name: "internal/util/strings.go"}, want: []string{"internal/util"}},
		{name: "root package", file: File{Name: "main.go"}, want: []string{"package ."}},
		{name: "test of the package itself", file: File{Name: "probe/decide_test.go", Imports: []string{ours + "probe", ours + "internal/testenv"}}},
		{name: "code may not use test helpers", file: File{Name: "probe/decide.go", Imports: []string{ours + "internal/testenv"}}, want: []string{ours + "internal/testenv"}},
		{name: "arrow for tests only, in a test", file: File{Name: "internal/lab/cases/run_test.go", Imports: []string{ours + "internal/lab/simnet"}}},
		{name: "arrow for tests only, in code", file: File{Name: "internal/lab/cases/run.go", Imports: []string{ours + "internal/lab/simnet"}}, want: []string{ours + "internal/lab/simnet"}},
		{name: "socket in a pure package", file: File{Name: "traceroute/sweep.go", Imports: []string{"net"}}, want: []string{"net"}},
		{name: "files in a pure package", file: File{Name: "internal/flow/load.go", Imports: []string{"os"}}, want: []string{"os"}},
		{name: "golden files in its tests", file: File{Name: "internal/flow/load_test.go", Imports: []string{"os"}}},
		{name: "report writes files", file: File{Name: "report/write.go", Imports: []string{"os"}}},
		{name: "system call outside its packages", file: File{Name: "internal/wire/engine/loop.go", Imports: []string{"syscall"}}, want: []string{"syscall"}},
		{name: "unix outside its packages", file: File{Name: "internal/wire/pcapio/read.go", Imports: []string{"golang.org/x/sys/unix"}}, want: []string{"x/sys/unix"}},
		{name: "layers in packet", file: File{Name: "internal/packet/build.go", Imports: []string{"github.com/google/gopacket/layers"}}},
		{name: "layers where only gopacket is allowed", file: File{Name: "internal/wire/pcapio/read.go", Imports: []string{"github.com/google/gopacket", "github.com/google/gopacket/layers"}}, want: []string{"layers"}},
		{name: "foreign package without a row", file: File{Name: "report/yaml.go", Imports: []string{"example.com/yaml"}}, want: []string{"example.com/yaml"}},
		{name: "test library in a test", file: File{Name: "report/html_test.go", Imports: []string{"github.com/google/go-cmp/cmp"}}},
		{name: "test library in code", file: File{Name: "report/html.go", Imports: []string{"github.com/google/go-cmp/cmp"}}, want: []string{"go-cmp"}},
		{name: "longest file", file: File{Name: "report/html.go", Lines: MaxLines}},
		{name: "too long a file", file: File{Name: "report/html.go", Lines: MaxLines + 1}, want: []string{"501 lines"}},
		{name: "longest test", file: File{Name: "report/html_test.go", Lines: MaxTestLines}},
		{name: "too long a test", file: File{Name: "report/html_test.go", Lines: MaxTestLines + 1}, want: []string{"801 lines"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Check(tt.file)
			if !slices.EqualFunc(got, tt.want, strings.Contains) {
				t.Errorf("Check(%+v) = %q, want breaches about %q", tt.file, got, tt.want)
			}
		})
	}
}

func TestRead(t *testing.T) {
	module := fstest.MapFS{
		"go.mod":             {Data: []byte("module m\n")},
		"a/a.go":             {Data: []byte("package a\n\nimport (\n\t\"fmt\"\n\tx \"m/b\"\n)\n\nvar _ = fmt.Sprint(x.X)\n")},
		"a/a_windows.go":     {Data: []byte("package a\n\nimport \"syscall\"\n")},
		"a/testdata/bad.go":  {Data: []byte("not Go\n")},
		".hidden/bad.go":     {Data: []byte("not Go\n")},
		"b/b_test.go":        {Data: []byte("package b\n")},
		"b/deeper/deeper.go": {Data: []byte("package deeper\n")},
	}
	got, err := Read(module)
	if err != nil {
		t.Fatal(err)
	}
	want := []File{
		{Name: "a/a.go", Imports: []string{"fmt", "m/b"}, Lines: 8},
		{Name: "a/a_windows.go", Imports: []string{"syscall"}, Lines: 3},
		{Name: "b/b_test.go", Lines: 1},
		{Name: "b/deeper/deeper.go", Lines: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}

	module["b/bad.go"] = &fstest.MapFile{Data: []byte("not Go\n")}
	if _, err := Read(module); err == nil {
		t.Error("Read of a file that is not Go succeeded")
	}
}
