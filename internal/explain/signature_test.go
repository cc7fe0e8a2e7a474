package explain_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// bare and acked are resets of either kind with numbers of their own.
func (s *script) bare(from int, n packet.Seq, a packet.Seq) *script {
	return s.send(from, packet.RST, "", seq(n), ack(a), id(uint16(n), true))
}

func (s *script) acked(from int) *script {
	s.id++
	return s.rst(from, id(s.id, true))
}

// TestSignatures has the nineteen, as resets toward the server show them;
// those of the client's side are the same with the other sender.
func TestSignatures(t *testing.T) {
	for _, from := range []int{cli, srv} {
		for want, s := range map[explain.Signature]*script{
			explain.SYNRst:           begin().syn().synack().bare(from, 1001, 0),
			explain.SYNRstAck:        begin().syn().synack().acked(from),
			explain.SYNBoth:          begin().syn().synack().bare(from, 1001, 0).acked(from),
			explain.ACKRst:           begin().open().bare(from, 1001, 0),
			explain.ACKRsts:          begin().open().bare(from, 1001, 0).bare(from, 1002, 0),
			explain.ACKRstAck:        begin().open().acked(from),
			explain.ACKRstAcks:       begin().open().acked(from).acked(from),
			explain.PSHRst:           begin().asked().bare(from, 1001, 0),
			explain.PSHRstAck:        begin().asked().acked(from),
			explain.PSHBoth:          begin().asked().bare(from, 1001, 0).acked(from),
			explain.PSHRstAcks:       begin().asked().acked(from).acked(from),
			explain.PSHRstsSame:      begin().asked().bare(from, 1001, 7).wait(second).bare(from, 1001, 7),
			explain.PSHRstsDifferent: begin().asked().bare(from, 1001, 7).bare(from, 2461, 7),
			explain.PSHRstsZero:      begin().asked().bare(from, 1001, 7).bare(from, 1001, 0),
			explain.DataRst:          begin().asked().says(cli, request).bare(from, 1001, 0),
			explain.DataRstAck:       begin().asked().says(cli, request).acked(from),
			explain.SYNNone:          begin().syn().silent(),
			explain.ACKNone:          begin().open().silent(),
			explain.PSHNone:          begin().asked().silent(),
		} {
			t.Run(string(want)+map[int]string{cli: ", toward the server", srv: ", toward the client"}[from], func(t *testing.T) {
				rep := explained(s)
				if len(rep.Flows) != 1 {
					t.Fatalf("%d conversations to explain, want 1", len(rep.Flows))
				}
				got := rep.Flows[0].Signature
				one, raw := got.TowardServer, got.RawTowardServer
				if from == srv {
					one, raw = got.TowardClient, got.RawTowardClient
				}
				if one != want || raw != want {
					t.Errorf("signature %q, as captured %q, want %q", one, raw, want)
				}
			})
		}
	}
}

// TestSignatureOfCopies: copies of one reset are a volley only as captured. One
// that comes again where nothing else does was sent again.
func TestSignatureOfCopies(t *testing.T) {
	for _, tt := range []struct {
		name   string
		play   *script
		want   explain.Signature
		copies [][]int
	}{
		{"mirrored", begin().syn().copied().synack().send(cli, packet.ACK, "").says(cli, request).wait(rtt).rst(srv).copied().copied(), explain.PSHRstAck, [][]int{{7, 8}}},
		{"sent thrice", begin().asked().wait(rtt).rst(srv).copied().copied(), explain.PSHRstAcks, [][]int{nil, nil, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := explained(tt.play).Flows[0]
			want := explain.Signatures{TowardClient: tt.want, RawTowardClient: explain.PSHRstAcks, Window: 3 * second}
			if diff := cmp.Diff(want, f.Signature); diff != "" {
				t.Errorf("signatures (-want +got):\n%s", diff)
			}
			var copies [][]int
			for _, r := range f.Resets {
				copies = append(copies, r.Copies)
			}
			if diff := cmp.Diff(tt.copies, copies); diff != "" {
				t.Errorf("copies (-want +got):\n%s", diff)
			}
			if mirrored := tt.copies[0] != nil; mirrored != (f.Artefact != "") {
				t.Errorf("artefact %q, mirrored: %v", f.Artefact, mirrored)
			}
		})
	}
}

// TestNoSignature: what ends in order, or is merely idle, has none.
func TestNoSignature(t *testing.T) {
	for name, s := range map[string]*script{
		"reset after a close in order": begin().asked().wait(rtt).says(srv, page).ends(srv).acks(cli).ends(cli).wait(rtt).rst(srv),
		"reset of the other side":      begin().asked().wait(rtt).says(srv, page).acks(cli).rst(cli),
	} {
		t.Run(name, func(t *testing.T) {
			if got := explained(s).Flows[0].Signature.TowardClient; got != explain.NoSignature {
				t.Errorf("signature toward the client %q, want none", got)
			}
		})
	}
}
