package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Where people sign in and out.
const (
	loginPath  = "/login"
	logoutPath = "/logout"
)

// A session is a cookie that only who knows the token could have made, and
// that does not tell it. Nothing of it is stored: a new token ends them all.
const (
	sessionCookie = "rstprobe_session"
	sessionAge    = 7 * 24 * time.Hour
)

// sessionUntil is the value of the cookie: when it ends, and what proves it.
func sessionUntil(token string, end time.Time) string {
	seconds := strconv.FormatInt(end.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("session until " + seconds))
	return seconds + "." + hex.EncodeToString(mac.Sum(nil))
}

// signedIn reports whether a request has a session that has not ended.
func signedIn(r *http.Request, token string, now time.Time) bool {
	for _, c := range r.CookiesNamed(sessionCookie) {
		text, _, _ := strings.Cut(c.Value, ".")
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || now.Unix() >= seconds {
			continue
		}
		if same(c.Value, sessionUntil(token, time.Unix(seconds, 0))) {
			return true
		}
	}
	return false
}

// cookie is the session of a request's answer. SameSite is strict: no other
// site can have anything asked in the name of who is signed in.
func cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	}
}

// loginView is what the page of login.html says.
type loginView struct{ Next, Wrong string }

func (g *guard) loginPage(w http.ResponseWriter, r *http.Request) {
	now := g.cfg.Settings()
	next := local(r.FormValue("next"))
	if now.Token == "" || signedIn(r, now.Token, time.Now()) {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	page(w, http.StatusOK, "login", loginView{Next: next})
}

// login makes the token a session.
func (g *guard) login(w http.ResponseWriter, r *http.Request) {
	now := g.cfg.Settings()
	next := local(r.PostFormValue("next"))
	if now.Token == "" {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	if code, text := g.try(r, strings.TrimSpace(r.PostFormValue("token")), now.Token); code != http.StatusOK {
		page(w, code, "login", loginView{Next: next, Wrong: text})
		return
	}
	http.SetCookie(w, cookie(r, sessionUntil(now.Token, time.Now().Add(sessionAge)), int(sessionAge.Seconds())))
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (g *guard) logout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, cookie(r, "", -1))
	http.Redirect(w, r, loginPath, http.StatusSeeOther)
}

// again has a browser ask once more by itself. To a request that a link on
// another site made, as in a message about a change, it has not added the
// cookie.
func (g *guard) again(w http.ResponseWriter, r *http.Request) {
	page(w, http.StatusOK, "again", loginView{Next: local(r.URL.RequestURI())})
}

// local is a path on this server, whatever somebody has put into a link to us.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.ContainsAny(next, "\\\r\n\t") || strings.HasPrefix(u.Path, loginPath) {
		return "/"
	}
	return next
}

// views are the only pages of this package; their style is that of all others,
// and they do without it.
var views = template.Must(template.New("").Parse(`
{{define "top"}}<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>rstprobe</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml"/>
<link rel="stylesheet" href="/assets/report.css"/>
<link rel="stylesheet" href="/assets/page.css"/>
{{end}}
{{define "login"}}{{template "top"}}</head>
<body class="watch"><main>
<h1>rstprobe</h1>
{{with .Wrong}}<p role="alert"><strong>{{.}}</strong></p>
{{end}}<form method="post" action="/login">
<input type="hidden" name="next" value="{{.Next}}"/>
<input type="text" name="username" value="rstprobe" autocomplete="username" hidden="hidden"/>
<p><label for="token">Token</label></p>
<p><input id="token" name="token" type="password" autocomplete="current-password" required="required" autofocus="autofocus"/> <button type="submit">Sign in</button></p>
</form>
<p>The log of rstprobe says in which file the token lies.</p>
</main></body>
</html>
{{end}}
{{define "again"}}{{template "top"}}<meta http-equiv="refresh" content="0; url={{.Next}}"/>
</head>
<body class="watch"><main><p><a href="{{.Next}}">Go on</a></p></main></body>
</html>
{{end}}`))

func page(w http.ResponseWriter, code int, name string, v loginView) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_ = views.ExecuteTemplate(w, name, v) // it fails only if nobody reads it any more
}
