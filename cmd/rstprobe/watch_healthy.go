package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/server"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
)

// healthPatience is how long a watch has to say that it is well.
const healthPatience = 3 * time.Second

// healthy asks the watch that runs with the file whether it is well, for
// container engines, which look only at the exit code: 0 if it is. It is, too, if
// a key or a value in the file is wrong by now and it goes on with what that said
// before; what is no YAML does not say whom to ask.
func (w *watching) healthy(ctx context.Context) error {
	r, err := os.Open(w.path)
	if err != nil {
		return usagef("watch: %w", err)
	}
	defer r.Close() //nolint:errcheck // only read
	f, err := watchfile.ReadAddress(w.path, r)
	if err != nil {
		return usagef("watch: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	url := healthURL(f)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // it is asked whether it lives, of an address of this machine, and told nothing
	}}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("watch: it does not answer: %w", err)
	}
	defer answer.Body.Close() //nolint:errcheck // not read
	switch answer.StatusCode {
	case http.StatusOK, http.StatusUnauthorized: // who has basic_auth_users asks everybody, and works
	default:
		return fmt.Errorf("watch: %s answers %s", url, answer.Status)
	}
	_, err = fmt.Fprintf(w.stdout, "%s: it is watching\n", url)
	return err
}

// healthURL is where a watch with the file says that it is well: at its own
// address, or where it listens on all, at that of this machine alone.
func healthURL(f watchfile.File) string {
	ip := f.Listen.Addr()
	if ip.IsUnspecified() {
		ip = netip.IPv6Loopback()
		if f.Listen.Addr().Is4() {
			ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
	}
	scheme := "http"
	if server.Encrypted(f.HTTP.WebConfig) {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(ip.String(), strconv.Itoa(int(f.Listen.Port()))) + "/-/healthy"
}
