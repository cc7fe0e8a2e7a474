package twoends_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// toClient is a box's reset toward the client, from behind so many routers.
func toClient(w *world, behindRouters int, n string, changes ...change) {
	w.send(srv, packet.RST|packet.ACK, "", append([]change{name(n), behind(behindRouters), id(7), ttl(64)}, changes...)...)
}

func toServer(w *world, behindRouters int, n string, changes ...change) {
	w.send(cli, packet.RST, "", append([]change{name(n), behind(behindRouters), id(7), ttl(64), ack(0)}, changes...)...)
}

// asks opens a connection and sends the request, which passes a box now.
func asks(w *world, changes ...change) *world {
	return w.open().says(cli, request, append([]change{name("request")}, changes...)...).wait(oneWay / 2)
}

func TestFindings(t *testing.T) {
	big := strings.Repeat("x", 1400)
	tests := []struct {
		name  string
		setup func(*world)
		play  func(*world)
		want  string
	}{
		{name: "a healthy connection", play: func(w *world) { w.served() }, want: "clean"},
		{
			name: "a tap resets both ends",
			play: func(w *world) {
				asks(w)
				toClient(w, 5, "a")
				toServer(w, 5, "b")
				w.wait(oneWay)
			},
			want: "foreign a reset at client by on_path after request: M4 proved\n" +
				"foreign b reset at server by on_path after request: M4 proved\ninterference",
		},
		{
			name: "a tap resets the client, and the server answers nevertheless",
			play: func(w *world) {
				asks(w)
				toClient(w, 5, "a")
				w.trip().says(srv, page).trip().wait(time.Second).repeats(srv, page)
				w.trip()
			},
			want: "foreign a reset at client by on_path after request: M3 proved\ninterference",
		},
		{
			name: "a box in the path takes the request and resets both ends",
			play: func(w *world) {
				asks(w, lost)
				toClient(w, 5, "a")
				toServer(w, 5, "b", seq(w.next(cli).Add(-len(request))))
				w.wait(oneWay)
				w.another().served()
			},
			want: "foreign a reset at client by in_path after request: M4 proved\n" +
				"foreign b reset at server by in_path after request: M4 proved\ninterference",
		},
		{
			name: "a tap resets both ends on the SYN/ACK, and the server resets the late ACK",
			play: func(w *world) {
				w.send(cli, packet.SYN, "").trip().send(srv, packet.SYN|packet.ACK, "", name("synack")).wait(oneWay / 2)
				toClient(w, 3, "a", flags(packet.RST), ack(0))
				toServer(w, 3, "b")
				w.wait(oneWay/2+time.Millisecond).acks(cli, name("ack")).trip()
				w.send(srv, packet.RST, "", name("second"), ack(0), id(0)).trip()
			},
			want: "foreign a reset at client by on_path after synack: M2 proved\n" +
				"foreign b reset at server by on_path after synack: M2 proved\n" +
				"own second of server arrived: server proved S20\ninterference",
		},
		{
			name: "the server resets",
			play: func(w *world) {
				asks(w).wait(oneWay).send(srv, packet.RST|packet.ACK, "", name("a"), id(0)).trip()
			},
			want: "own a of server arrived: server proved\nserver",
		},
		{
			name: "the server resets a connection that the client has closed",
			play: func(w *world) {
				w.open().says(cli, request).finishes(cli).trip().send(srv, packet.RST, "", name("a"), id(0), ack(0)).trip()
			},
			want: "own a of server arrived: server proved\nclean",
		},
		{
			name: "a firewall in front of the server resets",
			play: func(w *world) {
				asks(w).wait(oneWay).send(srv, packet.RST|packet.ACK, "", name("a"), id(0), ttl(60)).trip()
			},
			want: "own a of server arrived: server_side likely\nserver",
		},
		{
			name: "the server's reset is lost",
			play: func(w *world) {
				asks(w).wait(oneWay).send(srv, packet.RST|packet.ACK, "", name("a"), id(0), lost).trip().another().served()
			},
			want: "own a of server lost: server proved\nserver",
		},
		{
			name: "the client resets",
			play: func(w *world) {
				asks(w).wait(oneWay).says(srv, page).trip().send(cli, packet.RST|packet.ACK, "", name("a")).trip()
			},
			want: "own a of client arrived: own_side proved\nclean",
		},
		{
			name: "a box answers in the server's place",
			play: func(w *world) {
				asks(w)
				w.send(srv, packet.ACK|packet.PSH|packet.FIN, "HTTP/1.1 302 Found\r\n\r\n", name("a"), behind(5), id(7))
				w.trip().says(srv, page).trip().wait(time.Second).repeats(srv, page)
				w.trip()
			},
			want: "foreign a data at client by on_path after request: M11 proved\ninterference",
		},
		{
			name: "a box turns the server's answer into a reset",
			play: func(w *world) {
				asks(w).wait(oneWay).acks(srv).says(srv, page, name("answer"), lost)
				w.now += oneWay / 2
				w.said[srv] -= len(page)
				w.send(srv, packet.RST|packet.ACK, "", name("a"), behind(5), id(w.id[srv]), ttl(64-7)).trip()
				w.another().served()
			},
			want: "foreign a reset at client by in_path after answer: M5 proved\ninterference",
		},
		{
			name: "a request is swallowed however often it is sent",
			play: func(w *world) {
				asks(w, lost)
				for range 4 {
					w.wait(time.Second).repeats(cli, request, lost)
				}
				w.finishes(cli).trip().acks(srv, ack(w.isn[cli]+1)).trip()
			},
			want: "silence by in_path: M6 likely\ninterference",
		},
		{
			name: "large segments only are lost",
			play: func(w *world) {
				w.open().says(cli, big, lost)
				for range 4 {
					w.wait(time.Second).repeats(cli, big, lost)
				}
				w.finishes(cli).trip().acks(srv, ack(w.isn[cli]+1)).trip()
			},
			want: "silence by path: N3 likely\ninterference",
		},
		{
			name: "one segment is lost and sent again",
			play: func(w *world) {
				w.open().says(cli, request, lost).wait(time.Second).repeats(cli, request).trip().says(srv, page).trip().acks(cli).closes()
			},
			want: "clean",
		},
		{
			name: "a capture misses what its host sent",
			play: func(w *world) {
				w.open().says(cli, request).trip().says(srv, page, missedAt(srv)).says(srv, page).trip().acks(cli).closes()
			},
			want: "clean",
		},
		{
			name: "a capture misses what its host received",
			play: func(w *world) {
				w.open().says(cli, request, missedAt(srv)).trip().says(srv, page).trip().acks(cli).closes()
			},
			want: "clean",
		},
		{
			name: "a capture misses the reset of its host, whose identifications count",
			play: func(w *world) {
				w.open().says(cli, request).trip()
				for range 5 {
					w.says(srv, page)
				}
				w.trip().acks(cli).send(srv, packet.RST|packet.ACK, "", name("a"), missedAt(srv)).trip()
				w.another().served()
			},
			want: "own a of server uncaptured: server likely\nserver",
		},
		{
			name: "interfaces merge and cut segments",
			play: func(w *world) {
				w.open().merged(cli, strings.Repeat("request ", 700), 5600, 1400).trip().acks(srv)
				w.merged(srv, strings.Repeat("answer.. ", 1000), 1400, 4200).trip().acks(cli).closes()
			},
			want: "clean",
		},
		{
			name: "a merged segment of which the sender's capture missed a part",
			play: func(w *world) {
				w.open().says(cli, request).trip()
				w.says(srv, big, missedAt(cli)).said[srv] += len(big) // the capture missed the second
				w.says(srv, big, missedAt(cli)).said[srv] -= 3 * len(big)
				w.says(srv, strings.Repeat(big, 3), missedAt(srv)).trip().acks(cli).says(srv, page).trip().closes()
			},
			want: "clean",
		},
		{
			name: "an answer is altered on its way",
			play: func(w *world) {
				w.open().says(cli, request).trip().acks(srv).says(srv, page, arrivesAs(strings.Replace(page, "welcome", "go away", 1))).trip().acks(cli).closes()
			},
			want: "clean",
		},
		{
			name: "packets overtake each other",
			play: func(w *world) {
				w.open().says(cli, request).trip().says(srv, page, late(5*time.Millisecond)).says(srv, page).trip().wait(5 * time.Millisecond).acks(cli).closes()
			},
			want: "clean",
		},
		{
			name: "the sender's capture misses packets, and a reset that may be the sender's",
			play: func(w *world) {
				w.open().says(cli, request).trip().says(srv, page, id(3), missedAt(srv)).says(srv, page, id(9000)).trip().acks(cli)
				w.send(srv, packet.RST|packet.ACK, "", name("a"), id(0), missedAt(srv)).trip().another().served()
			},
			want: "foreign a reset at client by on_path after 6: M3 possible\ninconclusive",
		},
		{
			name: "the network doubles a packet",
			play: func(w *world) {
				w.open().says(cli, request, twice).trip().says(srv, page).trip().acks(cli).closes()
			},
			want: "clean",
		},
		{
			name: "the captures run at other times",
			setup: func(w *world) {
				w.window[srv] = [2]time.Duration{0, 1100 * time.Millisecond}
			},
			play: func(w *world) {
				asks(w).wait(time.Second).send(srv, packet.RST|packet.ACK, "", name("a"), id(0)).trip()
			},
			want: "own a of server outside: undetermined undetermined\ninconclusive",
		},
		{
			name:  "the capture at the server begins late",
			setup: func(w *world) { w.window[srv] = [2]time.Duration{1040 * time.Millisecond, time.Hour} },
			play: func(w *world) {
				asks(w)
				w.wait(oneWay).says(srv, page).trip().acks(cli).wait(time.Second)
				w.says(cli, request, name("second")).wait(oneWay / 2)
				toClient(w, 5, "a")
				w.trip().says(srv, page).trip()
			},
			want: "foreign a reset at client by on_path after second: M3 proved\ninterference",
		},
		{
			name: "a box takes the SYN and answers it",
			play: func(w *world) {
				w.served().another()
				w.send(cli, packet.SYN, "", lost).wait(time.Millisecond)
				w.send(srv, packet.RST|packet.ACK, "", behind(5), seq(0), ack(w.isn[cli]+1), id(7))
				w.another().served()
			},
			want: "missing by in_path: M1 likely\ninterference",
		},
	}
	variants := []struct {
		name string
		set  func(*world)
	}{
		{"plain", func(*world) {}},
		{"translated, rewritten, clocks apart", func(w *world) {
			w.nat, w.random = true, 0x31415926
			w.clock = func(d time.Duration) time.Duration { return d + 17*time.Hour }
		}},
		{"translated", func(w *world) { w.nat = true }},
		{"clock behind", func(w *world) { w.clock = func(d time.Duration) time.Duration { return d - time.Hour } }},
		{"no timestamps", func(w *world) { w.noTS = true }},
	}
	for _, tt := range tests {
		for _, v := range variants {
			t.Run(tt.name+"/"+v.name, func(t *testing.T) {
				w := newWorld(t)
				v.set(w)
				if tt.setup != nil {
					if w.random != 0 {
						t.Skip("a capture without SYNs has nothing to match rewritten numbers by")
					}
					tt.setup(w)
				}
				tt.play(w)
				r := w.match()
				if diff := cmp.Diff(tt.want, w.tell(r)); diff != "" {
					t.Errorf("-want +got:\n%s\n%s\n%+v", diff, r.Summary, r)
				}
				if r.Summary == "" || r.Chinese == "" {
					t.Error("no summary")
				}
			})
		}
	}
}
