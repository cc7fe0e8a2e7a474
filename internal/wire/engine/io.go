package engine

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
)

// hear hands frames to the trials that they belong to. What those want to say
// is taken afterwards, so that one acknowledgment answers all that came at
// once, as with a kernel that joins segments before it reads them.
func (e *Engine) hear(frames []wire.Frame, now time.Time) {
	var heard []*job
	for _, f := range frames {
		if j := e.receive(f, now); j != nil && !slices.Contains(heard, j) {
			heard = append(heard, j)
		}
	}
	for _, j := range heard {
		e.collect(j)
	}
}

// receive hands one frame to the trial that it belongs to; nil for none.
func (e *Engine) receive(f wire.Frame, now time.Time) *job {
	if f.Raw == nil {
		e.transmitted(f)
		return nil
	}
	p, err := packet.Parse(f.Raw)
	if err != nil {
		return nil // foreign traffic that the filter let through; nothing of ours
	}
	key := p.ToUs()
	if p.ICMP.Kind != 0 {
		key = p.ICMP.Quote.Key()
	}
	j, ok := e.jobs[key]
	if !ok {
		return nil
	}
	n := e.number(f.At, f.Raw, p, false)
	j.conn.Receive(f.At, now, p, n)
	return j
}

// transmitted moves a sent packet to the time at which the kernel says that
// it left.
func (e *Engine) transmitted(f wire.Frame) {
	ref := e.stamps[f.Tx%txRing]
	if ref.tx != f.Tx+1 {
		return // too old
	}
	if e.jobs[ref.job.key] == ref.job { // else its record was handed over
		ref.job.conn.Stamped(ref.n, f.At)
	}
	if e.cfg.Log != nil {
		e.cfg.Log.SetTime(ref.n, f.At)
	}
}

// number counts a packet, keeps it and traces it. A log counts for all engines
// that share it.
func (e *Engine) number(at time.Time, raw []byte, p packet.Packet, sent bool) int {
	e.count++
	n := e.count
	if e.cfg.Log != nil {
		n = e.cfg.Log.Add(pcapio.Frame{At: at, Raw: raw, Sent: sent})
	}
	if e.trace != nil {
		e.trace.packet(n, at, p, sent)
	}
	return n
}

// flush sends as much of the outbox as the rate allows and says until when
// to wait for frames.
func (e *Engine) flush(now time.Time) (until time.Time, err error) {
	for len(e.outbox) > 0 {
		n := min(len(e.outbox), batch)
		for n > 0 && !e.limiter.AllowN(now, n) {
			n /= 2
		}
		if n == 0 {
			// One token is due after 1/rate.
			until = now.Add(time.Second / time.Duration(e.cfg.Rate))
			break
		}
		done, err := e.send(e.outbox[:n])
		if err != nil {
			return until, err
		}
		e.outbox = e.outbox[done:]
		if done < n {
			until = now.Add(roomWait)
			break
		}
	}
	if len(e.outbox) == 0 {
		e.outbox = nil // let the sent packets go
	}
	if len(e.due) > 0 && (until.IsZero() || e.due[0].at.Before(until)) {
		until = e.due[0].at
	}
	return until, nil
}

// An interface that takes no more packets is given that long, that often.
const (
	roomWait  = 10 * time.Millisecond
	roomTries = 20
)

// send builds and sends one batch, and reports how much of it is done with;
// there was no room for the rest, which is to be sent later. A datagram that
// this machine refuses to send ends its own trial; the others go on.
func (e *Engine) send(all []outgoing) (done int, err error) {
	for outs := all; len(outs) > 0; outs = all[done:] {
		raws := make([][]byte, 0, len(outs))
		for _, o := range outs {
			raw, err := packet.Build(o.out.Packet)
			if err != nil {
				return done, fmt.Errorf("building a packet to %v: %w", o.out.Packet.Dst, err)
			}
			raws = append(raws, raw)
		}
		at := time.Now()
		n, err := e.cfg.Wire.Send(raws)
		for i, o := range outs[:n] {
			e.noteSent(o, raws[i], at)
		}
		done += n
		switch {
		case err == nil && n < len(outs):
			return done, fmt.Errorf("the wire sent %d of %d packets and gave no reason", n, len(outs))
		case err == nil:
			return done, nil
		case n == len(outs): // no datagram was refused: the wire itself has failed
			return done, fmt.Errorf("sending: %w", err)
		}
		bad := &all[done]
		if bad.tries++; errors.Is(err, wire.ErrNoRoom) && bad.tries < roomTries {
			return done, nil
		}
		done++
		bad.job.unsent--
		e.refuse(bad.job, at, err)
	}
	return done, nil
}

// refuse ends a trial of which a packet was not sent. Where the trial was over
// already, that was but the reset that closes the connection.
func (e *Engine) refuse(j *job, at time.Time, err error) {
	if !j.conn.Done() {
		j.cut = true
		if j.no = refusal(err); j.no == flow.NotRefused {
			j.err = fmt.Errorf("sending to %v: %w", j.trial.Remote, err)
		}
		j.conn.Close(at)
	}
	e.collect(j)
}

func refusal(err error) flow.Refusal {
	switch {
	case errors.Is(err, wire.ErrForbidden):
		return flow.Forbidden
	case errors.Is(err, wire.ErrNoWay):
		return flow.NoWay
	case errors.Is(err, wire.ErrNoRoom):
		return flow.NoRoom
	}
	return flow.NotRefused
}

func (e *Engine) noteSent(o outgoing, raw []byte, at time.Time) {
	p, err := packet.Parse(raw)
	if err != nil { // what Build made, Parse reads; keep the crafted value all the same
		p = o.out.Packet
		p.Raw = raw
	}
	n := e.number(at, raw, p, true)
	e.stamps[e.sent%txRing] = txRef{tx: e.sent + 1, job: o.job, n: n}
	e.mu.Lock()
	e.sent++
	e.mu.Unlock()
	o.job.conn.Sent(at, o.out, p, n)
	o.job.unsent--
	e.finishIfSent(o.job)
}

// finishIfSent delivers the record of a trial that is over, once its last
// packet has left.
func (e *Engine) finishIfSent(j *job) {
	if !j.conn.Done() || j.unsent > 0 || e.jobs[j.key] != j {
		return
	}
	delete(e.jobs, j.key)
	e.freed = true
	rec := j.conn.Record()
	rec.Lost = e.cfg.Wire.Stats().Dropped - j.lost
	rec.Cut, rec.Refused = j.cut, j.no
	e.finish(j, rec, j.err)
}
