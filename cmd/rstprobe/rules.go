package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
	"github.com/rstprobe/rstprobe/probe"
)

// explainRule is the explain-rule command: it says what a rule of evidence
// looks at and why it convinces, or lists all of them.
func (p *program) explainRule(c *cli.Context) error {
	if err := misplaced(c); err != nil {
		return err
	}
	switch c.NArg() {
	case 0:
		return p.listRules()
	case 1:
		r, err := findRule(c.Args().First())
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(p.stdout, ruleText(r))
		return err
	}
	return usagef("explain-rule explains one rule: write one name of its list")
}

func (p *program) listRules() error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, r := range probe.Rules() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.ID, r.Class, r.Doc)
	}
	return w.Flush()
}

// ruleText is a rule for people.
func ruleText(r probe.Rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s, family %s, weight %d\n", r.ID, r.Class, r.Family, r.Weight)
	parts := []struct{ title, text string }{
		{"", r.Doc + "."}, {"Looks at", r.Looks}, {"Why", r.Why}, {"Looks alike", r.Trap}, {"Source", r.Source},
	}
	if r.Headers {
		parts = append(parts, struct{ title, text string }{"Needs", "packets; it is silent where ordinary sockets were used (--mode kernel)"})
	}
	for _, part := range parts {
		b.WriteString("\n")
		indent := ""
		if part.title != "" {
			fmt.Fprintf(&b, "%s:\n", part.title)
			indent = "  "
		}
		for line := range wrapped(part.text, helpColumns-len(indent)) {
			fmt.Fprintf(&b, "%s%s\n", indent, line)
		}
	}
	return b.String()
}

// findRule finds a rule by its name, however written; the error names the one
// that looks most alike.
func findRule(name string) (probe.Rule, error) {
	all := probe.Rules()
	wanted := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	alike, least := all[0].ID, -1
	for _, r := range all {
		id := string(r.ID)
		if id == wanted {
			return r, nil
		}
		d := argv.Distance(wanted, id)
		if strings.Contains(id, wanted) {
			d = 0 // what is written is right, as far as it goes
		}
		if least < 0 || d < least {
			alike, least = r.ID, d
		}
	}
	return probe.Rule{}, usagef("there is no rule %q: did you mean %s? explain-rule without a name lists all", name, alike)
}
