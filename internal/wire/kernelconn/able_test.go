package kernelconn

import (
	"testing"

	"github.com/rstprobe/rstprobe/probe"
)

func TestAble(t *testing.T) {
	t.Parallel()
	hello := probe.Stimulus{Kind: probe.SNI, Name: "blocked.example"}
	for _, tt := range []struct {
		name  string
		trial probe.Trial
		want  bool
	}{
		{"a SYN", probe.Trial{Stimulus: probe.Stimulus{Kind: probe.SYN}}, true},
		{"a sweep of SYNs", probe.Trial{Stimulus: probe.Stimulus{Kind: probe.SYN}, TTLs: []uint8{1, 2}}, true},
		{"a ClientHello", probe.Trial{Stimulus: hello}, true},
		{"a sweep", probe.Trial{Stimulus: hello, TTLs: []uint8{1, 2}}, true},
		{"a page inside TLS", probe.Trial{Stimulus: hello, Fetch: "blocked.example"}, true},
		{"segments", probe.Trial{Stimulus: hello, Split: []int{40}, MSS: 536}, true},
		{"an ACK without a connection", probe.Trial{Stimulus: probe.Stimulus{Kind: probe.ACK}}, false},
		{"without a handshake", probe.Trial{Stimulus: hello, Unconnected: true}, false},
		{"ahead of sequence", probe.Trial{Stimulus: hello, Ahead: 1}, false},
		{"without options", probe.Trial{Stimulus: hello, Profile: probe.BareSYN}, false},
		{"a reader", probe.Trial{Stimulus: hello, TTLs: []uint8{3}, Reader: probe.ReadFIN}, false},
		{"a page behind copies", probe.Trial{Stimulus: hello, TTLs: []uint8{3}, Fetch: "blocked.example"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := able(tt.trial); got != tt.want {
				t.Errorf("able: %v, want %v", got, tt.want)
			}
		})
	}
}
