package kernelconn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/dialogue"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// talk is one connection of a trial.
type talk struct {
	*socket
	tape
	x      *Exchanger
	trial  probe.Trial
	resent int              // segments of ours sent again, as far as they are noted
	held   bool             // none that was sent again is on its way now: it was answered, or never left
	last   sign             // what was heard last
	eof    bool             // the peer has closed its half
	client *dialogue.Client // goes on behind the stimulus; nil: nobody does
}

// sign is one thing heard of a connection.
type sign uint8

const (
	nothing  sign = iota
	stood         // the SYN-ACK
	answered      // data
	closed        // a FIN
	reset         // a reset, to our SYN or later: the kernel forgets the connection
	expired       // an ICMP Time Exceeded
	failed        // any other ICMP error
)

// dial opens a socket for a trial. ttl limits its SYN, 0 leaves it to the
// system; below floor it hears nothing.
func (x *Exchanger) dial(t probe.Trial, port uint16, ttl, floor uint8, start time.Time) (*talk, error) {
	s, err := x.lease(t.Remote, port)
	if err != nil {
		return nil, err
	}
	k := &talk{socket: s, x: x, trial: t, tape: tape{key: packet.Key{Local: s.local, Remote: t.Remote}, start: start}}
	if ttl > 0 {
		err = s.setTTL(int(ttl))
	}
	if err == nil && t.MSS > 0 {
		err = s.setMSS(t.MSS)
	}
	if err == nil && floor > 0 {
		err = s.setFloor(int(floor))
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return k, nil
}

// handshake sends the SYN, which is the copy if it carries the stimulus, calls
// left, and waits for what becomes of it.
func (k *talk) handshake(ctx context.Context, ttl uint8, stimulus bool, wait time.Duration, left func()) error {
	if err := k.x.knock(ctx, k.trial.Remote); err != nil {
		return err
	}
	if err := k.x.pace(ctx); err != nil {
		return err
	}
	begun := time.Now()
	k.syn(begun, k.orSystem(ttl), stimulus)
	how, err := k.connect(ctx, begun.Add(wait), left)
	now := time.Now()
	switch again := k.retried(now); {
	case again != nil:
		return again
	case errors.Is(err, errTimeout) && k.resent > 0 && k.held:
		how = errForbidden // of which the kernel tells nobody
	case errors.Is(err, errTimeout), errors.Is(how, errTimeout):
		k.expire(now)
		return nil
	case err != nil:
		return err
	case how == nil:
		k.last = stood
		k.open(now)
		if k.resent == 0 { // Karn's rule, RFC 6298 §3
			k.x.learn(k.trial.Remote, now.Sub(begun))
		}
		return nil
	}
	if e := (icmpError{}); errors.As(how, &e) {
		k.report(now, e)
		return nil
	}
	if errors.Is(how, errReset) {
		k.last = reset
		k.reset(now)
		return nil
	}
	k.events = nil // nothing has left
	return fmt.Errorf("kernelconn: connect to %v: %w", k.trial.Remote, how)
}

// report notes an ICMP error.
func (k *talk) report(now time.Time, e icmpError) {
	k.last = failed
	if e.icmp.Kind == packet.TimeExceeded {
		k.last = expired
	}
	k.icmp(now, e.from, e.ttl, e.icmp)
}

func (k *talk) orSystem(ttl uint8) uint8 {
	if ttl == 0 {
		return k.socket.ttl
	}
	return ttl
}

// retried notes what the kernel sent again since it was asked last.
func (k *talk) retried(now time.Time) error {
	info, err := k.info()
	if err != nil {
		return err
	}
	k.held = info.held
	if n := info.resent - k.resent; n > 0 {
		k.again(now, n)
		k.resent += n
	}
	return nil
}

// acknowledgments asks the kernel how much of ours the peer has acknowledged,
// which it tells nobody unasked, and when the last one came.
func (k *talk) acknowledgments(now time.Time) (bytes int, at time.Time, err error) {
	info, err := k.info()
	if err != nil {
		return 0, now, err
	}
	return info.acked, now.Add(-info.sinceAck), nil
}

// tell sends the stimulus, cut where the trial says.
func (k *talk) tell(ctx context.Context, b []byte, ttl uint8) error {
	if ttl > 0 {
		if err := k.setTTL(int(ttl)); err != nil {
			return err
		}
	}
	var offsets []int
	if k.said == 0 {
		offsets = k.trial.Split
	}
	for i, part := range cut(b, offsets) {
		if i > 0 && k.trial.SplitGap > 0 {
			if err := sleep(ctx, k.trial.SplitGap); err != nil {
				return err
			}
		}
		if err := k.x.pace(ctx); err != nil {
			return err
		}
		for len(part) > 0 && k.last != reset {
			now := time.Now()
			n, err := k.write(part, ttl > 0)
			if n > 0 {
				k.say(now, k.orSystem(ttl), part[:n])
				part = part[n:]
			}
			if err != nil {
				if err := k.broken(now, err, ttl > 0); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// cut makes pieces of b at ascending offsets.
func cut(b []byte, offsets []int) [][]byte {
	var parts [][]byte
	from := 0
	for _, to := range append(slices.Clone(offsets), len(b)) {
		if from < to && to <= len(b) {
			parts = append(parts, b[from:to])
			from = to
		}
	}
	return parts
}

// broken notes why a connection that stood went on no longer.
func (k *talk) broken(now time.Time, why error, limited bool) error {
	if errors.Is(why, errReset) {
		k.last = reset
		k.reset(now)
		return nil
	}
	if e := (icmpError{}); errors.As(why, &e) {
		// Behind an answer it is about our acknowledgment, which has no more TTL
		// than the copy.
		if !limited || k.heard == 0 && !k.eof {
			k.report(now, e)
		}
		return nil
	}
	return fmt.Errorf("kernelconn: connection with %v: %w", k.trial.Remote, why)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
