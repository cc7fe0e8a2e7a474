package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// localAnswer is the longest round trip that is taken for one without a
// network in between.
const localAnswer = 2 * time.Millisecond

// offloads is about devices that change what is captured: one finding for
// each interface.
func (f Facts) offloads() []Finding {
	var out []Finding
	for _, i := range f.Interfaces {
		r := Finding{
			Check: "offloads", Subject: i.Name, Status: OK, Found: "no offload changes packets",
			Meaning: "packets are seen as they are on the wire",
		}
		if len(i.Offloads) > 0 {
			var means, off []string
			merges := slices.Contains(i.Offloads, "gro") || slices.Contains(i.Offloads, "lro")
			if merges {
				means = append(means, "segments that arrive close together are merged to one, so answers may be seen as fewer and longer packets; resets never are")
			}
			if slices.Contains(i.Offloads, "lro") {
				means = append(means, "lro also loses header fields, TTL and IP ID among them")
			}
			if slices.Contains(i.Offloads, "tso") || slices.Contains(i.Offloads, "gso") {
				means = append(means, "captures taken here show segments of ordinary programs longer than any on the wire; what rstprobe sends is not touched")
			}
			for _, o := range i.Offloads {
				off = append(off, o+" off")
			}
			r.Status = Warning
			r.Found = strings.Join(i.Offloads, ", ") + yes(len(i.Offloads) == 1, " is on", " are on")
			r.Meaning = strings.Join(means, "; ")
			r.Mend = "switch off while measuring or capturing, if single packets matter"
			r.Command = "sudo ethtool -K " + i.Name + " " + strings.Join(off, " ")
		}
		out = append(out, r)
	}
	return out
}

// The values of rp_filter (RFC 3704 section 2).
const strict = 1

// pathFilters is about rp_filter, where answers could come by another
// interface than the one that questions leave by.
func (f Facts) pathFilters() []Finding {
	routed := 0
	for _, i := range f.Interfaces {
		if i.Routed {
			routed++
		}
	}
	var out []Finding
	for _, i := range f.Interfaces {
		if !i.Routed {
			continue
		}
		r := Finding{
			Check: "rp_filter", Subject: i.Name, Status: OK, Found: "answers may come in by any interface",
			Meaning: "the kernel drops none of them for the way it took",
		}
		switch {
		case i.PathFilter == strict && routed > 1:
			r.Status, r.Found = Warning, fmt.Sprintf("strict reverse path filter, and %d interfaces that packets may leave by", routed)
			r.Meaning = "IPv4 answers that come in by another interface than the route goes out by are dropped here, and look like silence of the network"
			r.Mend, r.Command = "make it loose", "sudo sysctl -w net.ipv4.conf."+strings.ReplaceAll(i.Name, ".", "/")+".rp_filter=2"
		case i.PathFilter == strict:
			r.Found, r.Meaning = "strict reverse path filter, on the only interface", "nothing is lost by it"
		}
		out = append(out, r)
	}
	return out
}

// firewall is about rules of this machine.
func (f Facts) firewall() Finding {
	w := f.Firewall
	r := Finding{
		Check: "firewall", Status: OK, Found: "no packet filter rule sees our packets",
		Meaning: "what is dropped or refused was so elsewhere",
	}
	const meaning = "a rule of this machine may drop what rstprobe sends or hears, or answer in the network's place; what it will not let out makes a target unreachable, and the result says so; what it drops of the answers is measured as silence"
	switch {
	case f.System != "linux":
		return Finding{}
	case len(w.Chains)+len(w.Legacy) > 0:
		var what []string
		if len(w.Chains) > 0 {
			what = append(what, "nftables: "+strings.Join(w.Chains, ", "))
		}
		if len(w.Legacy) > 0 {
			what = append(what, "iptables tables: "+strings.Join(w.Legacy, ", "))
		}
		r.Status, r.Found, r.Meaning = Warning, "packet filters see our packets ("+strings.Join(what, "; ")+")", meaning
		r.Mend, r.Command = "read the rules; give a target to test whether one answers", yes(len(w.Chains) > 0, "sudo nft list ruleset", "sudo iptables-save")
	case !w.Readable && w.Modules:
		r.Status, r.Found, r.Meaning = Warning, "a packet filter is loaded, and its rules are for root to read", meaning
		r.Mend, r.Command = "look at the rules as root", "sudo nft list ruleset"
	case !w.Readable:
		r.Found, r.Meaning = "no packet filter is loaded, as far as can be seen without privilege", "rules of this machine are unlikely to interfere"
	}
	return r
}

// answers is about who answers SYNs that cannot get beyond the first router.
func (f Facts) answers() []Finding {
	var out []Finding
	for _, t := range f.Targets {
		r := Finding{Check: "local_answers", Subject: t.Name, Status: OK}
		at := ""
		if t.MinTTL > 0 && t.After < localAnswer {
			at = fmt.Sprintf(" with a TTL of at least %d", t.MinTTL)
		}
		switch {
		case t.Err != nil:
			r.Status, r.Found = Problem, "it cannot be tested: "+oneLine(t.Err)
			r.Meaning = "a measurement of it would fail for the same reason"
			r.Mend = "check the name, and the routes of this machine"
		case t.Local:
			r.Status, r.Found = Warning, fmt.Sprintf("%s is an address of this machine", t.Addr.Addr())
			r.Meaning = "there is no path to measure, only this machine itself"
			r.Mend = "name a target elsewhere"
		case !t.Answered:
			r.Found = "nobody answered a SYN that only the first router gets to see"
			r.Meaning = "no firewall or proxy of this machine or of the first router answers for it"
		case t.Neighbor:
			r.Found = fmt.Sprintf("it answered a SYN with TTL 1 after %v%s; it is on a link of this machine", t.After.Round(time.Microsecond), at)
			r.Meaning = "that is as it should be; there is no router in between to locate anything at"
		default:
			r.Status = Warning
			r.Found = fmt.Sprintf("a SYN with TTL 1 was %s after %v%s, although %s is beyond the first router",
				yes(t.Refused, "refused", "answered"), t.After.Round(time.Microsecond), at, t.Addr.Addr())
			r.Meaning = "a firewall or proxy of this machine, or the first router, answers in its place: whatever is measured toward this port is measured on that"
			r.Mend = "look for redirects (nft list ruleset, tproxy, VPN or antivirus software), or measure from elsewhere"
			r.Command = "sudo nft list ruleset"
		}
		out = append(out, r)
	}
	return out
}
