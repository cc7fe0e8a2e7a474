package kernelconn

import (
	"bytes"
	"context"
	"errors"
	"time"
)

// listen notes what comes behind the stimulus, or behind the handshake where
// there is none, until the trial is over: some time after what ended it, or
// when nothing came for too long. An answer is watched as long as watch lasts
// at most. limited says that the stimulus has a TTL with which it may expire.
func (k *talk) listen(ctx, watch context.Context, limited bool) error {
	silent, err := k.patience(limited)
	if err != nil {
		return err
	}
	end, current := time.Time{}, ctx // zero: nothing has ended the trial
	if k.said == 0 {
		end = time.Now().Add(k.trial.Linger)
	}
	buffer := make([]byte, 32<<10)
	for k.last != reset {
		until := silent
		if !end.IsZero() {
			until = end
		}
		err := k.hearNext(current, until, buffer, limited)
		now := time.Now()
		switch {
		case errors.Is(err, errTimeout) && end.IsZero():
			acked, at, err := k.acknowledgments(now)
			if err != nil {
				return err
			}
			if acked > k.acked {
				k.acknowledge(at, acked)
				silent = at.Add(k.trial.Timeout)
				continue
			}
			k.expire(now)
			return k.retried(now)
		case errors.Is(err, errTimeout), err != nil && ctx.Err() == nil && watch.Err() != nil:
			return k.wrapUp(now)
		case err != nil:
			return err
		}
		if d, ends := k.linger(limited); ends && (end.IsZero() || now.Add(d).Before(end)) {
			end = now.Add(d)
		}
		if k.last == answered || k.last == closed {
			current = watch
		}
	}
	if err := k.wrapUp(time.Now()); err != nil || limited {
		return err
	}
	// There is nothing more to hear, but what accompanies this trial is to be
	// watched as long as it would be.
	return sleep(ctx, k.trial.Linger)
}

// patience is until when silence is waited for. A copy that is to expire is
// sent again by the kernel first: that tells loss from silence, and an error
// from a router so near that it comes while the kernel is still sending is
// lost on the way to us the first time.
func (k *talk) patience(limited bool) (time.Time, error) {
	silent := time.Now().Add(k.trial.Timeout)
	if !limited {
		return silent, nil
	}
	info, err := k.info()
	if err != nil {
		return silent, err
	}
	return silent.Add(info.rto), nil
}

// linger is how long to listen after what was heard last; false: it ends
// nothing.
func (k *talk) linger(limited bool) (time.Duration, bool) {
	switch k.last {
	case answered, closed:
		if k.trial.Watch > 0 && (k.client == nil || !k.client.Over()) {
			return k.trial.Watch, true
		}
		return k.trial.Linger, true
	case failed:
		return k.trial.Linger, true
	case expired:
		// A forged reset may come behind the router's error, as late as a box
		// is known to answer: the trial's timeout is that and a round trip.
		return max(k.trial.Linger, k.trial.Timeout-k.x.roundTrip(k.trial.Remote)), limited && !k.trial.Twice
	case nothing, stood, reset:
	}
	return 0, false
}

// wrapUp notes what only shows when the kernel is asked.
func (k *talk) wrapUp(now time.Time) error {
	acked, at, err := k.acknowledgments(now)
	if err != nil {
		return err
	}
	k.acknowledge(at, acked)
	return k.retried(now)
}

// hearNext waits for one thing and notes it.
func (k *talk) hearNext(ctx context.Context, until time.Time, buffer []byte, limited bool) error {
	n, how, err := k.read(ctx, until, buffer, k.eof, limited)
	now := time.Now()
	switch {
	case err != nil:
		return err
	case errors.Is(how, errTimeout):
		return errTimeout // the kernel has given up before us
	case how != nil:
		if err := k.retried(now); err != nil {
			return err
		}
		return k.broken(now, how, limited)
	}
	acked, _, err := k.acknowledgments(now)
	if err != nil {
		return err
	}
	k.acked = max(k.acked, acked)
	if n == 0 {
		k.last, k.eof = closed, true
		k.fin(now)
		return nil
	}
	k.last = answered
	k.answer(now, buffer[:n])
	if k.client == nil {
		return nil
	}
	return k.tell(ctx, k.client.Hear(bytes.Clone(buffer[:n])), 0)
}
