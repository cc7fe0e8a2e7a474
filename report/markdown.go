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
	fmt.Fprintf(&b, "# rstprobe %s\n\n", escape(d.target()))
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
	fmt.Fprintf(&b, "## Settings\n\n%s\n", escape(d.settings(true)))
	if len(d.Tests) > 0 {
		fmt.Fprintf(&b, "\nAgain: %s\n", escape(d.command()))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("report: write markdown: %w", err)
	}
	return nil
}

func markdownPath(b *strings.Builder, d Document) {
	fmt.Fprintf(b, "## %s\n\n", escape(d.pathTitle()))
	marks := d.marks()
	if len(d.Path.Hops) == 0 {
		for _, x := range marks {
			fmt.Fprintf(b, "**BOX** %s\n\n", escape(x.text))
		}
		return
	}
	b.WriteString("| hop | address | ms | control | test | |\n|--:|---|--:|---|---|---|\n")
	row := func(x mark) { fmt.Fprintf(b, "| | **BOX** %s | | | | |\n", escape(x.text)) }
	all := marks
	for _, h := range d.Path.Hops {
		for ; len(marks) > 0 && marks[0].after < h.TTL; marks = marks[1:] {
			row(marks[0])
		}
		cells := h.cells()
		if inside(h.TTL, all) {
			cells[0] = "? " + cells[0]
		}
		for _, c := range cells {
			b.WriteString("| " + escape(c) + " ")
		}
		b.WriteString("| " + escape(h.note()) + " |\n")
	}
	for _, x := range marks {
		row(x)
	}
	fmt.Fprintf(b, "\n%s\n\n", escape(legend))
	remarks := d.remarks()
	for _, r := range remarks {
		fmt.Fprintf(b, "- %s\n", escape(r))
	}
	if len(remarks) > 0 {
		b.WriteByte('\n')
	}
}

// markdownEscapes take the meaning from every character that has one inside a
// line, from links that would be made of bare addresses, and from table bars.
var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`,
	"|", `\|`, "~", `\~`, "&", `\&`, "#", `\#`, "://", `\://`, "@", `\@`, "www.", `www\.`,
)

func escape(s string) string { return markdownEscapes.Replace(clean(s, true)) }
