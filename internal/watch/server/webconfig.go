package server

import (
	"fmt"
	"net/http"
	"os"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/rstprobe/rstprobe/internal/config"
)

// Check says what is wrong in a web configuration, and in the certificates
// that it names. It is that of all exporters of Prometheus:
// https://prometheus.io/docs/prometheus/latest/configuration/https/
func Check(path string) error {
	if path == "" {
		return nil
	}
	if err := web.Validate(path); err != nil {
		return fmt.Errorf("server: web_config %s: %w", path, err)
	}
	_, err := readWeb(path)
	return err
}

// webConfig is what we need to know of a web configuration: whom it lets in.
type webConfig struct {
	tls       bool
	users     bool // it asks for a user and a password
	clientCAs bool // it says whose certificates a client may have
}

func readWeb(path string) (webConfig, error) {
	if path == "" {
		return webConfig{}, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return webConfig{}, fmt.Errorf("server: web_config: %w", err)
	}
	root, err := config.Parse(path, b)
	if err != nil {
		return webConfig{}, fmt.Errorf("server: web_config: %w", err)
	}
	var c webConfig
	for _, f := range root.Fields() {
		switch f.Key.Text() {
		case "basic_auth_users":
			c.users = len(f.Value.Fields()) > 0
		case "tls_server_config":
			for _, k := range f.Value.Fields() {
				given := k.Value.Text() != ""
				c.tls = c.tls || given
				switch k.Key.Text() {
				case "client_ca_file", "client_ca":
					c.clientCAs = c.clientCAs || given
				}
			}
		}
	}
	return c, nil
}

// Encrypted reports whether a web configuration has TLS.
func Encrypted(path string) bool {
	c, err := readWeb(path)
	return err == nil && c.tls
}

// SignIn reports whether people sign in with a token. Where the web
// configuration asks who they are, they neither do nor can sign out.
func SignIn(token, web string) bool {
	c, err := readWeb(web)
	return token != "" && err == nil && !c.users
}

// certified reports whether a client has a certificate by one of those whose
// certificates it may have.
func certified(r *http.Request, web string) bool {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return false
	}
	c, err := readWeb(web)
	return err == nil && c.clientCAs // without them, anybody's certificate is verified
}

// asUser reports whether who asks has been let in as a user of the web
// configuration, which is done before a request comes here. The file is read
// each time, there as here: it may change.
func (g *guard) asUser(r *http.Request) bool {
	if g.cfg.Web == "" {
		return false
	}
	_, _, ok := r.BasicAuth()
	c, err := readWeb(g.cfg.Web)
	return ok && err == nil && c.users
}
