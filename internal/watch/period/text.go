package period

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/report"
)

// columns is the width of a time line in text.
const columns = 72

// Text writes a report for people.
func Text(w io.Writer, r Report, st Style) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n", st.between(Interval{r.From, r.To}), Lasting(r.To.Sub(r.From)))
	if len(r.Checks) == 0 {
		b.WriteString("\nNothing was watched.\n")
	} else {
		fmt.Fprintf(&b, "%s\n", legend())
	}
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "\n%s\n", c.Check)
		for _, q := range c.Questions {
			fmt.Fprintf(&b, "  %s: %s\n  %s\n", q.Question, q.Availability.Text(), q.line(columns))
		}
		fmt.Fprintf(&b, "  %s\n", c.Runs.Text())
		textSections(&b, c.sections(st), "  ")
	}
	return written(w, &b)
}

// Text writes a difference for people.
func (d Diff) Text(w io.Writer, st Style) error {
	var b strings.Builder
	textSections(&b, d.sections(st), "")
	return written(w, &b)
}

func textSections(b *strings.Builder, sections []section, indent string) {
	for _, s := range sections {
		b.WriteByte('\n')
		if s.title != "" {
			fmt.Fprintf(b, "%s%s\n", indent, s.title)
		}
		for _, line := range s.lines {
			fmt.Fprintf(b, "%s  %s\n", indent, line)
		}
		var table strings.Builder
		w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
		for _, row := range s.table {
			fmt.Fprintf(w, "%s  %s\n", indent, strings.Join(row, "\t"))
		}
		_ = w.Flush() // a strings.Builder takes everything
		for line := range strings.Lines(table.String()) {
			b.WriteString(strings.TrimRight(line, " \n") + "\n")
		}
	}
}

// Markdown writes a report as GitHub-flavoured Markdown.
func Markdown(w io.Writer, r Report, st Style) error {
	var b strings.Builder
	esc := report.EscapeMarkdown
	fmt.Fprintf(&b, "# rstprobe watch: %s\n\n", esc(st.between(Interval{r.From, r.To})))
	if len(r.Checks) == 0 {
		b.WriteString("Nothing was watched.\n")
	} else {
		fmt.Fprintf(&b, "Time lines: `%s`\n", legend())
	}
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "\n## %s\n\n", esc(c.Check))
		for _, q := range c.Questions {
			fmt.Fprintf(&b, "**%s:** %s\n\n```\n%s\n```\n\n", esc(q.Question.String()), esc(q.Availability.Text()), q.line(columns))
		}
		fmt.Fprintf(&b, "%s\n", esc(c.Runs.Text()))
		for _, s := range c.sections(st) {
			if s.title != "" {
				fmt.Fprintf(&b, "\n### %s\n", esc(s.title))
			}
			for _, line := range s.lines {
				fmt.Fprintf(&b, "\n%s\n", esc(line))
			}
			markdownTable(&b, s.table)
		}
	}
	return written(w, &b)
}

func markdownTable(b *strings.Builder, table [][]string) {
	for i, row := range table {
		if i == 0 {
			b.WriteByte('\n')
		}
		for _, cell := range row {
			b.WriteString("| " + report.EscapeMarkdown(cell) + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
}

func written(w io.Writer, b *strings.Builder) error {
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("period: write: %w", err)
	}
	return nil
}

// asked is what a run found; nothing where it did not ask.
func asked(a state.Axes) string {
	if !a.Known() {
		return "not asked"
	}
	return a.String()
}

func address(ip netip.Addr) string {
	if !ip.IsValid() {
		return "none"
	}
	return ip.String()
}
