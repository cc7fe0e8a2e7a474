package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/capture/capturetest"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// The ends of the recorded connections, and how far away what is sent in the
// server's name comes from.
const (
	serverEnd       = "198.51.100.7:80"
	serverTTL uint8 = 52
	boxTTL    uint8 = 58
	trip            = 30 * time.Millisecond
	request         = "GET / HTTP/1.1\r\nHost: www.example\r\n\r\n"
	welcome         = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome"
)

// recording writes connections of one client with one server down, as
// captured at the client.
type recording struct {
	t    *testing.T
	file bytes.Buffer
	pcap *capturetest.Pcap
	at   time.Time
	port uint16
	id   uint16
	next [2]packet.Seq // of client and server
}

func record(t *testing.T) *recording {
	r := &recording{t: t, at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), port: 40000}
	const ethernet = 1
	r.pcap = capturetest.NewPcap(&r.file, ethernet)
	return r
}

// send adds one segment a while after the last.
func (r *recording) send(after time.Duration, byClient bool, flags packet.Flags, ttl uint8, data string) *recording {
	r.t.Helper()
	r.at = r.at.Add(after)
	r.id++
	from, to := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), r.port), netip.MustParseAddrPort(serverEnd)
	own, peer := 0, 1
	if !byClient {
		from, to, own, peer = to, from, peer, own
	}
	s := packet.Segment{Seq: r.next[own], Flags: flags, Window: 64240, Payload: []byte(data)}
	if flags.Has(packet.ACK) {
		s.Ack = r.next[peer]
	}
	if flags.Has(packet.RST) {
		s.Window = 0
	} else {
		r.next[own] = r.next[own].Add(s.Len())
	}
	raw, err := packet.Build(packet.Packet{Src: from, Dst: to, TTL: ttl, ID: r.id, HasID: true, DF: true, Proto: packet.TCP, TCP: s})
	if err != nil {
		r.t.Fatal(err)
	}
	r.pcap.Add(r.at, capturetest.Ethernet(raw), 0)
	return r
}

func (r *recording) client(after time.Duration, flags packet.Flags, data string) *recording {
	return r.send(after, true, flags, 64, data)
}

func (r *recording) server(after time.Duration, flags packet.Flags, data string) *recording {
	return r.send(after, false, flags, serverTTL, data)
}

// open begins a new connection, a minute after the last.
func (r *recording) open() *recording {
	r.port++
	r.next = [2]packet.Seq{1000, 5000}
	return r.client(time.Minute, packet.SYN, "").server(trip, packet.SYN|packet.ACK, "").client(0, packet.ACK, "")
}

// asked is a connection on which the client asks for a page.
func (r *recording) asked() *recording { return r.open().client(0, packet.PSH|packet.ACK, request) }

// answered is the page and an orderly end.
func (r *recording) answered() *recording {
	return r.server(trip, packet.PSH|packet.ACK, welcome).client(0, packet.ACK, "").
		client(0, packet.FIN|packet.ACK, "").server(trip, packet.FIN|packet.ACK, "").client(0, packet.ACK, "")
}

// tapped is a reset that overtakes the page.
func (r *recording) tapped() *recording {
	return r.send(trip/4, false, packet.RST|packet.ACK, boxTTL, "").server(trip*3/4, packet.PSH|packet.ACK, welcome)
}

// refused is a connection to a port on which nobody listens.
func (r *recording) refused() *recording {
	r.port++
	r.next = [2]packet.Seq{1000, 0}
	return r.client(time.Minute, packet.SYN, "").server(trip, packet.RST|packet.ACK, "")
}

// aborted is a connection that the client drops after the page.
func (r *recording) aborted() *recording {
	return r.asked().server(trip, packet.PSH|packet.ACK, welcome).client(0, packet.ACK, "").client(time.Second, packet.RST|packet.ACK, "")
}

// bytes is the file.
func (r *recording) bytes() []byte {
	r.t.Helper()
	if err := r.pcap.Flush(); err != nil {
		r.t.Fatal(err)
	}
	return r.file.Bytes()
}

// censored is a recording of six healthy connections, three that a tap
// resets, and one that the client drops.
func censored(t *testing.T) *recording {
	r := record(t)
	for range 6 {
		r.asked().answered()
	}
	for range 3 {
		r.asked().tapped()
	}
	return r.aborted()
}

// saved puts a file into a new directory.
func saved(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.pcap")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
