package report

import (
	"fmt"
	"io"
	"strings"
)

// CaptureMarkdown writes c as GitHub-flavoured Markdown: the parts of
// CaptureText.
func CaptureMarkdown(w io.Writer, c Capture, style CaptureStyle) error {
	return drawnMarkdown(w, c, style, nil)
}

// drawnMarkdown is CaptureMarkdown with the conversations drawn in letters, as
// far as reread shows their packets.
func drawnMarkdown(w io.Writer, c Capture, style CaptureStyle, reread Reread) error {
	told, quiet := c.told(style.All)
	ladders, err := c.ladders(told, reread)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# rstprobe explain %s\n\n", escape(c.File))
	fmt.Fprintf(&b, "**%s:** %s\n\n", escape(strings.ToUpper(string(c.Verdict.Outcome))), escape(c.Verdict.in(style.Chinese)))
	for _, n := range c.notes() {
		fmt.Fprintf(&b, "- **%s:** %s\n", n.label, escape(n.items[0]))
	}
	if c.Sweep != nil {
		b.WriteByte('\n')
		markdownSweep(&b, c.Sweep)
	}
	if c.BothEnds != nil {
		b.WriteByte('\n')
		markdownEnds(&b, &c, style.Chinese)
	}
	for i, f := range told {
		fmt.Fprintf(&b, "\n## %d. %s\n\n%s\n\n", i+1, escape(f.title()), escape(f.sentence(style.Chinese)))
		for _, one := range f.fields() {
			markdownField(&b, one)
		}
		if l := ladders[f.flow]; l != nil {
			markdownLadder(&b, l)
			delete(ladders, f.flow) // once is enough
		}
	}
	if quiet != "" {
		fmt.Fprintf(&b, "\n## Harmless\n\n%s\n", escape(quiet))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("report: write markdown: %w", err)
	}
	return nil
}

// markdownField writes one labelled part as an item of a list.
func markdownField(b *strings.Builder, f field) {
	if len(f.items) == 1 {
		fmt.Fprintf(b, "- **%s:** %s\n", f.label, escape(f.items[0]))
		return
	}
	fmt.Fprintf(b, "- **%s:**\n", f.label)
	for _, item := range f.items {
		fmt.Fprintf(b, "  - %s\n", escape(item))
	}
}

// markdownLadder writes a drawing; only its notes have words of the network.
func markdownLadder(b *strings.Builder, l *ladder) {
	fmt.Fprintf(b, "\n```text\n%s```\n\n", l.text())
	for i, note := range l.notes() {
		fmt.Fprintf(b, "- \\[%d\\] %s\n", i+1, escape(note))
	}
	if more := l.omitted(); more != "" {
		fmt.Fprintf(b, "- %s\n", more)
	}
}
