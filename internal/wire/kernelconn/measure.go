package kernelconn

import (
	"context"
	"errors"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// measure finds the remaining TTLs of the SYN-ACK and of what ended the
// connection, and writes them into the record. Of a sweep that is the answer
// to the copy with the smallest TTL that drew one; only SYNs have such.
func (r run) measure(ctx context.Context, rec *flow.Record) error {
	r.started = func() {}
	opening, ending := r.answers(rec)
	if opening != nil {
		ttl, err := bisect(func(floor uint8) (bool, error) { return r.heard(ctx, opening, floor, true) })
		if opening.Packet.TTL = ttl; err != nil {
			return err
		}
	}
	if ending == nil || r.trial.TTLs != nil {
		return nil
	}
	ttl, err := bisect(func(floor uint8) (bool, error) { return r.heard(ctx, ending, floor, false) })
	ending.Packet.TTL = ttl
	return err
}

// answers are the first answer to a SYN, of the copy with the smallest TTL that
// drew any, and the first thing that came behind the handshake; nil: there is
// none. What comes later cannot be measured, since a socket that is deaf to
// what came before does not believe it.
func (r run) answers(rec *flow.Record) (opening, ending *flow.Event) {
	for i := range rec.Events {
		e := &rec.Events[i]
		s := e.Packet.TCP
		toSYN := s.Flags.Has(packet.SYN) || s.Flags.Has(packet.RST) && s.Ack == 1
		switch {
		case e.Kind != flow.Received || e.Packet.Proto != packet.TCP:
		case toSYN && (opening == nil || e.TTL < opening.TTL):
			opening = e
		case !toSYN && ending == nil && (s.Len() > 0 || s.Flags.Has(packet.RST)):
			ending = e
		}
	}
	return opening, ending
}

// heard repeats the trial and reports whether the like of an answer is heard
// although the socket is deaf to less than floor: from its SYN on where the
// answer is to that, and otherwise once the connection stands.
func (r run) heard(ctx context.Context, like *flow.Event, floor uint8, toSYN bool) (heard bool, err error) {
	if err := r.x.enter(ctx); err != nil {
		return false, err
	}
	defer r.x.leave()
	early, late := floor, uint8(0)
	if !toSYN {
		early, late = 0, floor
	}
	var synTTL uint8
	if r.trial.Stimulus.Kind == probe.SYN {
		synTTL = max(like.TTL, r.trial.TTL)
	}
	k, err := r.x.dial(r.trial, 0, synTTL, early, r.began)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, k.abort()) }()
	if err := k.handshake(ctx, synTTL, false, r.soon(0), r.started); err != nil {
		return false, err
	}
	if toSYN {
		want := stood
		if like.Packet.TCP.Flags.Has(packet.RST) {
			want = reset
		}
		return k.last == want, nil
	}
	if k.last != stood {
		return false, nil
	}
	if err := k.setFloor(int(late)); err != nil {
		return false, err
	}
	b, err := r.trial.Stimulus.Bytes(0)
	if err != nil {
		return false, err
	}
	if err := k.tell(ctx, b, r.trial.TTL); err != nil {
		return false, err
	}
	until := time.Now().Add(r.soon(like.At))
	for buffer := make([]byte, 32<<10); k.last != signOf(like.Packet.TCP) && k.last != reset; {
		if err := k.hearNext(ctx, until, buffer, false); errors.Is(err, errTimeout) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return k.last == signOf(like.Packet.TCP), nil
}

// soon is how long to wait for what came after a time, and for a round trip if
// that is not known: twice that and some milliseconds, at most the trial's
// timeout.
func (r run) soon(after time.Duration) time.Duration {
	const slack = 200 * time.Millisecond // a busy machine
	return min(r.trial.Timeout, 2*max(after, r.x.roundTrip(r.trial.Remote))+slack)
}

func signOf(s packet.Segment) sign {
	switch {
	case s.Flags.Has(packet.RST):
		return reset
	case s.Size() > 0:
		return answered
	}
	return closed
}
