package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// segmentLabel tells a segment as tcpdump does. TTL 0 is not known.
func segmentLabel(flags string, seq, ack, size int, ttl uint8) string {
	out := fmt.Sprintf("[%s] seq %d", flags, seq)
	if strings.Contains(flags, ".") {
		out += fmt.Sprintf(" ack %d", ack)
	}
	out += fmt.Sprintf(" len %d", size)
	if ttl > 0 {
		out += fmt.Sprintf(" TTL %d", ttl)
	}
	return out
}

// icmpLabel tells an ICMP or ICMPv6 error (RFC 792, RFC 4443 §3).
func icmpLabel(kind, code uint8, from netip.Addr) string {
	what := fmt.Sprintf("type %d code %d", kind, code)
	switch v6 := from.Is6(); {
	case !v6 && kind == 11, v6 && kind == 3:
		what = "time exceeded"
	case !v6 && kind == 3 && code == 4, v6 && kind == 2:
		what = "packet too big"
	case !v6 && kind == 3, v6 && kind == 1:
		what = fmt.Sprintf("unreachable (code %d)", code)
	}
	return fmt.Sprintf("%s from %s", what, from)
}

// note is what packets are evidence for.
type note struct {
	packets []string
	why     string
}

// notes are what the cited packets of a ladder are evidence for, by number;
// the text beside it has the details.
func (l *ladder) notes() []string {
	var out []string
	for _, n := range l.cited {
		out = append(out, fmt.Sprintf("%s %s: %s", plural(len(n.packets), "packet", "packets"), strings.Join(n.packets, ", "), n.why))
	}
	return out
}

// why is what a packet is evidence for, in words.
func (r *rung) why() string {
	var roles []string
	rules := map[string][]string{}
	for _, why := range r.reasons {
		if !slices.Contains(roles, why.role) {
			roles = append(roles, why.role)
		}
		if rule := string(why.rule); rule != "" && !slices.Contains(rules[why.role], rule) {
			rules[why.role] = append(rules[why.role], rule)
		}
	}
	more := len(roles) - mostReasons
	roles = roles[:min(len(roles), mostReasons)]
	for i, role := range roles {
		roles[i] = join(": ", role, strings.Join(rules[role], ", "))
	}
	if more > 0 {
		roles = append(roles, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(roles, "; ")
}

// omitted says what is cited and not drawn; "": nothing.
func (l *ladder) omitted() string {
	if l.more == 0 {
		return ""
	}
	return count(l.more, "more packet that is cited is", "more packets that are cited are") + " not drawn."
}
