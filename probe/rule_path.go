package probe

import (
	"fmt"
	"math"
	"slices"
	"time"
)

func belowServerTTL(f *Findings) *Evidence {
	s := f.Sweeps
	if len(s.Hits) == 0 || s.At == 0 || s.At >= s.ServerTTL || !enough(s.Votes, s.Rounds) || f.habit() {
		return nil
	}
	// By numbers that no socket shows, what a server sends of its own accord
	// is told from an answer to a copy.
	if f.onSockets() && len(s.ControlHits) > 0 {
		return nil
	}
	detail := fmt.Sprintf("drawn at TTL %d and above in %d of %d sweeps; the server is at TTL %d", s.At, s.Votes, s.Rounds, s.ServerTTL)
	if s.Confirmed {
		detail += "; a single timed copy drew nothing one TTL lower and the same at this one"
	}
	if len(s.ControlHits) > 0 {
		detail += "; control copies drew it, too"
	}
	return &Evidence{Packets: s.Hits, Detail: detail}
}

// repeats are the copies behind which the SYN-ACK came again, and all those
// that tell.
func repeats(copies []Observation) (again, all int) {
	for _, o := range copies {
		if o.SYNACK == nil || o.Stimulus == nil || o.Cut {
			continue
		}
		all++
		if o.SYNACKs > 0 {
			again++
		}
	}
	return again, all
}

func synackStops(f *Findings) *Evidence {
	again, all := repeats(f.Halfway)
	usual, controls := repeats(f.HalfwayControl)
	if all < 3 || controls < 3 || 4*usual < 3*controls || again > 0 || !f.served() || f.anyName() || f.byChance() {
		return nil
	}
	e := Evidence{Detail: fmt.Sprintf("behind %d of %d test copies the SYN-ACK came again, and behind %d of %d control copies", again, all, usual, controls)}
	for _, o := range f.Halfway {
		if o.Stimulus != nil {
			e.Packets = append(e.Packets, o.Stimulus.N)
		}
	}
	return &e
}

// passesRouters reports whether copies of the stimulus were seen to come as far
// as the last router, as those of a control do, and every test fails: what
// takes them out stands behind it. Whatever acts on a share of the connections
// may have let the copies pass; and a box that lets the stimulus pass and mutes
// what follows is told by what is sent behind it, which sockets cannot.
func (f *Findings) passesRouters() bool {
	s := f.Sweeps
	return !f.onSockets() && s.ServerTTL > 0 && s.At == s.ServerTTL && s.After == s.ServerTTL-1 && s.Rounds > 1 && enough(s.Votes, s.Rounds) && f.Failed() == len(f.Tests)
}

// fewestSilent is about how many copies no router must have said anything: the
// error about a single one may have got lost.
const fewestSilent = 2

func lostBeforeServer(f *Findings) *Evidence {
	s := f.Sweeps
	// Where the controls meet silence as well, the difference is one of a few
	// ICMP errors, and may be loss.
	if !f.served() || f.anyName() || len(s.Hits) > 0 || s.At == 0 || s.At >= s.ServerTTL || len(s.Control) == 0 || len(s.Passed) > 0 || !enough(s.Votes, s.Rounds) ||
		s.Rounds*(s.ServerTTL-s.At) < fewestSilent {
		return nil
	}
	return &Evidence{Packets: s.Control, Detail: fmt.Sprintf("no Time Exceeded about test copies from TTL %d on in %d of %d sweeps, %d about control copies", s.At, s.Votes, s.Rounds, len(s.Control))}
}

func routerForbids(f *Findings) *Evidence {
	var e Evidence
	n := 0
	for _, o := range f.Tests {
		for _, icmp := range o.Errors {
			if forbids(icmp) && o.SYNACK != nil && o.Stimulus != nil && icmp.From() != o.SYNACK.From() {
				e.Packets = append(e.Packets, icmp.N)
				e.Detail = fmt.Sprintf("ICMP type %d code %d from %v", icmp.Packet.ICMP.Type, icmp.Packet.ICMP.Code, icmp.From())
				n++
				break
			}
		}
	}
	if !enough(n, len(f.Tests)) || count(f.controls(), func(o Observation) bool { return len(o.Errors) > 0 }) > 0 {
		return nil
	}
	return &e
}

func aheadOfSequence(f *Findings) *Evidence {
	var e Evidence
	n := 0
	for _, o := range f.Gap {
		answers := slices.Concat(o.Resets, o.FINs, o.Data)
		if len(answers) == 0 || o.Stimulus == nil || slices.ContainsFunc(answers, o.Unprompted) || f.habit() {
			continue // silence, no connection to ask on, or a server that ends those of its own accord
		}
		seen := answers[0]
		e.Packets = append(e.Packets, seen.N)
		e.Detail = fmt.Sprintf("answered %v after it was sent, one byte ahead of sequence (TTL %d)", seen.Delay.Round(time.Microsecond), seen.Packet.TTL)
		n++
	}
	if !enough(n, len(f.Gap)) {
		return nil
	}
	return &e
}

func answeredNearer(f *Findings) *Evidence {
	// Silence there may be loss, and denies nothing.
	silent := count(f.Elsewhere, func(o Observation) bool { return o.Outcome == Drop || o.Outcome == Stall })
	if f.Nearer == 0 || f.Failed() == 0 || !enough(count(f.Elsewhere, worked), len(f.Elsewhere)-silent) {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("%d hops nearer; the name is served there in %d of %d trials", f.Nearer, count(f.Elsewhere, worked), len(f.Elsewhere))}
}

func sameElsewhere(f *Findings) *Evidence {
	outcome, _ := f.ending()
	same := count(f.Elsewhere, func(o Observation) bool { return o.Outcome == outcome })
	// Where unknown names meet that end too, the control address may belong to
	// a server with the same habit.
	if outcome == OK || unknownNamesAlike(f) != nil || !enough(same, len(f.Elsewhere)) || len(f.ElsewhereControl) == 0 ||
		count(f.ElsewhereControl, worked) < len(f.ElsewhereControl) {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("%s in %d of %d trials at the control address, where the control name is served", outcome, same, len(f.Elsewhere))}
}

// below reports whether the readers tell of a box before the server: most
// rounds agree, control copies fare well, and losses alone would hardly make
// a picture like that.
func (r ReadSweep) below() bool {
	const least = 0.005
	return r.Reader != ReadNothing && r.At > 0 && r.At < r.ServerTTL && enough(r.Votes, r.Rounds) &&
		r.Controls > 0 && 10*r.ControlBad <= r.Controls && r.chance() < least
}

// chance is how likely lost packets make readers look silenced at every TTL
// from At on, in as many rounds as agree: each reader by itself is lost as
// often as those after control copies, counted with one more (Laplace).
func (r ReadSweep) chance() float64 {
	each := float64(r.ControlBad+1) / float64(r.Controls+2)
	rounds := math.Exp(logChoose(r.Rounds, r.Votes))
	return rounds * math.Pow(each, float64(r.Votes*(r.ServerTTL-r.At)))
}

func readBelowServerTTL(f *Findings) *Evidence {
	r := f.Read
	if !r.below() || !f.served() || f.anyName() || f.byChance() {
		return nil
	}
	return &Evidence{Packets: slices.Clone(r.Packets), Detail: fmt.Sprintf("after a copy with TTL %d and above, a harmless packet on the same connection meets another end, in %d of %d rounds; after %d of %d control copies it does not; the server is at TTL %d",
		r.At, r.Votes, r.Rounds, r.Controls-r.ControlBad, r.Controls, r.ServerTTL)}
}

// anyName reports whether most controls fail like the tests, and go on to fail
// when what the tests may have left behind is over: then copies that say one
// name or another cannot differ but by chance.
func (f *Findings) anyName() bool {
	controls := f.controls()
	bad := len(controls) - count(controls, worked)
	return 2*bad > len(controls) && !(len(f.Later) > 0 && 2*count(f.Later, worked) > len(f.Later))
}

func resetInOurName(f *Findings) *Evidence {
	r := f.Read
	// Where the resets of the tests come from as far, this one, too, may be
	// the server's answer rewritten.
	if !r.ServerReset || !r.below() || f.atServersDistance() {
		return nil
	}
	return &Evidence{Packets: slices.Clone(r.Packets), Detail: fmt.Sprintf("the server resets the connection when we go on with it, after a copy with TTL %d that cannot have reached it at TTL %d", r.At, r.ServerTTL)}
}

func neverAcknowledged(f *Findings) *Evidence {
	n := count(f.Tests, func(o Observation) bool { return o.Outcome == Drop && o.Stage == StageData })
	if !enough(n, len(f.Tests)) || !f.served() {
		return nil
	}
	how := ""
	if count(f.Tests, func(o Observation) bool { return o.Retries == 0 }) == 0 {
		how = ", each sent again"
	}
	return &Evidence{Detail: fmt.Sprintf("not acknowledged in %d of %d trials%s; controls were answered", n, len(f.Tests), how)}
}

func acknowledgedThenSilent(f *Findings) *Evidence {
	n := count(f.Tests, func(o Observation) bool { return o.Outcome == Stall && len(o.Data) == 0 && !o.Untold })
	if !enough(n, len(f.Tests)) || !f.served() {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("acknowledged and never answered in %d of %d trials; controls were answered", n, len(f.Tests))}
}

// smallPasses: what is lost in large packets arrives in small ones.
func smallPasses(f *Findings) *Evidence {
	silent := func(o Observation) bool { return o.Outcome == Drop || o.Outcome == Stall }
	if len(f.Leading) == 0 || count(f.Leading, silent) < len(f.Leading) || !enough(count(f.Small, worked), len(f.Small)) {
		return nil
	}
	return &Evidence{Supports: Undetermined, Detail: fmt.Sprintf("controls in full segments meet silence %d of %d times; in segments of 536 bytes they are served %d of %d times",
		len(f.Leading), len(f.Leading), count(f.Small, worked), len(f.Small))}
}
