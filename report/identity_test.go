package report

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/traceroute"
)

// TestIdentify: who runs the network of a box is said only where it cannot be
// somebody else.
func TestIdentify(t *testing.T) {
	one := Network{ASN: 64500, ASOwner: "One", Country: "DE"}
	two := Network{ASN: 64501, ASOwner: "Two", Country: "DE"}
	known := map[netip.Addr]Identity{
		router(1): {Network: one}, router(2): {Name: "r2.example", Network: one}, router(3): {Network: two}, server: {Name: "s.example"},
	}
	device := point(3)
	for _, tt := range []struct {
		name      string
		after, at traceroute.Point
		device    *traceroute.Point
		want      Network
	}{
		{"both ends in one", point(1), point(2), nil, one},
		{"between two", point(2), point(3), nil, Network{Country: "DE"}},
		{"next to an unknown one", point(3), point(4), nil, Network{}},
		{"behind this machine", traceroute.Point{}, point(1), nil, Network{}},
		{"next to a silent hop", point(1), traceroute.Point{TTL: 2}, nil, Network{}},
		{"in a device", point(2), point(3), &device, two},
		{"in a silent device", point(2), point(3), &traceroute.Point{TTL: 3}, Network{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &traceroute.Location{After: tt.after, At: tt.at, Device: tt.device}
			res := result("", "", diagnosis.Test{Location: l, Boxes: []traceroute.Box{{Location: l}, {}}, Flows: []diagnosis.Flow{{Location: l}, {}}})
			res.Path = path()
			d := New(res, Meta{Who: func(ip netip.Addr) Identity {
				if !ip.IsValid() {
					t.Error("asked for no address")
				}
				return known[ip]
			}})
			test := d.Tests[0]
			for _, l := range []*Location{test.Location, test.Boxes[0].Location, test.Flows[0].Location} {
				if diff := cmp.Diff(tt.want, l.Network); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
			got := []Identity{d.Target.Identity, d.Path.Hops[1].Identity, d.Path.Hops[4].Identity}
			if diff := cmp.Diff([]Identity{known[server], known[router(2)], {}}, got); diff != "" {
				t.Errorf("target, hops 2 and 5: -want +got:\n%s", diff)
			}
		})
	}
}

func TestIdentityText(t *testing.T) {
	for _, tt := range []struct {
		want string
		i    Identity
	}{
		{"", Identity{}},
		{"r1.example", Identity{Name: "r1.example"}},
		{"AS64500", Identity{Network: Network{ASN: 64500}}},
		{"DE", Identity{Network: Network{Country: "DE"}}},
		{"r1.example, AS64500 One, DE", Identity{"r1.example", Network{64500, "One", "DE"}}},
	} {
		if got := tt.i.text(); got != tt.want {
			t.Errorf("%+v is written %q, want %q", tt.i, got, tt.want)
		}
	}
}
