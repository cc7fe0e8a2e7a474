package probe

import (
	"fmt"
	"slices"
	"time"
)

func belowServerTTL(f *Findings) *Evidence {
	s := f.Sweeps
	if len(s.Hits) == 0 || s.At == 0 || s.At >= s.ServerTTL || !enough(s.Votes, s.Rounds) {
		return nil
	}
	detail := fmt.Sprintf("drawn at TTL %d and above in %d of %d sweeps; the server is at TTL %d", s.At, s.Votes, s.Rounds, s.ServerTTL)
	if s.Confirmed {
		detail += "; a single timed copy drew nothing one TTL lower and the same at this one"
	}
	if len(s.ControlHits) > 0 {
		detail += "; control copies drew it too, so the name is not what matters"
	}
	return &Evidence{Packets: s.Hits, Detail: detail}
}

func lostBeforeServer(f *Findings) *Evidence {
	s := f.Sweeps
	if len(s.Hits) > 0 || s.At == 0 || s.At >= s.ServerTTL || len(s.Control) == 0 || len(s.Passed) > 0 || !enough(s.Votes, s.Rounds) {
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
		if len(answers) == 0 || slices.ContainsFunc(answers, o.Unprompted) {
			continue // silence, or a server that ends idle connections
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

func neverAcknowledged(f *Findings) *Evidence {
	n := count(f.Tests, func(o Observation) bool { return o.Outcome == Drop && o.Stage == StageData })
	if !enough(n, len(f.Tests)) || !f.served() {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("not acknowledged in %d of %d trials, each sent again; controls were answered", n, len(f.Tests))}
}
