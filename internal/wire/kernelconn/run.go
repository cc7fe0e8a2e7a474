package kernelconn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rstprobe/rstprobe/internal/dialogue"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// run is one trial being carried out.
type run struct {
	x       *Exchanger
	trial   probe.Trial
	began   time.Time
	started func() // to be called once the first SYN has left
}

// record carries the trial out. An answer is watched as long as watch lasts.
func (r run) record(ctx, watch context.Context) (flow.Record, error) {
	rec := flow.Record{Source: flow.Kernel, Start: r.began, Key: packet.Key{Remote: r.trial.Remote}, Untold: !tellsAcks}
	var err error
	if len(r.trial.TTLs) > 0 {
		err = r.sweep(ctx, watch, &rec)
	} else {
		err = r.once(ctx, watch, &rec)
	}
	inOrder(rec.Events)
	rec.End = time.Since(r.began).Truncate(time.Microsecond)
	rec.Cut = ctx.Err() != nil
	if err == nil && r.trial.ExactTTL && hasFloor && ctx.Err() == nil {
		err = r.measure(ctx, &rec)
	}
	if no := refusal(err); no != flow.NotRefused { // which is a finding about this machine
		rec.Cut, rec.Refused, err = true, no, nil
	}
	return rec, err
}

// once carries out a trial of one connection.
func (r run) once(ctx, watch context.Context, rec *flow.Record) error {
	k, err := r.connection(ctx, watch, r.trial.LocalPort, 0)
	if k != nil {
		rec.Key, rec.Events = k.key, k.events
	}
	if k != nil && k.client != nil {
		rec.Promised = k.client.Total()
	}
	return err
}

// connection is one connection of the trial from beginning to end, for the
// copy with a TTL, or for none if that is 0. It is closed when it returns,
// and nil only where none could be begun.
func (r run) connection(ctx, watch context.Context, port uint16, ttl uint8) (k *talk, err error) {
	if err := r.x.enter(ctx); err != nil {
		return nil, err
	}
	defer r.x.leave()
	bare := r.trial.Stimulus.Kind == probe.SYN
	stimulus := max(ttl, r.trial.TTL)
	var synTTL uint8
	if bare {
		synTTL = stimulus
	}
	if k, err = r.x.dial(r.trial, port, synTTL, 0, r.began); err != nil {
		return nil, err
	}
	k.stamp = ttl
	// Only now is everything noted that the kernel would have to tell: a
	// socket that is closed is asked in vain.
	defer func() { err = errors.Join(err, k.abort()) }()
	if err = k.handshake(ctx, synTTL, bare, r.patience(ttl), r.started); err != nil || k.last != stood {
		return k, err
	}
	if bare {
		if ttl > 0 {
			r.x.answersAt(r.trial.Remote, ttl)
		}
		return k, k.listen(ctx, watch, false)
	}
	b, err := r.trial.Stimulus.Bytes(0)
	if err != nil {
		return k, err
	}
	if r.trial.Fetch != "" {
		k.client, err = dialogue.NewClient(dialogue.Fetch{ServerName: r.trial.Stimulus.Name, Host: r.trial.Fetch, Path: cmp.Or(r.trial.Stimulus.Path, "/")})
		if err != nil {
			return k, fmt.Errorf("kernelconn: %w", err)
		}
		defer k.client.Close()
		b = k.client.Hear(nil)
	}
	again := r.trial.Twice && ttl == 0
	if again {
		stimulus = r.x.short(r.trial.Remote)
	}
	if err := k.tell(ctx, b, stimulus); err != nil {
		return k, err
	}
	if again { // the second goes all the way
		if err := k.setTTL(systemTTL); err != nil {
			return k, err
		}
	}
	return k, k.listen(ctx, watch, ttl > 0 || again)
}

// patience is how long a SYN is waited for. Where the round trip is known, a
// copy that a silent router swallows need not take the whole of it.
func (r run) patience(ttl uint8) time.Duration {
	const slow = 250 * time.Millisecond // routers answer late, since they have better things to do
	if rtt := r.x.roundTrip(r.trial.Remote); ttl > 0 && rtt > 0 {
		return min(r.trial.Timeout, 3*rtt+slow)
	}
	return r.trial.Timeout
}

// lanes is how many copies of a sweep are under way at a time: enough that
// silent routers do not hold it up, and no more connections to a server than a
// browser has to a site or two.
const lanes = 8

// sweep sends one copy per TTL, each on a connection of its own, ascending,
// some at a time. On one port they go one after the other. The first that
// draws an answer of the peer's side ends it: what is behind that one is
// known already, or would set the same off again.
func (r run) sweep(ctx, watch context.Context, rec *flow.Record) error {
	q := &queue{ttls: slices.Clone(r.trial.TTLs)}
	port, n := r.trial.LocalPort, min(lanes, len(q.ttls))
	if r.trial.OnePort || port != 0 {
		n = 1
	}
	var mu sync.Mutex // guards the record
	var lane sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		lane.Go(func() {
			for ttl, ok := q.next(); ok && errs[i] == nil && ctx.Err() == nil; ttl, ok = q.next() {
				k, err := r.connection(ctx, watch, port, ttl)
				errs[i] = err
				if k == nil {
					continue
				}
				if r.answered(k) {
					q.stop(ttl)
				}
				mu.Lock()
				if rec.Events = append(rec.Events, k.events...); !rec.Key.Local.IsValid() {
					rec.Key = k.key
				}
				mu.Unlock()
				if r.trial.OnePort { // there is one lane
					port = k.key.Local.Port()
				}
			}
		})
	}
	lane.Wait()
	return cmp.Or(errs...)
}

// answered reports whether a copy drew what makes larger TTLs pointless. A
// reset to a SYN does not: the server may still answer behind it.
func (r run) answered(k *talk) bool {
	if r.trial.Stimulus.Kind == probe.SYN {
		return k.stood
	}
	return k.sent && (k.last == reset || k.last == answered || k.last == closed || k.eof)
}

// queue hands out TTLs, ascending.
type queue struct {
	mu   sync.Mutex
	ttls []uint8
}

func (q *queue) next() (uint8, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ttls) == 0 {
		return 0, false
	}
	ttl := q.ttls[0]
	q.ttls = q.ttls[1:]
	return ttl, true
}

// stop leaves out what is above a TTL.
func (q *queue) stop(ttl uint8) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ttls = slices.DeleteFunc(q.ttls, func(t uint8) bool { return t > ttl })
}
