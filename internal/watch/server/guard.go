package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// guard lets in who may ask.
type guard struct {
	*Server
	failures *failures
}

// protect asks who is there.
func (g *guard) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := g.cfg.Settings()
		switch {
		case now.Token == "":
			if !meant(r.Host, now.Hosts) {
				g.cfg.Log.Debug("a request for another machine was turned away", "host", r.Host, "client", r.RemoteAddr)
				g.deny(w, WrongHost, http.StatusForbidden, "This is not the machine that you asked for. If it is called so, list the name in the watch file under hosts.")
				return
			}
		case open(r), certified(r, g.cfg.Web), g.asUser(r), signedIn(r, now.Token, time.Now()):
		default:
			if !g.authorized(w, r, now.Token) {
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// open reports whether something is for everybody: the way in, and what it
// looks like.
func open(r *http.Request) bool {
	return r.URL.Path == loginPath || r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/assets/")
}

// meant reports whether a request is for this machine. A browser that has been
// told that a name of somebody else is our address still says that name.
func meant(host string, others []string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")); err == nil {
		return ip.Unmap().IsLoopback() || slices.Contains(others, ip.Unmap().String())
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.Contains(others, name) // RFC 6761 §6.3
}

// authorized checks the token that a request brings along, as Prometheus and
// browsers can: as a bearer's, or as the password of any user. If it does not
// fit, authorized has answered.
func (g *guard) authorized(w http.ResponseWriter, r *http.Request, token string) bool {
	given, ok := bearer(r)
	if !ok {
		_, given, ok = r.BasicAuth()
	}
	if !ok {
		g.ask(w, r)
		return false
	}
	if code, text := g.try(r, given, token); code != http.StatusOK {
		if code == http.StatusUnauthorized {
			challenge(w, r)
		}
		say(w, code, text)
		return false
	}
	return true
}

// bearer is the token of RFC 6750 §2.1.
func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// try compares a token, unless who brings it has brought too many wrong ones.
func (g *guard) try(r *http.Request, given, token string) (code int, text string) {
	from := clientOf(r)
	switch {
	case g.failures.tooMany(from, time.Now()):
		g.cfg.Denied(TooMany)
		return http.StatusTooManyRequests, "Too many wrong tokens came from your address. Wait a minute."
	case !same(given, token):
		g.failures.add(from, time.Now())
		g.cfg.Denied(WrongToken)
		g.cfg.Log.Warn("a wrong token was given", "client", r.RemoteAddr, "path", r.URL.Path)
		return http.StatusUnauthorized, "The token is wrong."
	}
	return http.StatusOK, ""
}

// same compares without telling by its time how much fits, or how long the
// token is.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// clientOf is who asks: of IPv6, a network of the size that one customer gets.
func clientOf(r *http.Request) netip.Prefix {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{} // not by TCP: all of those are one
	}
	ip, bits := from.Addr().Unmap().WithZone(""), 32
	if ip.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(ip, bits).Masked()
}

// ask asks for a token: a person on a page, a program by the header.
func (g *guard) ask(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") {
		if r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
			g.again(w, r)
			return
		}
		http.Redirect(w, r, loginPath+"?"+url.Values{"next": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
		return
	}
	challenge(w, r)
	g.deny(w, NoToken, http.StatusUnauthorized, "A token is needed: as Authorization: Bearer TOKEN, or as the password of any user. Where it lies is in the log of rstprobe.")
}

// challenge says how to show the token. A page that listens to events is not
// told of passwords: its browser would ask for one by a window of its own,
// where the page itself leads to the way in.
func challenge(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("WWW-Authenticate", "Bearer")
	if r.Header.Get("Accept") != "text/event-stream" {
		w.Header().Add("WWW-Authenticate", `Basic realm="rstprobe", charset="UTF-8"`)
	}
}
