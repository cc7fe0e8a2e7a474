package explain

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/rstprobe/rstprobe/probe"
)

// chapters are the kinds of cause, by the letter of their codes.
var chapters = []struct {
	letter byte
	title  string
	text   string
}{
	{'S', "The server, or its own gear", "The connection was ended where it belongs. Nothing on the path interferes."},
	{'C', "The client's side, or the capture", "The reset comes from where the connection was opened, or only seems to be there."},
	{'M', "Somebody in the middle", "A box between the ends did it. Each of these needs evidence of one: a pattern that a host could leave as well is not enough."},
	{'N', "No reset: it broke off", "Nobody said that it was over."},
}

// unseen are the codes of the table of causes that a capture alone never
// shows, and what would.
var unseen = []struct{ code, why string }{
	{"M5", "a rewritten answer looks like the server's own in every header: rstprobe compares with a control address and with a split request"},
	{"M16", "a man in the middle of TLS shows in the certificate: compare it by name and from elsewhere"},
	{"M18", "a filter between two networks: several sources and destinations are needed"},
	{"M19", "a forged DNS answer comes before the connection: capture port 53 as well"},
	{"M20", "an allow-list of protocols: send another protocol to the same port"},
	{"S15", "a server that refuses a name: compare names (rstprobe does)"},
	{"S16", "a rate limit or a ban: change the order and the source"},
	{"S17", "the owner's own security appliance: locate it (rstprobe does), ask the owner"},
	{"N4", "needs a control"},
	{"N5", "needs more trials"},
}

// Markdown is the table of causes for people, docs/causes.md. What shows each
// row is its documented case: a conversation, and what is said of it.
func Markdown(shows func(pattern string) string) []byte {
	var b bytes.Buffer
	b.WriteString(`<!-- Written by go test ./internal/explain -update; do not edit. -->

# Why was this connection reset?

` + "`rstprobe explain FILE`" + ` names one of these causes for every reset and every broken-off conversation in a capture. A reset is no fault by
itself: it is how TCP says that there is no such connection, or not any more. What matters is who sent it, and which packet drew it.

What holds throughout:

* Headers alone prove nothing. "RST+ACK is real, a bare RST is forged" is wrong: a host answers a segment that has ACK with a bare reset, and one that
  has not with RST+ACK (RFC 9293 §3.10.7.1). An unusual TTL counts only against the spread of the same host's other packets.
* The *packet that drew the reset* is found by the numbers: ACK = its end, or SEQ = its ACK number, or SEQ = 0 and ACK = the SYN's number + 1.
* The *case* of each row is a conversation that a test holds it to; an asterisk marks the packets that the finding cites.
* The *most it can show* is what one capture, taken at one place, allows. A second capture at the other end, or an active test, may prove what here is only possible.
`)
	for _, ch := range chapters {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", ch.title, ch.text)
		for _, c := range inChapter(ch.letter) {
			fmt.Fprintf(&b, "\n### %s %s\n\n", c.Code, c.Title)
			fmt.Fprintf(&b, "%s\n\n", c.Story)
			fmt.Fprintf(&b, "* **Packets to look at**: %s\n", c.Look)
			fmt.Fprintf(&b, "* **Looks alike**: %s\n", c.Twin)
			fmt.Fprintf(&b, "* **Next**: %s\n", c.Next)
			fmt.Fprintf(&b, "* Row `%s`; author `%s`; the most that one capture shows: %s\n", c.Pattern, c.Author, c.Ceiling)
			fmt.Fprintf(&b, "* **Case** %s", shows(c.Pattern))
		}
	}
	b.WriteString("\n## What a capture alone does not show\n\n| code | what would show it |\n|---|---|\n")
	for _, u := range unseen {
		fmt.Fprintf(&b, "| %s | %s |\n", u.code, u.why)
	}
	return b.Bytes()
}

// inChapter are the rows of one letter, by code.
func inChapter(letter byte) []Cause {
	rows := slices.DeleteFunc(Causes(), func(c Cause) bool { return c.Code[0] != letter })
	slices.SortStableFunc(rows, func(a, b Cause) int { return cmp.Compare(number(a.Code), number(b.Code)) })
	return rows
}

// number is the number in a code.
func number(c probe.Cause) int {
	n, err := strconv.Atoi(string(c[1:]))
	if err != nil {
		return 0 // an entry of the table that TestCodes refuses
	}
	return n
}
