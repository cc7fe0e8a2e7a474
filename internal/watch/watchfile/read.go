package watchfile

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rstprobe/rstprobe/internal/config"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/probe"
)

// Read reads a file that errors call name. It refuses what it does not know
// and what cannot work.
func Read(name string, r io.Reader, ask Ask) (File, error) {
	root, err := config.Read(name, r)
	if err != nil {
		return File{}, err
	}
	f := defaults()
	template := Check{Interval: DefaultInterval, Jitter: DefaultJitter, Confirm: DefaultConfirm, Of: -1, Retest: defaultRetest}
	checks, alerts := root, config.Node{}
	for _, field := range root.Fields() {
		if field.Key.Text() != "checks" { // whatever else is wrong, the name of alerts itself included
			conceal(field.Value, false)
		}
	}
	err = f.HTTP.httpKeys().with(keys{
		"listen":      scalar(f.setListen),
		"store":       scalar(f.setStore),
		"concurrency": integer(&f.Concurrency, 1, MaxConcurrency),
		"retention": func(n config.Node) error {
			return keys{
				"age":     duration(&f.Retention.Age, minAge, maxAge),
				"rollups": duration(&f.Retention.Rollups, minAge, maxAge),
				"bytes":   size(&f.Retention.Bytes, minBytes, maxBytes),
			}.read(n, "retention")
		},
		"defaults": func(n config.Node) error { return pace(&template).read(n, "defaults") },
		"checks": func(n config.Node) error {
			checks = n // which the defaults may follow
			return nil
		},
		"external_url": scalar(f.setExternalURL),
		"alerts": func(n config.Node) error {
			alerts = n // which the checks may follow
			return nil
		},
	}).read(root, "the file")
	if err != nil {
		return File{}, err
	}
	if len(checks.Items()) == 0 {
		return File{}, checks.Errorf("there is no check: write at least\n    checks:\n      - target: example.com:443")
	}
	if n := len(checks.Items()); n > MaxChecks {
		return File{}, checks.Errorf("%d checks are more than %d: split the file", n, MaxChecks)
	}
	for _, n := range checks.Items() {
		c, err := readCheck(n, template, ask)
		if err != nil {
			return File{}, err
		}
		if slices.ContainsFunc(f.Checks, func(other Check) bool { return other.Name == c.Name }) {
			return File{}, n.Errorf("a second check is called %q: give each a name of its own", c.Name)
		}
		f.Checks = append(f.Checks, c)
	}
	if err := f.readAlerts(alerts); err != nil {
		return File{}, err
	}
	return f, nil
}

// defaults is a file that says nothing.
func defaults() File {
	return File{
		Listen: netip.MustParseAddrPort(DefaultListen), Store: DefaultStore, Concurrency: DefaultConcurrency,
		Retention: Retention{Age: DefaultAge, Rollups: DefaultRollups, Bytes: DefaultBytes}, HTTP: HTTP{Modules: defaultModules()},
	}
}

// ReadAddress reads of a file only where the watch listens, and its web
// configuration. What is wrong in the rest is nothing to a watch that goes on
// with the file as it was.
func ReadAddress(name string, r io.Reader) (File, error) {
	root, err := config.Read(name, r)
	if err != nil {
		return File{}, err
	}
	f := defaults()
	wanted := keys{"listen": scalar(f.setListen), "web_config": scalar(path(&f.HTTP.WebConfig))}
	for _, field := range root.Fields() {
		if read, ok := wanted[field.Key.Text()]; ok && field.Value.Kind() != config.Null {
			if err := read(field.Value); err != nil {
				return File{}, err
			}
		}
	}
	return f, nil
}

// setListen takes addresses, not names: which addresses a name has is not for
// the resolver to say.
func (f *File) setListen(s string) error {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return fmt.Errorf("%q: write an address and a port, such as %s or [::]:9315", s, DefaultListen)
	}
	f.Listen = a
	return nil
}

func (f *File) setStore(s string) error {
	if s == "" || strings.ContainsAny(s, "?#\x00") { // which mean something in the URI of a database
		return fmt.Errorf("%q: write the path of a file, without ? and #", s)
	}
	f.Store = s
	return nil
}

// pace are the keys that defaults has, too.
func pace(c *Check) keys {
	return keys{
		"interval": duration(&c.Interval, MinInterval, MaxInterval),
		"jitter":   share(&c.Jitter, MaxJitter),
		"confirm":  integer(&c.Confirm, 0, MaxConfirm),
		"of":       integer(&c.Of, 0, 3*MaxConfirm),
		"retest": func(n config.Node) error {
			c.Retest = nil
			err := list(func(n config.Node) error {
				var d time.Duration
				err := duration(&d, minRetest, maxRetest)(n)
				c.Retest = append(c.Retest, d)
				return err
			})(n)
			if err == nil && len(c.Retest) == 0 {
				err = n.Errorf("the list is empty: write [3s, 30s, 200s], or confirm: 0 for no re-test")
			}
			return err
		},
	}
}

// readCheck reads one check on top of the defaults.
func readCheck(n config.Node, c Check, ask Ask) (Check, error) {
	if n.Kind() == config.Scalar { // - example.com:443
		if err := scalar(c.setTarget)(n); err != nil {
			return c, err
		}
		return finish(n, c, Tests{}, ask)
	}
	var tests Tests
	err := pace(&c).with(keys{
		"name":            scalar(c.setName),
		"target":          scalar(c.setTarget),
		"syn":             boolean(&tests.SYN),
		"sni":             names(&tests.SNI),
		"host":            names(&tests.Host),
		"control":         list(scalar(func(s string) error { return addName(&c.Controls, s) })),
		"control_address": scalar(setControlAddress(&c.ControlAddress)),
		"labels":          c.readLabels,
	}).read(n, "a check")
	if err != nil {
		return c, err
	}
	return finish(n, c, tests, ask)
}

// finish fills in what follows from the rest, and refuses what does not fit
// together.
func finish(n config.Node, c Check, tests Tests, ask Ask) (Check, error) {
	if c.Target.Input == "" {
		return c, n.Errorf("the check has no target: write target: example.com:443")
	}
	if c.Name == "" {
		if err := c.setName(c.Target.Input); err != nil {
			return c, n.Errorf("the check needs a name of its own: write name: NAME")
		}
	}
	if c.Of < 0 {
		c.Of = c.Confirm + c.Confirm/2 // two of three: one may fail for other reasons
	}
	if c.Of < c.Confirm {
		return c, n.Errorf("of is %d, less than the %d of confirm: write at least as many", c.Of, c.Confirm)
	}
	for _, k := range []struct {
		key   string
		names Names
	}{{"sni", tests.SNI}, {"host", tests.Host}} {
		if k.names.Own && c.Target.Name == "" {
			return c, n.Errorf("%s: true tests the target's own name, and %s has none: write %s: [NAME]", k.key, c.Target.Input, k.key)
		}
	}
	if a := c.ControlAddress; a.IsValid() && c.Target.IP.IsValid() && a.Is4() != c.Target.IP.Is4() {
		return c, n.Errorf("control_address %s and the address of the target are of different families: write one of the target's", a)
	}
	var err error
	if c.Questions, err = ask(tests, c.Target, c.Controls); err != nil {
		return c, n.Errorf("%v", err)
	}
	return c, nil
}

func (c *Check) setName(s string) error { return printable(&c.Name)(s) }

// printable reads a name that people and metrics go by.
func printable(to *string) func(string) error {
	return func(s string) error {
		if s == "" || utf8.RuneCountInString(s) > MaxName || strings.TrimSpace(s) != s ||
			strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
			return fmt.Errorf("%q: write a name of 1 to %d printable characters", s, MaxName)
		}
		*to = s
		return nil
	}
}

func (c *Check) setTarget(s string) (err error) {
	c.Target, err = probe.ParseTarget(s)
	return err
}

func setControlAddress(to *netip.Addr) func(string) error {
	return func(s string) error {
		ip, err := netip.ParseAddr(strings.Trim(s, "[]"))
		if err != nil || !probe.OneHost(ip) {
			return fmt.Errorf("%q is not the address of a host: write one such as 192.0.2.1 or 2001:db8::1", s)
		}
		*to = ip.Unmap()
		return nil
	}
}

// labelName is what Prometheus allows, without the names that it keeps for
// itself; "check" is ours.
var labelName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*$`)

func (c *Check) readLabels(n config.Node) (err error) {
	c.Labels, err = readLabels(n, "check", "target")
	return err
}

// readLabels reads labels other than those that are taken.
func readLabels(n config.Node, taken ...string) (map[string]string, error) {
	if n.Kind() != config.Map {
		return nil, n.Errorf("labels has keys and values: write one NAME: VALUE per line")
	}
	out := map[string]string{}
	for _, f := range n.Fields() {
		name := f.Key.Text()
		switch {
		case !labelName.MatchString(name) || slices.Contains(taken, name):
			return nil, f.Key.Errorf("%q cannot be a label: write letters, digits and _, but not %s", name, strings.Join(taken, " or "))
		case f.Value.Kind() != config.Scalar:
			return nil, f.Value.Errorf("a label is one text")
		case len(out) == maxLabels:
			return nil, f.Key.Errorf("more than %d labels", maxLabels)
		}
		out[name] = f.Value.Text()
	}
	return out, nil
}

// answers are what stands for true and false elsewhere, or is taken for it.
var answers = []string{"true", "false", "yes", "no", "on", "off", "none"}

// names reads sni or host: true for the target's own name, false for none, or
// names.
func names(to *Names) reader {
	return func(n config.Node) error {
		switch {
		case n.Kind() == config.Scalar && n.Text() == "true":
			to.Own = true
			return nil
		case n.Kind() == config.Scalar && n.Text() == "false":
			to.Off = true
			return nil
		case n.Kind() == config.Scalar && slices.Contains(answers, strings.ToLower(n.Text())):
			return n.Errorf("%q: write true for the target's own name, false, or names: [a.example, b.example]", n.Text())
		}
		err := list(scalar(func(s string) error { return addName(&to.Names, s) }))(n)
		if err == nil && len(to.Names) == 0 {
			err = n.Errorf("the list is empty: write [NAME], true for the target's own name, or false")
		}
		return err
	}
}

func addName(to *[]string, s string) error {
	if strings.HasPrefix(s, "@") {
		return errors.New("lists in files are not read here: write the names themselves")
	}
	if err := payload.CheckName(s); err != nil {
		return err
	}
	*to = append(*to, strings.ToLower(s))
	return nil
}
