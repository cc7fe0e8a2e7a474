package hopinfo

import (
	"strings"

	"github.com/rstprobe/rstprobe/internal/terminal"
)

const (
	maxName  = 253 // characters of a name in DNS (RFC 1035 §2.3.4, without the final dot)
	maxOwner = 120 // columns of an owner; the longest in use are shorter
)

// cleanName makes a name of a DNS answer safe to print. Names of hosts are
// ASCII (RFC 1123 §2.1); another letter is there to look like one.
func cleanName(s string) string {
	return terminal.Fit(terminal.Clean(strings.TrimSuffix(s, "."), false), maxName)
}

// cleanOwner makes a word of a database safe to print.
func cleanOwner(s string) string {
	return terminal.Fit(terminal.Clean(strings.TrimSpace(s), true), maxOwner)
}
