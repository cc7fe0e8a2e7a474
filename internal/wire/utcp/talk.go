package utcp

import (
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// talk lets the conversation hear what is in order by now, and says its answer.
func (c *Conn) talk(now time.Time, s packet.Segment) {
	if c.cfg.Talk == nil || len(s.Payload) == 0 || len(c.plan) > 0 || s.Seq.Sub(c.heard) > window {
		return
	}
	c.unheard = append(c.unheard, s)
	var b []byte
	for grown := true; grown; {
		grown = false
		c.unheard = slices.DeleteFunc(c.unheard, func(s packet.Segment) bool {
			skip := c.heard.Sub(s.Seq)
			if skip < 0 {
				return false
			}
			if skip < len(s.Payload) {
				b = append(b, s.Payload[skip:]...)
				c.heard, grown = s.Seq.Add(len(s.Payload)), true
			}
			return true
		})
	}
	if len(b) == 0 {
		return
	}
	if out := c.cfg.Talk.Hear(b); len(out) > 0 {
		for _, l := range c.cut(line{flags: packet.PSH | packet.ACK, seq: c.sndNxt, ack: c.in.next, data: out, held: true}) {
			c.say(l, now)
		}
	}
	if c.cfg.Talk.Over() {
		c.end(now, c.cfg.Linger)
	}
}
