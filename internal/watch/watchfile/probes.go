package watchfile

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/config"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// HTTP is how the server is reached, and what it does for whom.
type HTTP struct {
	Hosts     []string          // names besides those of this machine alone that requests may be for; lower case
	TokenFile string            // path of the token; "": beside the store, and none on a loopback address
	WebConfig string            // path of a web configuration of Prometheus: TLS and users; "": neither
	Modules   map[string]Module // of /probe, by name; the default ones included
	Allow     []Pattern         // what /probe may probe besides the targets of the checks
}

// Module says what a request of /probe asks of its target.
type Module struct {
	Tests          Tests
	Controls       []string      // empty: chosen for each test name
	ControlAddress netip.Addr    // invalid: none
	Timeout        time.Duration // of a whole request, at most that of the scrape; 0: that of the scrape
}

// The modules that are always there, unless the file says otherwise.
const (
	ModuleSNI = "sni_check" // the target's own name in a ClientHello, and a harmless one
	ModuleSYN = "syn"       // connections alone
)

// Limits of modules.
const (
	maxModules       = 100
	minModuleTimeout = 100 * time.Millisecond
	maxModuleTimeout = 2 * time.Minute // the default timeout of a scrape is 10 s
)

func defaultModules() map[string]Module {
	return map[string]Module{ModuleSNI: {Tests: Tests{SNI: Names{Own: true}}}, ModuleSYN: {Tests: Tests{SYN: true}}}
}

// httpKeys are the keys of the server at the top of a file.
func (h *HTTP) httpKeys() keys {
	return keys{
		"hosts":      list(scalar(h.addHost)),
		"token_file": scalar(path(&h.TokenFile)),
		"web_config": scalar(path(&h.WebConfig)),
		"modules":    h.readModules,
		"probe": func(n config.Node) error {
			return keys{"allow": list(scalar(h.addPattern))}.read(n, "probe")
		},
	}
}

func path(to *string) func(string) error {
	return func(s string) error {
		if s == "" || strings.ContainsRune(s, 0) {
			return fmt.Errorf("%q: write the path of a file", s)
		}
		*to = s
		return nil
	}
}

func (h *HTTP) addHost(s string) error {
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		h.Hosts = append(h.Hosts, ip.Unmap().String())
		return nil
	}
	if err := payload.CheckName(s); err != nil {
		return fmt.Errorf("%q: write a name or an address as it stands in the URL, without scheme and port", s)
	}
	h.Hosts = append(h.Hosts, strings.ToLower(s))
	return nil
}

func (h *HTTP) addPattern(s string) error {
	p, err := ParsePattern(s)
	h.Allow = append(h.Allow, p)
	return err
}

// moduleName is what needs no escape in a URL.
var moduleName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,50}$`)

func (h *HTTP) readModules(n config.Node) error {
	if n.Kind() != config.Map {
		return n.Errorf("modules has names and what they ask: write NAME: {sni: true}")
	}
	for _, f := range n.Fields() {
		name := f.Key.Text()
		if !moduleName.MatchString(name) {
			return f.Key.Errorf("%q cannot be the name of a module: write letters, digits, and any of _.-", name)
		}
		if _, ok := h.Modules[name]; ok && f.Value.Kind() == config.Null {
			continue // the default stays
		}
		if len(h.Modules) == maxModules {
			return f.Key.Errorf("more than %d modules", maxModules)
		}
		m, err := readModule(f.Value)
		if err != nil {
			return err
		}
		h.Modules[name] = m
	}
	return nil
}

func readModule(n config.Node) (Module, error) {
	var m Module
	err := keys{
		"syn":             boolean(&m.Tests.SYN),
		"sni":             names(&m.Tests.SNI),
		"host":            names(&m.Tests.Host),
		"control":         list(scalar(func(s string) error { return addName(&m.Controls, s) })),
		"control_address": scalar(setControlAddress(&m.ControlAddress)),
		"timeout":         duration(&m.Timeout, minModuleTimeout, maxModuleTimeout),
	}.read(n, "a module")
	if err != nil {
		return m, err
	}
	if t := m.Tests; !t.SYN && !t.SNI.given() && !t.Host.given() {
		return m, n.Errorf("the module asks nothing: write syn: true, sni: true, or sni: [NAME]")
	}
	return m, nil
}

// given reports whether any name is tested.
func (n Names) given() bool { return n.Own || len(n.Names) > 0 }
