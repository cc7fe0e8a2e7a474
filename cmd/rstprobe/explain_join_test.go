package main

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/report"
)

// judged is what is said of one reset.
type judged struct{ Author, Cause, Confidence string }

// resetsOf are the judgements of a connection, by its client's port.
func resetsOf(doc report.Capture, port int) (found []report.Judgement) {
	for _, f := range doc.Flows {
		if !strings.HasSuffix(fmt.Sprint(f.Client), fmt.Sprint(":", port)) {
			continue
		}
		for _, r := range f.Resets {
			found = append(found, r.Judgement)
		}
	}
	return found
}

func has(list []report.Evidence, rule string) bool {
	return slices.ContainsFunc(list, func(e report.Evidence) bool { return string(e.Rule) == rule })
}

// TestExplainResetReasons: a reset with an odd TTL that looks like a tap's is
// the server's if its kernel says so, and only then.
func TestExplainResetReasons(t *testing.T) {
	t.Parallel()
	const (
		line    = "  nginx-812 [001] ..s.. 5123.4: tcp_send_reset: skbaddr=0 skaddr=0 src=%s dest=%s state=TCP_ESTABLISHED reason=%s\n"
		client  = "192.0.2.1:40007" // of the first of three that are reset
		aborted = "192.0.2.1:40010" // that resets itself
	)
	path := saved(t, censored(t).bytes())
	var f fakeSystem
	before := explained(t, f.run(t.Context(), "", "explain", path, "--json").stdout)
	suspected := resetsOf(before, 40007)
	if len(suspected) != 1 || string(suspected[0].Cause) != "M3" {
		t.Fatalf("%+v, want a tap's reset", suspected)
	}
	asBefore := judged{string(suspected[0].Author), "M3", string(suspected[0].Confidence)}
	for _, tt := range []struct {
		name, text string
		port       int
		want       judged
		rule       string // that is among the evidence; "": nothing changes

	}{
		{"claimed", fmt.Sprintf(line, serverEnd, client, "TCP_ABORT_ON_DATA"), 40007, judged{"server", "S9", "proved"}, "kernel-reset-reason"},
		{"claimed without a reason", fmt.Sprintf(line, serverEnd, client, ""), 40007, judged{"server", "", "proved"}, "kernel-reset-reason"},
		{"claimed by the client", fmt.Sprintf(line, aborted, serverEnd, "TCP_ABORT_ON_CLOSE"), 40010, judged{"own_side", "C4", "proved"}, "kernel-reset-reason"},
		{"another connection", fmt.Sprintf(line, serverEnd, "192.0.2.1:50000", "TCP_ABORT_ON_DATA"), 40007, asBefore, ""},
		{"sent the other way", fmt.Sprintf(line, client, serverEnd, "TCP_ABORT_ON_DATA"), 40007, asBefore, ""},
		{"received", "tcp_receive_reset: sport=40007 dport=80 saddr=192.0.2.1 daddr=198.51.100.7\n", 40007, asBefore, "socket-state"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var f fakeSystem
			got := f.run(t.Context(), "", "explain", path, "--json", "--reset-reasons", saved(t, []byte(tt.text)))
			doc := explained(t, got.stdout)
			rs := resetsOf(doc, tt.port)
			if len(rs) != 1 || got.stderr != "" {
				t.Fatalf("%d resets, standard error %q; want one and nothing", len(rs), got.stderr)
			}
			r := rs[0]
			if diff := cmp.Diff(tt.want, judged{string(r.Author), string(r.Cause), string(r.Confidence)}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if tt.rule == "" {
				if diff := cmp.Diff(before.Flows, doc.Flows, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
					t.Errorf("-without +with the trace:\n%s", diff)
				}
			} else if !has(r.Evidence, tt.rule) {
				t.Errorf("evidence %+v lacks %s", r.Evidence, tt.rule)
			}
			if tt.want.Author != "server" {
				return
			}
			if !has(r.Against, "data-triggered") {
				t.Errorf("against it stands %+v, want what spoke for a box", r.Against)
			}
			// Two that are left are too few to prove a box.
			if rest := resetsOf(doc, 40008); len(rest) != 1 || string(rest[0].Cause) != "M3" || string(rest[0].Confidence) != "likely" {
				t.Errorf("another connection's: %+v, want a likely tap's", rest)
			}
		})
	}
}

// TestExplainJoinVerdict: where the server's kernel claims every reset, there
// is no box.
func TestExplainJoinVerdict(t *testing.T) {
	t.Parallel()
	var trace strings.Builder
	for port := 40007; port < 40010; port++ {
		fmt.Fprintf(&trace, "tcp_send_reset: src=%s dest=192.0.2.1:%d reason=TCP_ABORT_ON_CLOSE\n", serverEnd, port)
	}
	path := saved(t, censored(t).bytes())
	var f fakeSystem
	got := f.run(t.Context(), "", "explain", path, "--json", "--reset-reasons", saved(t, []byte(trace.String())))
	doc := explained(t, got.stdout)
	if diff := cmp.Diff(map[string]int{"S7": 3, "C4": 1}, causes(doc)); diff != "" || got.code != 0 || string(doc.Verdict.Outcome) != "server" {
		t.Errorf("exit code %d, outcome %s; causes: -want +got:\n%s", got.code, doc.Verdict.Outcome, diff)
	}
}

// TestExplainResetsBeyondClaims: of two resets of which the kernel sent one,
// none is proved.
func TestExplainResetsBeyondClaims(t *testing.T) {
	t.Parallel()
	r := censored(t)
	r.asked().tapped().server(0, 0x04, "")
	trace := saved(t, []byte("tcp_send_reset: src="+serverEnd+" dest=192.0.2.1:40011 reason=TCP_ABORT_ON_CLOSE\n"))
	var f fakeSystem
	doc := explained(t, f.run(t.Context(), "", "explain", saved(t, r.bytes()), "--json", "--reset-reasons", trace).stdout)
	rs := resetsOf(doc, 40011)
	if len(rs) != 2 {
		t.Fatalf("%d resets, want 2", len(rs))
	}
	for _, j := range rs {
		if string(j.Author) == "server" && string(j.Confidence) == "proved" || !has(slices.Concat(j.Evidence, j.Against), "kernel-reset-reason") {
			t.Errorf("%+v, want a note and no proof", j)
		}
	}
}

func TestExplainSockets(t *testing.T) {
	t.Parallel()
	path := saved(t, censored(t).bytes())
	list := saved(t, []byte("State Recv-Q Send-Q Local Peer\nESTAB 5 12 "+serverEnd+" 192.0.2.1:40007\n\t cubic unacked:2\n???\n"))
	var f fakeSystem
	got := f.run(t.Context(), "", "explain", path, "--json", "--sockets", list)
	if !strings.Contains(got.stderr, "skipped: 1\n") {
		t.Errorf("standard error %q, want one line skipped", got.stderr)
	}
	for _, port := range []int{40007, 40008} {
		rs := resetsOf(explained(t, got.stdout), port)
		if len(rs) != 1 || string(rs[0].Cause) != "M3" || has(rs[0].Evidence, "socket-state") != (port == 40007) {
			t.Errorf("port %d: %+v", port, rs)
		}
	}
}

func TestExplainJoinUsage(t *testing.T) {
	t.Parallel()
	path, text := saved(t, censored(t).bytes()), saved(t, []byte("hello\n"))
	for _, flag := range []string{"--reset-reasons", "--sockets"} {
		for name, want := range map[string]string{text: "no usable line", filepath.Join(filepath.Dir(text), "nosuch"): "there is no file", "": "write the name of a text file"} {
			var f fakeSystem
			got := f.run(t.Context(), "", "explain", path, flag, name)
			if got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, want) {
				t.Errorf("%s %q: exit code %d, standard error %q; want 2 and %q", flag, name, got.code, got.stderr, want)
			}
		}
	}
}
