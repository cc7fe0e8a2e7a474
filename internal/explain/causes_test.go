package explain_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// documented is one conversation per row of the table, with an innocent, or
// guilty, twin that must come out otherwise.
type documented struct {
	pattern string
	scripts []*script // the last one is judged
	reset   int       // index of the reset among the conversation's; ending: how it ended otherwise
	trigger int       // number of the packet that drew it; 0: not asked
	not     []*script // the twin
	instead string    // the twin's pattern; "": none at all
}

const ending = -1

const second = time.Second

// probing is a client that does the same with many ports.
func probing(each func(*script) *script) []*script {
	var out []*script
	for port := range 6 {
		to := fmt.Sprintf("198.51.100.7:%d", 1000+port)
		out = append(out, each(between(fmt.Sprintf("192.0.2.1:%d", 41000+port), to, time.Duration(port)*time.Millisecond, 1+10*port)))
	}
	return out
}

func halfOpen(s *script) *script { return s.syn().synack().stray(cli) }
func connects(s *script) *script { return s.open().wait(time.Millisecond).rst(cli) }

// bulk sends n bytes of the server's in segments of 1000.
func (s *script) bulk(n int) *script {
	s.says(srv, "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n")
	for ; n > 0; n -= 1000 {
		s.says(srv, string(make([]byte, min(n, 1000))))
	}
	return s.acks(cli)
}

// port is a conversation from another port of the client, later.
func port(n int, after time.Duration) *script {
	return between(fmt.Sprintf("192.0.2.1:%d", n), "198.51.100.7:80", after, 1000+n%1000*50)
}

func table() []documented {
	return []documented{
		{pattern: "closed-port", scripts: []*script{begin().syn().refusal()}, trigger: 1,
			not: append(healthy(6), begin().syn().refusal(ttl(boxTTL))), instead: "syn-triggered"},
		{pattern: "syn-triggered", scripts: []*script{begin().syn().wait(rtt/3).send(srv, packet.RST|packet.ACK, "", seq(0), ack(clientISS+1)).synack()}, trigger: 1,
			not: []*script{begin().syn().refusal()}, instead: "closed-port"},
		{pattern: "syn-ack-triggered", scripts: with(begin().open().wait(40*time.Microsecond).stray(srv, ttl(boxTTL)).wait(rtt - 40*time.Microsecond).stray(srv)), trigger: 2,
			not: with(begin().open().wait(rtt).stray(srv)), instead: "accept-queue-overflow"},
		{pattern: "consequential-reset", scripts: with(begin().open().wait(40*time.Microsecond).stray(srv, ttl(boxTTL)).wait(rtt - 40*time.Microsecond).stray(srv)), reset: 1, trigger: 3,
			not: with(begin().open().wait(rtt).stray(srv)), instead: "accept-queue-overflow"},
		{pattern: "accept-queue-overflow", scripts: with(begin().open().wait(rtt).stray(srv)), trigger: 3,
			not: []*script{begin().open().wait(rtt).stray(srv)}, instead: "no-such-connection"},
		{pattern: "data-triggered", scripts: with(begin().asked().wait(rtt/4).rst(srv, ttl(boxTTL)).wait(rtt).acks(srv).says(srv, page)), trigger: 4,
			not: with(begin().asked().wait(rtt).rst(srv)), instead: "unread-data"},
		{pattern: "both-ends-reset", scripts: with(begin().asked().wait(rtt/4).rst(srv, ttl(boxTTL)).wait(rtt).ends(cli).wait(rtt).stray(srv)), trigger: 4,
			not: with(begin().asked().wait(rtt).rst(srv).ends(cli).wait(rtt).stray(srv)), instead: "unread-data"},
		{pattern: "ttl-copied", scripts: with(begin().asked().wait(rtt/3).rst(srv, ttl(9))), trigger: 4,
			not: with(begin().asked().wait(rtt).rst(srv)), instead: "unread-data"},
		{pattern: "forged-answer", reset: ending,
			scripts: with(begin().asked().wait(rtt/3).says(srv, "HTTP/1.1 403 No\r\n\r\nblocked", ttl(boxTTL), flags(packet.FIN|packet.ACK)).wait(rtt).says(srv, page, seq(serverISS+1))),
			not:     with(begin().served()), instead: ""},
		{pattern: "forged-fin", reset: ending, scripts: with(begin().asked().wait(rtt/3).ends(srv, ttl(boxTTL)).silent()),
			not: with(begin().asked().wait(rtt).ends(srv).silent()), instead: ""},
		{pattern: "blind-resets",
			scripts: with(begin().asked().wait(rtt).says(srv, page).rst(srv, seq(90000), ack(0), flags(packet.RST)).rst(srv, seq(190000), ack(0), flags(packet.RST)).
				rst(srv, seq(290000), ack(0), flags(packet.RST)).acks(cli).says(cli, request).wait(rtt).acks(srv)),
			not: with(begin().asked().wait(rtt).rst(srv)), instead: "unread-data"},
		{pattern: "trigger-dropped", reset: ending, scripts: with(begin().asked().again(cli, second).again(cli, 2*second).again(cli, 4*second).silent()),
			not: with(begin().asked().again(cli, second).again(cli, 2*second).wait(rtt).acks(srv).says(srv, page).acks(cli).ends(cli).ends(srv)), instead: ""},
		{pattern: "silenced", reset: ending, scripts: with(begin().asked().wait(rtt).acks(srv).silent()),
			not: with(begin().asked().wait(rtt).acks(srv).says(srv, page).acks(cli).silent()), instead: ""},
		{pattern: "one-direction", reset: ending,
			scripts: with(begin().asked().wait(rtt).says(srv, page).acks(cli).again(srv, second).acks(cli).again(srv, 2*second).acks(cli).again(srv, 4*second).silent()),
			not:     with(begin().asked().wait(rtt).says(srv, page).acks(cli).again(srv, second).acks(cli).ends(cli).ends(srv)), instead: ""},
		{pattern: "volume-cut", reset: ending,
			scripts: []*script{port(40001, 0).asked().bulk(16000).silent(), port(40002, 20*second).asked().bulk(16200).silent(), port(40003, 40*second).asked().bulk(16000).says(cli, request).again(cli, second).silent()},
			not:     []*script{port(40003, 40*second).asked().bulk(16000).says(cli, request).again(cli, second).again(cli, 2*second).silent()}, instead: ""},
		{pattern: "residual-block", reset: ending,
			scripts: append(with(begin().asked().wait(rtt/4).rst(srv, ttl(boxTTL)).wait(rtt).acks(srv).says(srv, page)), port(40009, 20*second).syn().again(cli, second).silent()),
			not:     []*script{port(40009, 20*second).syn().again(cli, second).silent()}, instead: "syn-unanswered"},
		{pattern: "black-hole", reset: ending,
			scripts: append(healthy(3), between("192.0.2.1:50001", "198.51.100.8:80", 0, 1).syn().again(cli, second).silent(), between("192.0.2.1:50002", "198.51.100.8:80", 30*second, 11).syn().again(cli, second).silent()),
			not:     append(healthy(3), between("192.0.2.1:50001", "203.0.113.8:80", 0, 1).syn().again(cli, second).silent()), instead: "syn-unanswered"},
		{pattern: "syn-unanswered", reset: ending, scripts: []*script{begin().syn().again(cli, second).again(cli, 2*second).silent()},
			not: []*script{begin().syn().again(cli, second).synack().send(cli, packet.ACK, "").ends(cli).ends(srv)}, instead: ""},
		{pattern: "path-mtu", reset: ending,
			scripts: with(begin().open().says(cli, string(make([]byte, 1400))).again(cli, second).again(cli, 2*second).silent()),
			not:     with(begin().asked().again(cli, second).again(cli, 2*second).silent()), instead: "trigger-dropped"},
		{pattern: "icmp-unreachable", reset: ending, scripts: []*script{begin().syn().wait(rtt).icmp(packet.Unreachable, 3, 1, "203.0.113.1").again(cli, second).silent()},
			not: []*script{begin().syn().wait(rtt).icmp(packet.TimeExceeded, 11, 0, "203.0.113.1").again(cli, second).silent()}, instead: "syn-unanswered"},
		{pattern: "loss", reset: ending,
			scripts: []*script{begin().asked().again(cli, second).wait(rtt).acks(srv).says(cli, request).again(cli, second).wait(rtt).acks(srv).says(cli, request).again(cli, second).wait(rtt).acks(srv).says(srv, page).ends(cli).ends(srv)},
			not:     []*script{begin().served()}, instead: ""},
		{pattern: "retransmissions-exhausted",
			scripts: with(begin().asked().wait(rtt).says(srv, page).again(srv, second).again(srv, 2*second).again(srv, 4*second).wait(8 * second).rst(srv)),
			not:     with(begin().asked().wait(rtt).says(srv, page).again(srv, second).acks(cli).wait(second).rst(srv)), instead: "unread-data"},
		{pattern: "keepalive-failed",
			scripts: with(begin().asked().wait(rtt).says(srv, page).acks(cli).wait(60 * second).keepalive(srv).wait(10 * second).keepalive(srv).wait(10 * second).keepalive(srv).wait(10 * second).rst(srv)),
			not:     with(begin().asked().wait(rtt).says(srv, page).acks(cli).wait(60 * second).keepalive(srv).acks(cli).wait(60 * second).rst(srv)), instead: "idle-timeout"},
		{pattern: "idle-timeout", scripts: with(begin().asked().wait(rtt).says(srv, page).acks(cli).wait(120 * second).rst(srv)),
			not: with(begin().asked().wait(rtt).says(srv, page).acks(cli).wait(second).rst(srv)), instead: "unread-data"},
		{pattern: "data-after-close", trigger: 8,
			scripts: with(begin().asked().wait(rtt).says(srv, page).ends(srv).acks(cli).says(cli, request).wait(rtt).stray(srv)),
			not:     with(begin().asked().wait(rtt).says(srv, page).ends(srv).wait(rtt).rst(srv)), instead: "fast-close"},
		{pattern: "fast-close", scripts: with(begin().asked().wait(rtt).says(srv, page).acks(cli).ends(cli).wait(rtt).rst(srv)),
			not: with(begin().asked().wait(rtt).says(srv, page).acks(cli).wait(second).rst(srv)), instead: "unread-data"},
		{pattern: "lingering-close",
			scripts: with(begin().asked().wait(rtt).says(srv, page).ends(srv).acks(cli).says(cli, request).wait(rtt).acks(srv).says(cli, request).wait(5 * second).rst(srv)),
			not:     with(begin().asked().wait(rtt).says(srv, page).ends(srv).acks(cli).says(cli, request).wait(rtt).stray(srv)), instead: "data-after-close"},
		{pattern: "unread-data", scripts: with(begin().asked().wait(rtt).rst(srv)), trigger: 4,
			not: with(begin().asked().wait(rtt/4).rst(srv, ttl(boxTTL)).wait(rtt).acks(srv).says(srv, page)), instead: "data-triggered"},
		{pattern: "abortive-close", scripts: with(begin().asked().wait(rtt).says(srv, page).wait(time.Millisecond).rst(srv)),
			not: with(begin().asked().wait(rtt).says(srv, page).acks(cli).wait(second).rst(srv)), instead: "unread-data"},
		{pattern: "process-died",
			scripts: append(append(healthy(6), port(40100, 10*second).syn().refusal()), begin().asked().wait(rtt).says(srv, page).acks(cli).wait(2*second).rst(srv)),
			not:     with(begin().asked().wait(rtt).says(srv, page).acks(cli).wait(2 * second).rst(srv)), instead: "unread-data"},
		{pattern: "time-wait-reuse", scripts: append(with(begin().served()), between("192.0.2.1:40000", "198.51.100.7:80", 30*second, 100).syn(seq(clientISS-500)).wait(rtt).acks(srv, seq(serverISS+99), ack(clientISS+70)).stray(cli)),
			not: []*script{begin().syn().refusal()}, instead: "closed-port"},
		{pattern: "illegal-flags", trigger: 1, scripts: []*script{begin().syn(flags(packet.SYN|packet.FIN)).wait(rtt).send(srv, packet.RST|packet.ACK, "", seq(0), ack(clientISS+2))},
			not: []*script{begin().syn().refusal()}, instead: "closed-port"},
		{pattern: "host-firewall", scripts: with(begin().syn().refusal(ttl(serverTTL + 1))),
			not: with(begin().syn().refusal()), instead: "closed-port"},
		{pattern: "front-end", scripts: []*script{begin().open().says(cli, request).wait(rtt).says(srv, page, ttl(serverTTL-1)).acks(cli).wait(second).rst(srv)},
			not: []*script{begin().asked().wait(rtt).says(srv, page).acks(cli).wait(second).rst(srv)}, instead: "unread-data"},
		{pattern: "no-such-connection", trigger: 1, scripts: []*script{begin().says(cli, request).wait(rtt).stray(srv)},
			not: []*script{begin().asked().wait(rtt).rst(srv)}, instead: "unread-data"},
		{pattern: "translation-leak",
			scripts: []*script{port(40000, 0).asked().wait(rtt).bulk(3000).silent(), between("10.0.0.5:80", "192.0.2.1:40000", second, 900).says(cli, page).stray(srv)},
			not:     []*script{between("10.0.0.5:80", "192.0.2.1:40000", second, 900).says(cli, page).stray(srv)}, instead: "no-such-connection"},
		{pattern: "syn-scan", scripts: probing(halfOpen), not: []*script{halfOpen(begin())}, instead: "half-open-reset"},
		{pattern: "half-open-reset", scripts: []*script{halfOpen(begin())}, trigger: 2, not: probing(halfOpen), instead: "syn-scan"},
		{pattern: "connect-scan", scripts: probing(connects), not: []*script{connects(begin())}, instead: "connect-and-reset"},
		{pattern: "connect-and-reset", scripts: []*script{connects(begin())}, not: probing(connects), instead: "connect-scan"},
		{pattern: "dual-connect-race",
			scripts: []*script{between("192.0.2.1:40001", "198.51.100.7:445", 0, 1).served(), halfOpen(between("192.0.2.1:40002", "198.51.100.7:139", time.Millisecond, 50))},
			not:     []*script{halfOpen(between("192.0.2.1:40002", "198.51.100.7:139", time.Millisecond, 50))}, instead: "half-open-reset"},
		{pattern: "client-abort", scripts: with(begin().asked().wait(rtt).says(srv, page).acks(cli).wait(9 * second).rst(cli)),
			not: with(begin().asked().wait(rtt).says(srv, page).acks(cli).wait(rtt).rst(srv)), instead: "abortive-close"},
		{pattern: "client-gave-up", scripts: with(begin().asked().wait(rtt).acks(srv).wait(9 * second).rst(cli)),
			not: with(begin().asked().wait(rtt).says(srv, page).acks(cli).wait(9 * second).rst(cli)), instead: "client-abort"},
		{pattern: "beside-the-client", trigger: 4, scripts: with(begin().asked().wait(time.Millisecond).rst(srv, ttl(128))),
			not: with(begin().asked().wait(rtt).rst(srv)), instead: "unread-data"},
		{pattern: "nat-forgot", scripts: with(begin().asked().wait(rtt).says(srv, page).acks(cli).wait(400*second).says(cli, request).wait(time.Millisecond).stray(srv, ttl(63))),
			not: with(begin().asked().wait(rtt).says(srv, page).acks(cli).wait(300*second).says(cli, request).wait(rtt).stray(srv)), instead: "idle-timeout"},
		{pattern: "one-way-capture", reset: ending, scripts: []*script{begin().syn().wait(rtt).acks(cli, ack(serverISS+1)).says(cli, request).wait(rtt).acks(cli, ack(serverISS+500)).silent()},
			not: []*script{begin().syn().again(cli, second).silent()}, instead: "syn-unanswered"},
		{pattern: "begins-too-late", scripts: []*script{begin().wait(rtt).stray(srv)}, not: []*script{begin().says(cli, request).wait(rtt).stray(srv)}, instead: "no-such-connection"},
		{pattern: "stray-after-refusal", reset: 1, trigger: 3,
			scripts: []*script{begin().syn().refusal().send(cli, packet.ACK, "").wait(rtt).send(srv, packet.RST|packet.ACK, "", ttl(boxTTL))},
			not:     []*script{begin().syn().refusal()}, instead: "closed-port"},
		{pattern: "captured-twice", reset: ending, scripts: []*script{begin().syn().copied().synack().copied().send(cli, packet.ACK, "").copied().says(cli, request).copied().silent().silent()},
			not: []*script{begin().served()}, instead: ""},
	}
}

// keepalive sends a probe of an idle connection.
func (s *script) keepalive(from int) *script {
	return s.send(from, packet.ACK, "", seq(s.next(from)-1))
}

// last is what the report says of one script's conversation; nil: nothing.
func last(rep explain.Report, s *script) *explain.Flow {
	i := slices.IndexFunc(rep.Flows, func(f explain.Flow) bool { return f.Client == s.c.Key.Local && f.Start.Equal(s.c.Start) })
	if i < 0 {
		return nil
	}
	return &rep.Flows[i]
}

// judged is the judgement that a case is about.
func judged(t *testing.T, scripts []*script, reset int) (explain.Judgement, int) {
	t.Helper()
	f := last(explained(scripts...), scripts[len(scripts)-1])
	switch {
	case f == nil:
		return explain.Judgement{}, 0
	case reset == ending:
		return f.Ending, 0
	case reset < len(f.Resets):
		return f.Resets[reset].Judgement, f.Resets[reset].TriggerPacket
	}
	t.Fatalf("%d resets, want more than %d", len(f.Resets), reset)
	return explain.Judgement{}, 0
}

// TestCauses runs the documented case of every row, and its twin.
func TestCauses(t *testing.T) {
	for _, c := range table() {
		t.Run(c.pattern, func(t *testing.T) {
			j, trigger := judged(t, c.scripts, c.reset)
			if j.Pattern != c.pattern {
				t.Errorf("pattern %q (%s), want %q; %+v", j.Pattern, j.Cause, c.pattern, j)
			}
			if c.trigger != 0 && trigger != c.trigger {
				t.Errorf("drawn by packet %d, want %d", trigger, c.trigger)
			}
			for _, text := range []string{j.Summary, j.Chinese} {
				if strings.Contains(text, "%!") {
					t.Errorf("sentence and arguments do not fit: %s", text)
				}
			}
			if strings.Contains(j.Chinese, "server ") || strings.Contains(j.Chinese, "client ") {
				t.Errorf("not translated: %s", j.Chinese)
			}
			if j.Pattern != "" && (j.Next == "" || j.Summary == "" || j.Chinese == "" || len(j.Evidence) == 0) {
				t.Errorf("incomplete: %+v", j)
			}
		})
		t.Run(c.pattern+"/twin", func(t *testing.T) {
			reset := max(c.reset, 0)
			if f := last(explained(c.not...), c.not[len(c.not)-1]); f == nil || len(f.Resets) <= reset {
				reset = 0
			}
			if f := last(explained(c.not...), c.not[len(c.not)-1]); f == nil || len(f.Resets) == 0 {
				reset = ending
			}
			if j, _ := judged(t, c.not, reset); j.Pattern != c.instead {
				t.Errorf("pattern %q, want %q; %+v", j.Pattern, c.instead, j)
			}
		})
	}
}

// TestEveryCauseIsDocumented holds the table of cases to the table of causes.
func TestEveryCauseIsDocumented(t *testing.T) {
	var have []string
	for _, c := range table() {
		have = append(have, c.pattern)
	}
	for _, c := range explain.Causes() {
		if !slices.Contains(have, c.Pattern) {
			t.Errorf("%s %s has no case", c.Code, c.Pattern)
		}
		if c.Title == "" || c.Story == "" || c.Look == "" || c.Twin == "" || c.Next == "" || c.Author == "" || c.Ceiling == "" {
			t.Errorf("%s %s is not described in full", c.Code, c.Pattern)
		}
	}
}

// TestCodes: a code is a letter and a number, and a pattern names one row.
func TestCodes(t *testing.T) {
	patterns := map[string]bool{}
	for _, c := range explain.Causes() {
		var letter rune
		var n int
		if _, err := fmt.Sscanf(string(c.Code), "%c%d", &letter, &n); err != nil || n == 0 {
			t.Errorf("code %q: %v", c.Code, err)
		}
		if patterns[c.Pattern] {
			t.Errorf("pattern %q has two rows", c.Pattern)
		}
		patterns[c.Pattern] = true
	}
}
