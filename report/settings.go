package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/rstprobe/rstprobe/probe"
)

// Setting is a flag that the measurement depends on, with its value of this
// run.
type Setting struct {
	Name  string `json:"name"`  // of the flag, without dashes
	Value string `json:"value"` // as it is written behind the flag; "": none, as by default
	Given bool   `json:"given"` // it is other than without the flag
}

// setting is the value of one; "": none.
func (d Document) setting(name string) string {
	for _, s := range d.Settings {
		if s.Name == name {
			return s.Value
		}
	}
	return ""
}

// settingsTable is the header of the settings and a row for each.
func (d Document) settingsTable() [][]string {
	out := [][]string{{"setting", "value", ""}}
	for _, s := range d.Settings {
		how := "default"
		if s.Given {
			how = "given"
		}
		out = append(out, []string{s.Name, cmp.Or(s.Value, "-"), how})
	}
	return out
}

// took is how long the measurement took, for a person.
func (d Document) took() string {
	s := seconds(d.DurationMS) + " s"
	if d.WaitedMS > 0 {
		s += fmt.Sprintf(" (%s s or %.0f %% of it waiting for blocks to end)", seconds(d.WaitedMS), 100*d.WaitShare)
	}
	return s
}

// origin says how the result came about.
func (d Document) origin(verbose bool) string {
	s := fmt.Sprintf("rstprobe %s, mode %s, started %s, took %s", d.Version, d.Mode,
		d.StartedAt.Format("2006-01-02T15:04:05.000Z07:00"), d.took())
	s += fmt.Sprintf(", %s sent", count(d.PacketsSent, "packet", "packets"))
	if d.PacketsDropped > 0 {
		s += fmt.Sprintf(", %s DROPPED by our own kernel (confidence is lower)", count(d.PacketsDropped, "answer", "answers"))
	}
	if d.SourceIP.IsValid() {
		s += ", from " + d.SourceIP.String()
	}
	if seed := d.setting("seed"); seed != "" {
		s += ", seed " + seed
	}
	if d.Redacted != nil {
		s += ", REDACTED: stand-ins of 192.0.2.0/24 or 2001:db8::/32 for our address"
		if n := *d.Redacted; n > 0 {
			s += fmt.Sprintf(" and the first %s", count(n, "hop", "hops"))
		}
	}
	if verbose {
		s += ", run " + d.RunID
	}
	return s
}

// command asks the same questions in the same way again.
func (d Document) command() string {
	words := []string{"rstprobe", d.Target.Input}
	names := map[probe.Kind][]string{}
	for _, t := range d.Tests {
		names[t.Kind] = append(names[t.Kind], t.Name)
	}
	if _, ok := names[probe.SYN]; ok {
		words = append(words, "--syn")
	}
	for _, k := range []probe.Kind{probe.SNI, probe.Host} {
		if n := names[k]; len(n) > 0 {
			words = append(words, "--"+string(k)+"="+strings.Join(n, ","))
		}
	}
	for _, s := range d.Settings {
		switch {
		case !s.Given:
		case s.Value == "true":
			words = append(words, "--"+s.Name)
		default:
			words = append(words, "--"+s.Name+"="+s.Value)
		}
	}
	for i, w := range words {
		words[i] = quote(w)
	}
	return strings.Join(words, " ")
}

// quote quotes a word for a POSIX shell where it has to be.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.,:/@%+=", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
