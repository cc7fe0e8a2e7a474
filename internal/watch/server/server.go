// Package server is the HTTP side of rstprobe watch: who may ask, over what,
// and with which limits. What is answered is given to it as handlers.
//
// On an address of this machine alone nobody is asked who they are, but
// requests must be meant for this machine: a web page that somebody has open
// may send some, too. On any other address a token is needed.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/time/rate"
)

// Settings are what may change while the server runs.
type Settings struct {
	Hosts []string // names and addresses besides those of this machine that requests may be for; lower case
	Token string   // "": nobody is asked for one
}

// Config is what a Server needs.
type Config struct {
	Log      *slog.Logger
	Settings func() Settings
	Web      string // path of a web configuration; see Check. "": plain HTTP
	Metrics  http.Handler
	Probe    http.Handler
	Pages    http.Handler // everything else; nil: there are none
	Reload   func() error // its error is shown to who asked for it; goes on if who asked is gone
	Ready    func() bool  // whether there is something to show
	Denied   func(Reason) // told of every request that is turned away
}

// Reason is why a request was turned away.
type Reason string

// The reasons.
const (
	WrongHost   Reason = "host"    // it was meant for another machine: DNS rebinding
	WrongOrigin Reason = "origin"  // a page of somebody else sent it
	NoToken     Reason = "missing" // it says nothing of a token
	WrongToken  Reason = "token"
	TooMany     Reason = "limit" // after too many wrong ones
)

// Reasons are all of them.
var Reasons = []Reason{WrongHost, WrongOrigin, NoToken, WrongToken, TooMany}

// Patience and limits. A request is small; an answer that is long, or is meant
// to go on, has its own deadline by http.ResponseController.
const (
	headerPatience = 5 * time.Second
	readPatience   = 10 * time.Second
	writePatience  = 30 * time.Second
	idlePatience   = 2 * time.Minute // longer than Prometheus waits between scrapes by default
	maxHeader      = 32 << 10        // cookies of everything else on this machine are among it
	maxBody        = 64 << 10        // nothing is uploaded
)

// Server answers HTTP.
type Server struct {
	cfg  Config
	http http.Server
}

// New is a server that does not listen yet. What is answered ends with ctx.
func New(ctx context.Context, cfg Config) *Server {
	s := &Server{cfg: cfg}
	s.http = http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerPatience, ReadTimeout: readPatience, WriteTimeout: writePatience, IdleTimeout: idlePatience,
		MaxHeaderBytes: maxHeader,
		BaseContext:    func(net.Listener) context.Context { return ctx },
		ErrorLog:       slog.NewLogLogger(limited{cfg.Log.Handler(), rate.NewLimiter(rate.Every(time.Minute), 5)}, slog.LevelWarn),
	}
	return s
}

// Serve answers what comes in by l until Shutdown, and closes l.
func (s *Server) Serve(l net.Listener) error {
	quiet := slog.New(limited{s.cfg.Log.Handler(), rate.NewLimiter(0, 0)}) // that it listens is told already
	err := web.Serve(l, &s.http, &web.FlagConfig{WebConfigFile: &s.cfg.Web}, quiet)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown ends Serve once all requests are answered. When ctx ends, who is
// still too slow to ask or to read is cut off: that is no failure of ours.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil && ctx.Err() != nil {
		return s.http.Close()
	}
	return err
}

// limited is a log that is not filled by whoever sends us rubbish: of lines
// that are no errors, a few a minute.
type limited struct {
	slog.Handler
	limiter *rate.Limiter
}

func (l limited) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelError && !l.limiter.Allow() {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs and WithGroup keep the limit.
func (l limited) WithAttrs(a []slog.Attr) slog.Handler {
	return limited{l.Handler.WithAttrs(a), l.limiter}
}

func (l limited) WithGroup(name string) slog.Handler {
	return limited{l.Handler.WithGroup(name), l.limiter}
}
