package explain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// traced sends what a path tracer does: copies that expire on the way, each
// with bytes of its own, at one place of the stream.
func (s *script) traced() *script {
	for n := range uint8(8) {
		s.send(cli, packet.ACK|packet.PSH, "copy "+strings.Repeat("x", int(n+1)), ttl(s.ttl[cli]-clientTTL+n+1)).wait(10 * time.Microsecond)
	}
	return s
}

// atServer is a conversation as captured at its server.
func atServer(s *script) *script {
	s.ttl = [2]uint8{clientTTL - 12, 64}
	s.wait(20*time.Microsecond-rtt).synack().wait(rtt).send(cli, packet.ACK, "")
	return s
}

const micro = time.Microsecond

// mistakable are resets that look like something else at first sight.
var mistakable = []struct {
	name    string
	scripts func() []*script
	pattern string
	author  probe.Author
}{
	{"the client's own reset after a path tracer's copies", func() []*script {
		return with(begin().open().traced().says(cli, request).wait(rtt).says(srv, page).acks(cli).wait(second).rst(cli))
	}, "client-abort", probe.OwnSide},
	{"the client's own reset after a path tracer's copies, beside the server's", func() []*script {
		return with(begin().open().traced().says(cli, request).wait(rtt).rst(srv).wait(time.Millisecond).rst(cli))
	}, "unread-data", probe.Server},
	{"nothing but a path tracer's copies before the client's own reset", func() []*script {
		return with(begin().open().traced().wait(second).rst(cli))
	}, "client-gave-up", probe.OwnSide},
	{"a reset to a SYN that was to expire on the way", func() []*script {
		return with(begin().syn(ttl(12)).synack().wait(second).stray(cli))
	}, "half-open-reset", probe.OwnSide},
	{"the client was not heard", func() []*script {
		return with(begin().asked().again(cli, 10*time.Millisecond).wait(second).rst(cli))
	}, "client-gave-up", probe.Undetermined},
	{"the client was heard, if not understood", func() []*script {
		return with(begin().open().send(cli, packet.ACK|packet.PSH, request, seq(clientISS+2)).wait(rtt).acks(srv).wait(second).rst(cli))
	}, "client-gave-up", probe.OwnSide},
	{"copies within microseconds", func() []*script {
		s := with(begin().asked().wait(rtt).says(srv, page).acks(cli).says(cli, "more"))
		s[len(s)-1].again(cli, 1500*micro).again(cli, 3000*micro).again(cli, 7000*micro).wait(20 * time.Millisecond).rst(cli)
		return s
	}, "client-abort", probe.OwnSide},
	{"gaps that do not grow", func() []*script {
		return with(begin().asked().wait(rtt).says(srv, page).again(srv, second).again(srv, 2*second).again(srv, second).wait(4 * second).rst(srv))
	}, "unread-data", probe.Server},
	{"one lost SYN among many that are served", func() []*script {
		s := append(healthy(6), port(40101, 10*second).served(), port(40102, 11*second).syn(), port(40103, 12*second).served())
		return append(s, begin().asked().wait(rtt).says(srv, page).acks(cli).wait(2*second).rst(srv))
	}, "unread-data", probe.Server},
	{"the SYN after the reset is lost, the next is served", func() []*script {
		s := append(healthy(6), port(40102, 10*second).syn(), port(40103, 12*second).served())
		return append(s, begin().asked().wait(rtt).says(srv, page).acks(cli).wait(2*second).rst(srv))
	}, "unread-data", probe.Server},
	{"the next SYN was to expire on the way", func() []*script {
		s := append(healthy(6), port(40102, 10*second).syn(ttl(1)).icmp(packet.TimeExceeded, 11, 0, "203.0.113.1"))
		return append(s, begin().asked().wait(rtt).says(srv, page).acks(cli).wait(2*second).rst(srv))
	}, "unread-data", probe.Server},
	{"the server reads on after its FIN", func() []*script {
		return with(begin().asked().wait(rtt).says(srv, page).ends(srv).acks(cli).says(cli, request).wait(rtt).acks(srv).wait(6 * time.Millisecond).rst(srv))
	}, "lingering-close", probe.Server},
	{"the reset acknowledges data that is not in the capture", func() []*script {
		s := begin().wait(rtt).send(srv, packet.SYN|packet.ACK, "", seq(serverISS), ack(clientISS+1))
		s.wait(10*time.Millisecond).rst(srv, ttl(boxTTL), seq(serverISS+1), ack(clientISS+36))
		return append(healthy(6), s.wait(rtt).acks(srv, ack(clientISS+36)).says(srv, page, ack(clientISS+36)))
	}, "data-triggered", probe.OnPath},
	{"an abort right after the handshake", func() []*script {
		return with(begin().open().wait(262 * micro).rst(srv))
	}, "abortive-close", probe.Server},
}

func TestMistakable(t *testing.T) {
	for _, tt := range mistakable {
		t.Run(tt.name, func(t *testing.T) {
			j, _ := judged(t, tt.scripts(), 0)
			if j.Pattern != tt.pattern || j.Author != tt.author {
				t.Errorf("%s by %q, want %s by %q; %+v", j.Pattern, j.Author, tt.pattern, tt.author, j)
			}
			if strings.Contains(j.Summary+j.Chinese, "%!") {
				t.Errorf("sentence and arguments do not fit: %s %s", j.Summary, j.Chinese)
			}
		})
	}
}

// TestTracedAtServer: at the server the copies that come through are one
// sender's, too.
func TestTracedAtServer(t *testing.T) {
	s := atServer(begin().syn(ttl(clientTTL - 12)))
	for n := range uint8(4) {
		s.send(cli, packet.ACK|packet.PSH, "copy "+strings.Repeat("x", int(n+1)), ttl(n+1)).wait(10 * micro)
	}
	s.says(cli, request).says(srv, page).wait(rtt).acks(cli).wait(second).rst(cli)
	f := explained(s).Flows[0]
	if r := f.Resets[0]; f.Position != explain.AtServer || r.Cause != "C4" {
		t.Errorf("%s (%s) at %q, want C4 at server: %+v", r.Cause, r.Summary, f.Position, r.Evidence)
	}
}

// TestProofUncontested: what is decisive against a finding leaves no proof of
// it.
func TestProofUncontested(t *testing.T) {
	s := begin().asked().wait(rtt).send(srv, packet.ACK|packet.PSH, strings.ToUpper(page)).says(srv, page)
	s.again(srv, second).again(srv, 2*second).again(srv, 4*second).wait(8 * second).rst(srv)
	j, _ := judged(t, with(s), 0)
	for _, e := range j.Against {
		if e.Decisive && j.Confidence == probe.Proved {
			t.Errorf("%s proved, against it %s", j.Pattern, e.Detail)
		}
	}
	if j.Pattern == "retransmissions-exhausted" && len(j.Against) == 0 {
		t.Errorf("nothing against %+v", j)
	}
}

// TestTriggerUnknown: without data of the client, and a SYN to draw the reset,
// nobody knows what drew it.
func TestTriggerUnknown(t *testing.T) {
	for name, s := range map[string]*script{
		"a reset only": begin().wait(rtt).stray(srv),
		"one direction": begin().wait(rtt).send(srv, packet.SYN|packet.ACK, "", seq(serverISS), ack(clientISS+1)).
			wait(10*time.Millisecond).rst(srv, ttl(boxTTL), seq(serverISS+1), ack(clientISS+36)),
		"silence after the handshake": begin().open().silent(),
	} {
		if f := explained(s).Flows[0]; f.Trigger != probe.TriggerUnknown {
			t.Errorf("%s: trigger %q, want unknown", name, f.Trigger)
		}
	}
}

// TestNotClean: what is not known to be harmless is not called clean.
func TestNotClean(t *testing.T) {
	dead := func(n int) *script {
		return between("192.0.2.1:50001", "203.0.113.8:80", time.Duration(n)*time.Minute, 10*n+1).syn().again(cli, second).silent()
	}
	gone := func(n int) []*script {
		out := []*script{begin().asked().wait(rtt).says(srv, page).acks(cli).wait(second).rst(cli)}
		for i := range n {
			out = append(out, dead(i))
		}
		return out
	}
	blind := begin().asked().wait(rtt).says(srv, page)
	for i := range 6 {
		blind.rst(srv, seq(packet.Seq(90000+100000*i)), ack(0), flags(packet.RST))
	}
	oneWay := func() []*script {
		var out []*script
		for i := range 3 {
			out = append(out, port(40001+i, time.Duration(i)*second).syn().wait(rtt).acks(cli, ack(serverISS+1)).says(cli, request).wait(rtt).acks(cli, ack(serverISS+500)).silent())
		}
		return out
	}
	for _, tt := range []struct {
		name    string
		scripts []*script
		want    probe.Overall
	}{
		{"blind resets", with(blind.acks(cli).says(cli, request).wait(rtt).acks(srv)), probe.OverallInconclusive},
		{"one direction", oneWay(), probe.OverallInconclusive},
		{"begins too late", with(begin().wait(rtt).stray(srv)), probe.OverallInconclusive},
		{"most do not answer", gone(20), probe.OverallUnreachable},
		{"nobody answers", gone(20)[1:], probe.OverallUnreachable},
		{"some do not answer", gone(1), probe.OverallInconclusive},
		{"a client that aborts", gone(0), probe.Clean},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := explained(tt.scripts...).Verdict
			if v.Outcome != tt.want {
				t.Errorf("%q (%s), want %q", v.Outcome, v.Summary, tt.want)
			}
			if v.Outcome == probe.Clean && strings.Contains(v.Summary, "times") {
				t.Errorf("%s", v.Summary)
			}
		})
	}
}

// TestCut: what is open at the end of a capture that breaks off is not settled.
func TestCut(t *testing.T) {
	for cut, want := range map[bool]probe.Overall{false: probe.Clean, true: probe.OverallInconclusive} {
		e := explain.New(0)
		for _, s := range append(healthy(12), begin().asked().silent()) {
			e.Add(s.c)
		}
		if cut {
			e.Cut()
		}
		if v := e.Finish().Verdict; v.Outcome != want {
			t.Errorf("cut %t: %q (%s), want %q", cut, v.Outcome, v.Summary, want)
		}
	}
}

// TestAbortWords: where nothing was said, the abort does not follow data.
func TestAbortWords(t *testing.T) {
	j, _ := judged(t, with(begin().open().wait(262*micro).rst(srv)), 0)
	if !strings.Contains(j.Summary, "right after the handshake") || strings.Contains(j.Summary, "data") {
		t.Errorf("%s: %s", j.Pattern, j.Summary)
	}
}
