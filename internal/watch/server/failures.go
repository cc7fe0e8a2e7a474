package server

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// failures are wrong tokens, by who gave them. It bounds how fast anybody can
// try them, and how much it remembers.
type failures struct {
	mu     sync.Mutex
	by     map[netip.Prefix]*rate.Limiter
	others *rate.Limiter // for all that there is no room for
}

// A person mistypes a few times, and a scrape that is configured wrongly goes
// on for ever.
const (
	failuresAtOnce = 5
	failuresEvery  = 10 * time.Second
	maxClients     = 1000
)

func newLimiter() *rate.Limiter { return rate.NewLimiter(rate.Every(failuresEvery), failuresAtOnce) }

func newFailures() *failures {
	return &failures{by: map[netip.Prefix]*rate.Limiter{}, others: newLimiter()}
}

// tooMany reports whether a client must wait before it may try again.
func (f *failures) tooMany(client netip.Prefix, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, ok := f.by[client]
	if !ok && len(f.by) >= maxClients {
		l, ok = f.others, true
	}
	return ok && l.TokensAt(now) < 1
}

// add notes a wrong token.
func (f *failures) add(client netip.Prefix, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, ok := f.by[client]
	if !ok {
		if len(f.by) >= maxClients {
			f.forget(now)
		}
		l = f.others
		if len(f.by) < maxClients {
			l = newLimiter()
			f.by[client] = l
		}
	}
	l.AllowN(now, 1)
}

// forget forgets who has not failed for long enough.
func (f *failures) forget(now time.Time) {
	for client, l := range f.by {
		if l.TokensAt(now) >= failuresAtOnce {
			delete(f.by, client)
		}
	}
}
