package archtest

import (
	"fmt"
	"slices"
	"strings"
)

const module = "github.com/rstprobe/rstprobe"

// Check returns a sentence for every breach of the rules by one file.
func Check(f File) []string {
	index := slices.IndexFunc(Packages, func(p Package) bool { return p.Name == f.Package() })
	if index < 0 {
		return []string{fmt.Sprintf("%s: package %s has no row in archtest.Packages: say what it may import and why", f.Name, f.Package())}
	}
	row := Packages[index]

	var breaches []string
	for _, imported := range f.Imports {
		if reason := forbidden(f, row, imported); reason != "" {
			breaches = append(breaches, fmt.Sprintf("%s: must not import %s: %s", f.Name, imported, reason))
		}
	}
	limit := MaxLines
	if f.Test() {
		limit = MaxTestLines
	}
	if f.Lines > limit {
		breaches = append(breaches, fmt.Sprintf("%s: %d lines, more than %d: split it by concept", f.Name, f.Lines, limit))
	}
	return breaches
}

// forbidden says why a file of a package may not import something; "" when it
// may.
func forbidden(f File, row Package, imported string) string {
	if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
		return forbiddenArrow(f, row, ours)
	}
	if foreign, ok := lookup(imported); ok {
		if slices.Contains(foreign.Users, row.Name) || f.Test() && allows(foreign.Tests, row.Name) {
			return ""
		}
		return "confined (" + foreign.Why + ")"
	}
	if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
		return "it has no row in archtest.Modules: say who may use it and why"
	}
	except, impure := Impure[imported]
	if impure && !f.Test() && slices.Contains(Pure, row.Name) && !slices.Contains(except, row.Name) {
		return row.Name + " is pure (" + row.Why + ")"
	}
	return ""
}

func forbiddenArrow(f File, row Package, ours string) string {
	switch {
	case allows(row.Imports, ours):
	case f.Test() && (ours == row.Name || allows(row.Tests, ours) || allows(TestImports, ours)):
	default:
		return fmt.Sprintf("%s may import %v (%s)", row.Name, row.Imports, row.Why)
	}
	return ""
}

func allows(list []string, name string) bool {
	return slices.Contains(list, Any) || slices.Contains(list, name)
}

// lookup finds the row of the longest path that holds the import.
func lookup(imported string) (Module, bool) {
	var best Module
	for _, m := range Modules {
		if (imported == m.Path || strings.HasPrefix(imported, m.Path+"/")) && len(m.Path) > len(best.Path) {
			best = m
		}
	}
	return best, best.Path != ""
}
