package server

import (
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
)

// healthy is answered to everybody, whatever name they call us by: it says
// nothing.
const healthy = "GET /-/healthy"

// handler puts everything together, from the outside in: no answer without
// headers, none to somebody who may not ask.
func (s *Server) handler() http.Handler {
	g := &guard{Server: s, failures: newFailures()}
	inside := http.NewServeMux()
	inside.Handle("/metrics", only(http.MethodGet, s.cfg.Metrics))
	inside.Handle("/probe", only(http.MethodGet, s.own(s.cfg.Probe)))
	inside.Handle("/-/ready", only(http.MethodGet, http.HandlerFunc(s.ready)))
	inside.Handle("/-/reload", only(http.MethodPost, http.HandlerFunc(s.reload)))
	inside.Handle("GET "+loginPath, http.HandlerFunc(g.loginPage))
	inside.Handle(loginPath, only(http.MethodPost, http.HandlerFunc(g.login)))
	inside.Handle(logoutPath, only(http.MethodPost, http.HandlerFunc(g.logout)))
	if s.cfg.Pages != nil {
		inside.Handle("/", s.cfg.Pages)
	}
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.deny(w, WrongOrigin, http.StatusForbidden, "A page of another site may not do that.")
	}))
	outside := http.NewServeMux()
	outside.HandleFunc(healthy, func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "rstprobe is watching.") })
	outside.Handle("/", g.protect(origin.Handler(inside)))
	return s.survive(withHeaders(http.MaxBytesHandler(outside, maxBody)))
}

// only refuses other methods. The patterns of http.ServeMux leave those to the
// pages, which are asked for whatever has no other handler.
func only(method string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method && (method != http.MethodGet || r.Method != http.MethodHead) {
			w.Header().Set("Allow", method)
			say(w, http.StatusMethodNotAllowed, "Ask by "+method+".")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// own refuses what a page of another site has a browser ask, by GET as well.
// http.CrossOriginProtection lets that pass, as it should change nothing; a
// probe sends packets, and says names.
func (s *Server) own(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "cross-site", "same-site":
			s.deny(w, WrongOrigin, http.StatusForbidden, "A page of another site may not have anything probed. To look at this by yourself, type the address in.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ready tells whether there is something to show.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if !s.cfg.Ready() {
		say(w, http.StatusServiceUnavailable, "rstprobe has not measured anything yet.")
		return
	}
	say(w, http.StatusOK, "rstprobe is ready.")
}

func (s *Server) reload(w http.ResponseWriter, _ *http.Request) {
	if err := s.cfg.Reload(); err != nil {
		say(w, http.StatusInternalServerError, err.Error())
		return
	}
	say(w, http.StatusOK, "The watch file was read again.")
}

// deny turns a request away, and counts it.
func (s *Server) deny(w http.ResponseWriter, why Reason, code int, text string) {
	s.cfg.Denied(why)
	say(w, code, text)
}

// say writes a plain text. That nobody reads it any more is no concern of
// ours.
func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n")
}

// survive answers for a handler that panics: that is a mistake of ours, and no
// reason to stop watching.
func (s *Server) survive(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := &noted{ResponseWriter: w}
		defer func() {
			what := recover()
			if what == nil {
				return
			}
			if what == http.ErrAbortHandler {
				panic(what)
			}
			s.cfg.Log.Error("a request could not be answered; please report this", "path", r.URL.Path, "err", what, slog.String("stack", string(debug.Stack())))
			if out.begun {
				panic(http.ErrAbortHandler) // so that nobody takes half an answer for a whole one
			}
			say(out, http.StatusInternalServerError, "rstprobe has made a mistake; its log says which.")
		}()
		next.ServeHTTP(out, r)
	})
}

// noted notes whether an answer has begun. What else a ResponseWriter can do is
// reached by http.ResponseController.
type noted struct {
	http.ResponseWriter
	begun bool
}

func (n *noted) WriteHeader(code int) {
	n.begun = true
	n.ResponseWriter.WriteHeader(code)
}

func (n *noted) Write(b []byte) (int, error) {
	n.begun = true
	return n.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (n *noted) Unwrap() http.ResponseWriter { return n.ResponseWriter }
