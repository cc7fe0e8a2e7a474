package traceroute

import (
	"fmt"
	"math"
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// Reading is one trial of trigger-then-read: a copy with a TTL, then a
// harmless packet on the same connection.
type Reading struct {
	TTL uint8 // of the copy
	Met probe.Observation
}

// Readings are the trials of trigger-then-read that answer one question.
// Only what the server makes of the reader counts, so it needs neither ICMP
// nor anything that a box says: it finds boxes that swallow, that answer late
// and that copy our TTL.
type Readings struct {
	Reader    probe.Reader
	ServerTTL int         // copies below it cannot reach the server
	Whole     bool        // answers were fetched whole: one that lacks its end was cut or held up
	Control   []Reading   // after copies of a control stimulus
	Test      [][]Reading // after copies of the test stimulus, one list per round
	Full      []Reading   // after test copies that reached the box wherever it stands: how often it acts, and nothing of its place
}

// fate is how a reader's end compares with that of a reader after a control
// copy.
type fate int

const (
	usual  fate = iota
	silent      // nothing: a lost packet looks alike
	other       // another end: nothing innocent is in the habit of that
	fates
)

// end names what a reader met. What had come before the reader was sent is an
// end, too.
func (rs Readings) end(r Reading) string {
	if rs.Whole && r.Met.Said < r.Met.Reply.Total {
		return ""
	}
	if o := r.Met; o.Reader != nil && slices.ContainsFunc(slices.Concat(o.Resets, o.FINs), func(s probe.Seen) bool { return s.At <= o.Reader.At }) {
		return "ended before"
	}
	switch o := r.Met.Outcome; o {
	case probe.Drop, probe.Stall:
		return ""
	case probe.OK, probe.Alert:
		return fmt.Sprint(o, r.Met.Reply.Kind, r.Met.Reply.Status)
	default:
		return string(o)
	}
}

// carried reports whether the reader was sent, on a connection that stood.
func (r Reading) carried() bool { return r.TTL > 0 && r.Met.SYNACK != nil && !r.Met.Cut }

// Odd reports whether a reader met another end than most did after control
// copies.
func (rs Readings) Odd(r Reading) bool {
	most, ok := rs.usualEnd()
	return ok && r.carried() && fateOf(rs.end(r), most) != usual
}

// usualEnd is what most readers after control copies met.
func (rs Readings) usualEnd() (string, bool) {
	votes := map[string]int{}
	for _, c := range rs.Control {
		if c.carried() {
			votes[rs.end(c)]++
		}
	}
	best := ""
	for end, n := range votes {
		if n > votes[best] || n == votes[best] && end < best {
			best = end
		}
	}
	return best, best != ""
}

func fateOf(end, most string) fate {
	switch end {
	case most:
		return usual
	case "":
		return silent
	}
	return other
}

// Facts sums the readings up for the judge. The box stands between After and
// At with a posterior probability of at least 0.99: below it a reader meets
// what readers after control copies meet, as often as they do; from it on it
// meets each end at a rate of its own. Lost packets thus widen the segment.
// Where no reader met anything unusual, At is ServerTTL.
func (rs Readings) Facts() probe.ReadSweep {
	f := probe.ReadSweep{Reader: rs.Reader, ServerTTL: rs.ServerTTL}
	most, ok := rs.usualEnd()
	var control ends
	for _, c := range rs.Control {
		if c.carried() {
			control[fateOf(rs.end(c), most)]++
		}
	}
	f.Controls = control.sum()
	f.ControlBad = f.Controls - control[usual]
	var rounds [][]Reading
	for _, round := range rs.Test {
		read := slices.DeleteFunc(slices.Clone(round), func(r Reading) bool { return !r.carried() || int(r.TTL) >= rs.ServerTTL })
		if len(read) > 0 {
			rounds = append(rounds, read)
		}
	}
	f.Rounds = len(rounds)
	if !ok || f.ServerTTL == 0 || f.Rounds == 0 {
		return f
	}
	f.After, f.At, _ = place(rs.likelihood(rounds, control, most))
	for _, round := range rounds {
		met := false
		for _, r := range round {
			if int(r.TTL) < f.At || fateOf(rs.end(r), most) == usual {
				continue
			}
			met = true
			for _, s := range slices.Concat(r.Met.Resets, r.Met.FINs, r.Met.Data, r.Met.Errors) {
				f.Packets = append(f.Packets, s.N)
			}
		}
		if met == (f.At < f.ServerTTL) {
			f.Votes++
		}
		f.ServerReset = f.ServerReset || most != string(probe.Reset) && control[other] == 0 && rs.serverReset(round)
	}
	slices.Sort(f.Packets)
	return f
}

// ends counts readers by their fate.
type ends [fates]int

func (e ends) sum() int { return e[usual] + e[silent] + e[other] }

// log is the logarithm of the probability of these ends, in one given order,
// over all rates, of which as much is known as if prior readers had been sent
// (a Dirichlet distribution).
func (e ends) log(prior [fates]float64) float64 {
	l, before, after := 0.0, 0.0, 0.0
	for i, n := range e {
		x, _ := math.Lgamma(prior[i] + float64(n))
		y, _ := math.Lgamma(prior[i])
		l += x - y
		before += prior[i]
		after += prior[i] + float64(n)
	}
	x, _ := math.Lgamma(before)
	y, _ := math.Lgamma(after)
	return l + x - y
}

// likelihood is that of each place h = 1 … ServerTTL (its logarithm at h-1).
func (rs Readings) likelihood(rounds [][]Reading, control ends, most string) []float64 {
	// Beforehand one packet in ten is lost, and one end in a hundred is odd.
	below := [fates]float64{9, 1, 0.1}
	for i, n := range control {
		below[i] += float64(n)
	}
	var full ends
	for _, r := range rs.Full {
		if r.carried() {
			full[fateOf(rs.end(r), most)]++
		}
	}
	logs := make([]float64, rs.ServerTTL)
	for h := 1; h <= rs.ServerTTL; h++ {
		before, reached := ends{}, full
		for _, round := range rounds {
			for _, r := range round {
				n := &before
				if int(r.TTL) >= h {
					n = &reached
				}
				n[fateOf(rs.end(r), most)]++
			}
		}
		logs[h-1] = before.log(below) + reached.log([fates]float64{0.5, 0.5, 0.5})
	}
	return logs
}

// serverReset reports whether the server itself reset the connection when our
// FIN came: with its own TTL and, as RFC 9293 §3.10.7.1 has it, with the
// sequence number that our FIN acknowledges and without the ACK flag, which a
// box that rewrites the server's answer leaves standing. The copy cannot have reached it,
// so somebody ended the connection in our name. Of no use where the server
// resets after control copies, too.
func (rs Readings) serverReset(round []Reading) bool {
	return rs.Reader == probe.ReadFIN && slices.ContainsFunc(round, func(r Reading) bool {
		o := r.Met
		return o.Reader != nil && slices.ContainsFunc(o.Resets, func(s probe.Seen) bool {
			fin := o.Reader.Packet.TCP
			return s.At > o.Reader.At && fin.Flags.Has(packet.FIN|packet.ACK) &&
				s.Packet.TTL == o.SYNACK.Packet.TTL && s.Packet.TCP.Seq == fin.Ack && !s.Packet.TCP.Flags.Has(packet.ACK)
		})
	})
}

// Locate places the box of which the facts tell; nil when they do not. The
// search lends its path and the routers' ways back.
func (rs Readings) Locate(s Search, f probe.ReadSweep) *Location {
	if f.At == 0 || f.At >= f.ServerTTL || f.Votes < min(2, f.Rounds) {
		return nil
	}
	e := probe.Evidence{Rule: "reader-fate", Packets: append([]int{}, f.Packets...), Detail: fmt.Sprintf(
		"a harmless packet after a copy with TTL %d or more met another end than after a control copy, in %d of %d rounds; %d of %d did after control copies",
		f.At, f.Votes, f.Rounds, f.ControlBad, f.Controls)}
	if f.ServerReset {
		e.Detail += "; the server itself had lost the connection, which no copy of ours can have told it"
	}
	return &Location{
		After: s.point(f.After), At: s.point(f.At), Method: TriggerRead,
		Votes: f.Votes, Rounds: f.Rounds, ForwardHops: f.At - 1, Evidence: []probe.Evidence{e},
	}
}
