package watchfile

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rstprobe/rstprobe/internal/config"
	"github.com/rstprobe/rstprobe/internal/watch/alert"
)

// Limits and defaults of alerts.
const (
	maxReceivers       = 100
	maxThreshold       = 100
	minReminder        = 5 * time.Minute // what comes more often is not read
	maxReminder        = 365 * 24 * time.Hour
	minAlertTimeout    = 100 * time.Millisecond
	maxAlertTimeout    = 5 * time.Minute
	defaultHTTPTimeout = 10 * time.Second // as Alertmanager has it for its own receivers
	defaultExecTimeout = 30 * time.Second
)

// conceal keeps what may be secret in a file, in its alerts above all, out of
// the excerpts of all errors: where requests go, and what stands in their header.
func conceal(n config.Node, secret bool) {
	if n.Kind() == config.Scalar && (secret || strings.Contains(n.Text(), "://")) {
		n.Conceal()
	}
	for _, f := range n.Fields() {
		conceal(f.Value, secret || f.Key.Text() == "url" || f.Key.Text() == "headers")
	}
	for _, item := range n.Items() {
		conceal(item, secret)
	}
}

// setExternalURL takes the address at which people reach the pages.
func (f *File) setExternalURL(s string) error {
	u, err := parseURL(s)
	if err != nil || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		// Without the text, which may hold a password.
		return errors.New("write the address at which people reach the pages, without a path, such as https://watch.example")
	}
	f.ExternalURL = (&url.URL{Scheme: u.Scheme, Host: u.Host}).String() // without what may stand at its end: /, ? or #
	return nil
}

func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "" {
		return nil, errors.New("write an address such as https://hooks.example/path") // without the text: it may be secret
	}
	return u, nil
}

// readAlerts reads the receivers, once the checks are known.
func (f *File) readAlerts(n config.Node) error {
	if n.Kind() == config.Map || n.Kind() == config.Scalar {
		return n.Errorf("alerts is a list of receivers: write\n    alerts:\n      - name: ops\n        webhook: {url: https://hooks.example/path}")
	}
	for _, item := range n.Items() {
		r, err := f.readReceiver(item)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(f.Alerts, func(other alert.Receiver) bool { return other.Name == r.Name }) {
			return item.Errorf("a second receiver is called %q: give each a name of its own", r.Name)
		}
		if len(f.Alerts) == maxReceivers {
			return item.Errorf("more than %d receivers", maxReceivers)
		}
		f.Alerts = append(f.Alerts, r)
	}
	return nil
}

func (f *File) readReceiver(n config.Node) (alert.Receiver, error) {
	r := alert.Receiver{Rule: alert.Rule{On: alert.Anything, Failures: 1, Successes: 1, Resolved: true}}
	var set []string // of the rule, besides its defaults
	via := func(read func(config.Node) (alert.Via, error)) reader {
		return func(n config.Node) (err error) {
			if r.Via != nil {
				return n.Errorf("a receiver is told in one way: write webhook, alertmanager or exec, and another receiver for the other one")
			}
			r.Via, err = read(n)
			return err
		}
	}
	noted := func(key string, read reader) reader {
		return func(n config.Node) error {
			set = append(set, key)
			return read(n)
		}
	}
	err := keys{
		"name":         scalar(printable(&r.Name)),
		"webhook":      via(readWebhook),
		"alertmanager": via(readAlertmanager),
		"exec":         via(readExec),
		"checks": func(n config.Node) error {
			return list(func(n config.Node) error { return f.addMatch(&r.Rule.Checks, n) })(n)
		},
		"on":          scalar(func(s string) error { return setOn(&r.Rule.On, s) }),
		"failures":    integer(&r.Rule.Failures, 1, maxThreshold),
		"successes":   integer(&r.Rule.Successes, 1, maxThreshold),
		"resolved":    noted("resolved", boolean(&r.Rule.Resolved)),
		"reminder":    noted("reminder", duration(&r.Rule.Reminder, minReminder, maxReminder)),
		"own_network": boolean(&r.Rule.OwnNetwork),
	}.read(n, "a receiver")
	switch {
	case err != nil:
		return r, err
	case r.Name == "":
		return r, n.Errorf("the receiver needs a name of its own: write name: NAME")
	case r.Via == nil:
		return r, n.Errorf("how is %s to be told? Write webhook, alertmanager or exec", r.Name)
	case r.Standing() && len(set) > 0:
		return r, n.Errorf("%s is for Alertmanager to decide: leave it out, and write repeat_interval or send_resolved there", set[0])
	}
	return r, nil
}

// addMatch reads a condition on checks: the name of one, or labels.
func (f *File) addMatch(to *[]alert.Match, n config.Node) error {
	var m alert.Match
	switch n.Kind() {
	case config.Scalar:
		m.Name = n.Text()
	case config.Map:
		m.Labels = map[string]string{}
		for _, field := range n.Fields() {
			if field.Value.Kind() != config.Scalar {
				return field.Value.Errorf("a label is one text")
			}
			m.Labels[field.Key.Text()] = field.Value.Text()
		}
	case config.List, config.Null:
	}
	if m.Name == "" && len(m.Labels) == 0 {
		return n.Errorf("write the name of a check, or labels as {team: web}")
	}
	if !slices.ContainsFunc(f.Checks, func(c Check) bool { return m.Matches(c.Name, c.Labels) }) {
		return n.Errorf("no check of this file is like that: write the name of one, or labels that one has")
	}
	*to = append(*to, m)
	return nil
}

func setOn(to *alert.On, s string) error {
	switch on := alert.On(s); on {
	case alert.Anything, alert.Interference:
		*to = on
		return nil
	}
	return fmt.Errorf("%q: write %s or %s", s, alert.Anything, alert.Interference)
}

func readWebhook(n config.Node) (alert.Via, error) {
	w := alert.Webhook{Timeout: defaultHTTPTimeout}
	var template config.Node
	err := addressKeys(&w.Address).with(keys{
		"timeout": duration(&w.Timeout, minAlertTimeout, maxAlertTimeout),
		"template": func(n config.Node) error {
			template = n // whose output the headers name
			return nil
		},
	}).read(n, "webhook")
	if err == nil {
		err = checkAddress(n, w.Address)
	}
	if err == nil && template.Kind() != config.Null {
		err = scalar(func(s string) (err error) {
			w.Template, err = alert.ParseTemplate(s, isJSON(w.Address.Headers))
			return err
		})(template)
	}
	return w, err
}

// isJSON reports whether a body is JSON to who gets it, as it is by default.
func isJSON(headers map[string]alert.Secret) bool {
	for name, value := range headers {
		if strings.EqualFold(name, "Content-Type") {
			return strings.Contains(strings.ToLower(string(value)), "json")
		}
	}
	return true
}

func readAlertmanager(n config.Node) (alert.Via, error) {
	a := alert.Alertmanager{Timeout: defaultHTTPTimeout}
	err := addressKeys(&a.Address).with(keys{
		"timeout": duration(&a.Timeout, minAlertTimeout, maxAlertTimeout),
		"labels": func(n config.Node) error {
			labels, err := readLabels(n, "alertname", "check", "question")
			a.Labels = labels
			return err
		},
	}).read(n, "alertmanager")
	if err == nil {
		err = checkAddress(n, a.Address)
	}
	return a, err
}

func readExec(n config.Node) (alert.Via, error) {
	e := alert.Exec{Timeout: defaultExecTimeout}
	err := keys{
		"command": list(scalar(func(s string) error {
			if strings.ContainsRune(s, 0) || s == "" && len(e.Command) == 0 {
				return fmt.Errorf("%q: write a program, and its arguments: [/usr/local/bin/page, --now]", s)
			}
			e.Command = append(e.Command, s)
			return nil
		})),
		"timeout": duration(&e.Timeout, minAlertTimeout, maxAlertTimeout),
	}.read(n, "exec")
	if err == nil && len(e.Command) == 0 {
		err = n.Errorf("which program? Write command: [/usr/local/bin/page, --now]")
	}
	return e, err
}

// addressKeys are the keys that say where requests go, and with what header.
func addressKeys(a *alert.Address) keys {
	a.Headers, a.HeaderFiles = map[string]alert.Secret{}, map[string]string{}
	return keys{
		"url": scalar(func(s string) error {
			_, err := parseURL(s)
			a.URL = alert.Secret(s)
			return err
		}),
		"url_file": scalar(path(&a.URLFile)),
		"headers": headers(a, func(name, value string) error {
			if strings.ContainsFunc(value, unicode.IsControl) {
				return errors.New("the value has characters that no header may have")
			}
			a.Headers[name] = alert.Secret(value)
			return nil
		}),
		"header_files": headers(a, func(name, value string) error {
			var file string
			err := path(&file)(value)
			a.HeaderFiles[name] = file
			return err
		}),
	}
}

// checkAddress refuses an address that is none, or two.
func checkAddress(n config.Node, a alert.Address) error {
	if (a.URL == "") == (a.URLFile == "") {
		return n.Errorf("where to? Write either url: https://hooks.example/path, or url_file: PATH of a file that holds it")
	}
	return nil
}

// headerName is a token of RFC 9110, section 5.6.2.
var headerName = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$")

// ownHeaders are those that say what we do, or that make a message another
// one.
var ownHeaders = []string{"Idempotency-Key", "Content-Length", "Transfer-Encoding", "Connection", "Host", "Trailer", "Te", "Upgrade"}

// headers reads a mapping of fields of a header.
func headers(a *alert.Address, add func(name, value string) error) reader {
	return func(n config.Node) error {
		if n.Kind() != config.Map {
			return n.Errorf("headers are names and values: write one NAME: VALUE per line")
		}
		for _, f := range n.Fields() {
			name := f.Key.Text()
			same := func(other string) bool { return strings.EqualFold(name, other) }
			switch {
			case !headerName.MatchString(name), slices.ContainsFunc(ownHeaders, same):
				return f.Key.Errorf("%q is no header that can be set here", name)
			case has(a.Headers, same), has(a.HeaderFiles, same):
				return f.Key.Errorf("a second value of %s", name)
			}
			if err := scalar(func(s string) error { return add(name, s) })(f.Value); err != nil {
				return err
			}
		}
		return nil
	}
}

func has[V any](m map[string]V, name func(string) bool) bool {
	for k := range m {
		if name(k) {
			return true
		}
	}
	return false
}
