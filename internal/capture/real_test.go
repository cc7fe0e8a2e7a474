package capture_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rstprobe/rstprobe/internal/capture"
	"github.com/rstprobe/rstprobe/internal/flow"
)

// TestRealCaptures reads captures of real networks, which are not part of the
// project: RSTPROBE_CAPTURES names the directory that holds them. How many
// packets there are of each kind was counted by tshark.
func TestRealCaptures(t *testing.T) {
	dir := os.Getenv("RSTPROBE_CAPTURES")
	if dir == "" {
		t.Skip("RSTPROBE_CAPTURES is not set: no real captures")
	}
	for _, tt := range []struct {
		name                             string
		packets, resets, errors, streams int
		copies                           int // equal resets, two more of each
	}{
		{"103.93.208.20_bisexual.org_bisexual.org", 183, 6, 27, 19, 0},
		{"103.93.208.20_bisexual.org_example.com", 217, 1, 34, 24, 0},
		{"123.30.89.9_youtube.com_example.com_0", 258, 61, 7, 32, 0},
		{"123.30.89.9_youtube.com_youtube.com_0", 458, 58, 6, 73, 0},
		{"195.46.232.198_minecraft.net_example.com", 148, 0, 18, 16, 0},
		{"195.46.232.198_minecraft.net_minecraft.net", 129, 1, 11, 15, 0},
		{"200.115.176.142_binance.com_binance.com", 149, 61, 13, 15, 0},
		{"200.115.176.142_binance.com_example.com", 228, 95, 15, 24, 0},
		{"222.138.4.221_archive.org_archive.org", 183, 30, 18, 20, 12},
		{"222.138.4.221_archive.org_example.com", 157, 0, 16, 19, 0},
		{"85.209.148.79_bridges.torproject.org_bridges.torproject.org", 209, 0, 21, 25, 0},
		{"85.209.148.79_bridges.torproject.org_example.com", 217, 0, 27, 26, 0},
		{"94.20.71.165_www.pokerstars.com_example.com_0", 332, 0, 18, 36, 0},
		{"94.20.71.165_www.pokerstars.com_www.pokerstars.com_0", 506, 0, 16, 76, 0},
		{"95.167.150.101_sohu.com_example.com", 225, 0, 15, 24, 0},
		{"95.167.150.101_sohu.com_sohu.com", 184, 4, 24, 20, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			packets, resets, errors, streams, copies := 0, 0, 0, 0, 0
			seen := map[int]bool{}
			table := flow.NewTable(flow.Config{Yield: func(c *flow.Conversation) {
				if c.Client.Packets+c.Server.Packets > 0 {
					streams++
				}
				errors += c.ICMP
				resets += c.Client.Resets + c.Server.Resets + c.Client.Copies + c.Server.Copies
				copies += c.Client.Copies + c.Server.Copies
				packets += len(c.Events)
				if port := c.Key.Remote.Port(); port != 80 && port != 443 || c.Skipped > 0 || c.Mirrored || c.Steps > 0 {
					t.Errorf("server %v, %d packets skipped, mirrored %v, %d steps", c.Key.Remote, c.Skipped, c.Mirrored, c.Steps)
				}
				for _, e := range c.Events {
					if seen[e.N] {
						t.Errorf("packet %d is in two conversations", e.N)
					}
					seen[e.N] = true
				}
			}})
			path := filepath.Join(dir, tt.name+".pcap")
			if n := read(t, path, func(f *capture.Frame) { table.Add(f.N, f.At, &f.Packet) }); n != tt.packets {
				t.Errorf("%d frames, want %d", n, tt.packets)
			}
			table.Flush()
			if packets != tt.packets || resets != tt.resets || errors != tt.errors || streams != tt.streams || copies != tt.copies {
				t.Errorf("%d packets, %d resets, %d ICMP errors, %d streams, %d copies; want %d, %d, %d, %d, %d",
					packets, resets, errors, streams, copies, tt.packets, tt.resets, tt.errors, tt.streams, tt.copies)
			}
		})
	}
}
