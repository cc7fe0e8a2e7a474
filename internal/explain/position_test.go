package explain_test

import (
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/explain"
)

// at is a served conversation as it is captured with these TTLs.
func at(clientTTL, serverTTL uint8, there, here time.Duration) *script {
	s := begin()
	s.ttl = [2]uint8{clientTTL, serverTTL}
	return s.syn().wait(there-rtt).synack().wait(here).acks(cli).says(cli, request).wait(there).says(srv, page).acks(cli).ends(cli).wait(there).rst(srv)
}

func TestPosition(t *testing.T) {
	const none = 20 * time.Microsecond
	tests := []struct {
		name        string
		capture     *script
		want        explain.Position
		clientFirst bool
	}{
		{name: "client", capture: at(64, 52, rtt, none), want: explain.AtClient},
		{name: "client that is slow to acknowledge", capture: at(64, 52, rtt, 20*rtt), want: explain.AtClient},
		{name: "Windows client", capture: at(128, 52, rtt, none), want: explain.AtClient},
		{name: "server", capture: at(52, 64, none, rtt), want: explain.AtServer},
		{name: "load balancer with an initial TTL of its own, at the client", capture: at(64, 102, rtt, none), want: explain.AtClient},
		{name: "middle", capture: at(60-3, 64-7, rtt/2, rtt/2), want: explain.InTheMiddle},
		{name: "two hosts on one link, at the client", capture: at(64, 64, rtt, none), want: explain.AtClient},
		{name: "loopback", capture: at(64, 64, none, none), want: explain.UnknownPosition},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rep := explained(tt.capture)
			if rep.Position != tt.want {
				t.Errorf("position %q, want %q", rep.Position, tt.want)
			}
			if len(rep.Flows) != 1 || rep.Flows[0].Position != tt.want {
				t.Errorf("position of the conversation in %+v, want %q", rep.Flows, tt.want)
			}
		})
	}
}

// TestPositionIsVoted has most conversations say one thing, and one that
// does not know.
func TestPositionIsVoted(t *testing.T) {
	oneWay := begin().syn(ttl(60-1)).again(cli, time.Second).silent()
	rep := explained(at(64, 52, rtt, 0), at(64, 52, rtt, 0), at(52, 64, 20*time.Microsecond, rtt), oneWay)
	if rep.Position != explain.AtClient {
		t.Errorf("position %q, want %q", rep.Position, explain.AtClient)
	}
}
