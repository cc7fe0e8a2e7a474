package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// Patience of the HTTP server.
const (
	headerPatience   = 5 * time.Second
	shutdownPatience = 5 * time.Second
)

// serve watches and answers HTTP until ctx ends. Then the runs that are under
// way are cut short and kept, and the requests answered.
func (w *watching) serve(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hangups := make(chan os.Signal, 1) // one that comes while the file is read is enough
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	server := &http.Server{
		Handler: w.handler(), ReadHeaderTimeout: headerPatience,
		BaseContext: func(net.Listener) context.Context { return ctx }, // nobody waits for a reload that will not be
	}
	var work sync.WaitGroup
	defer work.Wait()
	failed := make(chan error, 1) // so that the server need not wait for anybody
	work.Go(func() {
		err := server.Serve(listener)
		if !errors.Is(err, http.ErrServerClosed) {
			failed <- err
			cancel()
		}
	})
	work.Go(func() {
		for {
			select {
			case <-hangups:
				_ = w.reload(ctx) // it is in the log
			case <-ctx.Done():
				return
			}
		}
	})
	w.metrics.Reloaded(time.Now(), true)
	w.watcher.Run(ctx, w.file.Checks, w.reloads)
	w.log.Info("stopped")
	last, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownPatience)
	defer done()
	err := server.Shutdown(last)
	select {
	case serving := <-failed:
		err = errors.Join(serving, err)
	default:
	}
	return err
}

// handler answers the requests.
func (w *watching) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", w.metrics.Handler())
	mux.HandleFunc("GET /-/healthy", func(out http.ResponseWriter, _ *http.Request) {
		answer(out, http.StatusOK, "rstprobe is watching.")
	})
	mux.HandleFunc("POST /-/reload", func(out http.ResponseWriter, in *http.Request) {
		if err := w.reload(in.Context()); err != nil {
			answer(out, http.StatusInternalServerError, err.Error())
			return
		}
		answer(out, http.StatusOK, "The watch file was read again.")
	})
	return http.NewCrossOriginProtection().Handler(mux) // no page of others may reload
}

// answer writes a plain text. That nobody reads it any more is no concern of
// ours.
func answer(out http.ResponseWriter, code int, text string) {
	out.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out.Header().Set("X-Content-Type-Options", "nosniff")
	out.WriteHeader(code)
	_, _ = io.WriteString(out, text+"\n")
}
