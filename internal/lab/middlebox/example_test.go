package middlebox_test

import (
	"fmt"
	"net/netip"

	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// The Great Firewall's way: the request passes, and three hedged resets go to
// the client.
func ExampleResetter() {
	box := &middlebox.Resetter{
		Match:  middlebox.NameIs("blocked.example"),
		Client: true, Count: 3, Hedge: true, ACK: true, Follow: true,
	}
	request, err := payload.HTTPRequest("blocked.example", "/", 100+len("blocked.example"))
	if err != nil {
		fmt.Println(err)
		return
	}
	act := box.Handle(middlebox.ToServer, packet.Packet{
		Src:   netip.MustParseAddrPort("192.0.2.1:40000"),
		Dst:   netip.MustParseAddrPort("198.51.100.1:80"),
		Proto: packet.TCP, TTL: 60,
		TCP: packet.Segment{Seq: 1000, Ack: 5000, Flags: packet.PSH | packet.ACK, Payload: request},
	})
	fmt.Println("dropped:", act.Drop)
	for _, inj := range act.Inject {
		fmt.Println(inj.Packet.TCP.Flags, inj.Packet.TCP.Seq, inj.Packet.TCP.Ack)
	}
	// Output:
	// dropped: false
	// R. 5000 1115
	// R. 6460 1115
	// R. 9380 1115
}

// A packet filter that rejects connections to a port answers in the server's
// place.
func ExampleSYNResetter() {
	box := &middlebox.SYNResetter{Port: 443, Drop: true}
	act := box.Handle(middlebox.ToServer, packet.Packet{
		Src:   netip.MustParseAddrPort("[2001:db8::1]:40000"),
		Dst:   netip.MustParseAddrPort("[2001:db8::2]:443"),
		Proto: packet.TCP, TTL: 60,
		TCP: packet.Segment{Seq: 1000, Flags: packet.SYN},
	})
	rst := act.Inject[0].Packet
	fmt.Println("dropped:", act.Drop)
	fmt.Println(rst.Src, rst.TCP.Flags, rst.TCP.Seq, rst.TCP.Ack)
	// Output:
	// dropped: true
	// [2001:db8::2]:443 R. 0 1001
}
