package doctor

import (
	"fmt"
	"io"
	"strings"
)

// columns is how wide the text is.
const columns = 80

// signs stand in front of findings, for eyes that skim.
var signs = map[Status]string{OK: "ok", Warning: "WARNING", Problem: "PROBLEM"}

// indent is the room for the longest of them.
const indent = len("WARNING  ")

// Text writes the findings for people: one line each of what is well, and what
// is not with its meaning and what to do. all shows the meaning of every one.
func Text(w io.Writer, findings []Finding, mode Mode, all bool) error {
	var b strings.Builder
	count := map[Status]int{}
	for _, f := range findings {
		count[f.Status]++
		head := strings.ReplaceAll(f.Check, "_", " ")
		if f.Subject != "" {
			head += " " + printable(f.Subject)
		}
		paragraph(&b, signs[f.Status], head+": "+printable(f.Found))
		if f.Status == OK && !all {
			continue
		}
		paragraph(&b, "", "means: "+printable(f.Meaning))
		if f.Mend != "" {
			paragraph(&b, "", "mend: "+printable(f.Mend))
		}
		if f.Command != "" {
			fmt.Fprintf(&b, "%*s%s\n", indent+len("mend: "), "", printable(f.Command)) // never broken, to be copied
		}
	}
	can := map[Mode]string{
		ModeRaw:    "This machine can measure, with every kind of evidence (raw sockets).",
		ModeKernel: "This machine can measure without privilege only (ordinary sockets).",
		ModeNone:   "This machine cannot measure.",
	}[mode]
	fmt.Fprintf(&b, "\n%s\n%d ok, %d to know of, %d to mend.\n", can, count[OK], count[Warning], count[Problem])
	_, err := io.WriteString(w, b.String())
	return err
}

// paragraph writes text in lines of columns, behind a sign.
func paragraph(b *strings.Builder, sign, text string) {
	line := fmt.Sprintf("%-*s", indent, sign)
	empty := true
	for word := range strings.FieldsSeq(text) {
		switch {
		case empty:
			line += word
		case len(line)+1+len(word) <= columns:
			line += " " + word
		default:
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", indent) + word
		}
		empty = false
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// printable replaces what could steer a terminal: names of files and targets
// are not ours.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
