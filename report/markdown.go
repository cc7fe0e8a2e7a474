package report

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes d as GitHub-flavoured Markdown: the parts of Text, with the
// path as a table.
func Markdown(w io.Writer, d Document) error {
	var b strings.Builder
	input, address := d.target()
	fmt.Fprintf(&b, "# rstprobe %s (%s)\n\n", code(input), escape(address))
	fmt.Fprintf(&b, "**%s:** %s\n\n", escape(strings.ToUpper(string(d.Verdict.Outcome))), escape(d.Verdict.Summary))
	if d.Interrupted {
		b.WriteString("**INTERRUPTED:** the measurement was stopped before its end; this is what it had found.\n\n")
	}
	if warning := d.rerouted(); warning != "" {
		fmt.Fprintf(&b, "**REROUTED:** %s\n\n", escape(warning))
	}
	if known := d.Target.Identity.text(); known != "" {
		fmt.Fprintf(&b, "Server: %s\n\n", escape(known))
	}
	for _, step := range d.next() {
		fmt.Fprintf(&b, "**NEXT:** %s\n\n", escape(step))
	}
	markdownPath(&b, d)
	for i, t := range d.Tests {
		fmt.Fprintf(&b, "## Test %d: %s\n\n", i+1, escape(t.title()))
		for _, f := range t.fields(true) {
			markdownField(&b, f)
		}
		b.WriteByte('\n')
		markdownMatrix(&b, t.Matrix)
		for _, e := range d.exchangesOf(i + 1) {
			if e.Tests[0] == i+1 { // once is enough
				fmt.Fprintf(&b, "**%s:**\n", escape(upperFirst(e.title())))
				l := d.ladder(e, t)
				if markdownLadder(&b, l); len(l.cited) > 0 { // its notes end with no empty line
					b.WriteByte('\n')
				}
			}
		}
	}
	fmt.Fprintf(&b, "## Settings\n\n%s\n", escape(d.origin(true)))
	if len(d.Settings) > 0 {
		b.WriteByte('\n')
		markdownTable(&b, d.settingsTable())
	}
	if len(d.Tests) > 0 {
		fmt.Fprintf(&b, "\nAgain:\n\n%s", fenced(d.command()))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("report: write markdown: %w", err)
	}
	return nil
}

func markdownPath(b *strings.Builder, d Document) {
	fmt.Fprintf(b, "## %s\n\n", escape(d.pathTitle()))
	if len(d.Path.Hops) == 0 {
		for _, x := range d.marks() {
			fmt.Fprintf(b, "**BOX** %s\n\n", escape(x.text))
		}
		return
	}
	b.WriteString("| hop | address | ms | control | test | name | network |\n|--:|---|--:|---|---|---|---|\n")
	d.eachRow(d.pathRows(),
		func(m mark) { fmt.Fprintf(b, "| | **BOX** %s | | | | | |\n", escape(m.text)) },
		func(r pathRow) {
			r.cells[0] = join(" ", r.gutter, r.cells[0])
			for _, c := range append(r.cells, r.name, r.network) {
				b.WriteString("| " + escape(c) + " ")
			}
			b.WriteString("|\n")
		})
	fmt.Fprintf(b, "\n%s\n\n", escape(legend))
	remarks := d.remarks()
	for _, r := range remarks {
		fmt.Fprintf(b, "- %s\n", escape(r))
	}
	if len(remarks) > 0 {
		b.WriteByte('\n')
	}
}

// markdownTable writes the header of a table and its rows.
func markdownTable(b *strings.Builder, rows [][]string) {
	for i, row := range rows {
		for _, c := range row {
			b.WriteString("| " + escape(c) + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
}

// code is s as it is, in a span of code (CommonMark 0.31.2 §6.1).
func code(s string) string {
	s = clean(s, true)
	tick := "`"
	for strings.Contains(s, tick) {
		tick += "`"
	}
	switch {
	case s == "":
		return ""
	case len(tick) > 1:
		return tick + " " + s + " " + tick
	}
	return tick + s + tick
}

// fenced is a line as it is, to be copied: between fences longer than any that
// it holds (CommonMark 0.31.2 §4.5).
func fenced(line string) string {
	line = clean(line, true)
	fence := "```"
	for strings.Contains(line, fence) {
		fence += "`"
	}
	return fence + "sh\n" + line + "\n" + fence + "\n"
}

// markdownEscapes take the meaning from every character that has one inside a
// line, from links that would be made of bare addresses, and from table bars.
var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`,
	"|", `\|`, "~", `\~`, "&", `\&`, "#", `\#`, "://", `\://`, "@", `\@`, "www.", `www\.`,
)

// EscapeMarkdown is text as Markdown that shows it as it is, but for what would
// change how the text around it is shown.
func EscapeMarkdown(s string) string { return escape(s) }

func escape(s string) string { return markdownEscapes.Replace(clean(s, true)) }
