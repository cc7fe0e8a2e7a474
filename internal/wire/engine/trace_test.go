package engine_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/testenv"
	"github.com/rstprobe/rstprobe/internal/wire/engine"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/probe"
)

// fields are those that tcpdump prints of a packet as well.
var fields = map[string]*regexp.Regexp{
	"ends":    regexp.MustCompile(`(\S+ > \S+): (?:Flags|ICMP)`),
	"flags":   regexp.MustCompile(`Flags \[([^]]*)\]`),
	"seq":     regexp.MustCompile(`, seq (-?\d+)`),
	"end":     regexp.MustCompile(`, seq -?\d+:(-?\d+)`),
	"ack":     regexp.MustCompile(`, ack (-?\d+)`),
	"win":     regexp.MustCompile(`, win (\d+)`),
	"options": regexp.MustCompile(`, options (\[[^]]*\])`),
	"length":  regexp.MustCompile(`, length (\d+)$`),
	"ttl":     regexp.MustCompile(`(?:ttl|hlim) (\d+)`),
	"id":      regexp.MustCompile(`\bid (\d+)`),
	"error":   regexp.MustCompile(`(time exceeded)`),
}

// read takes the fields out of a line; a number is what it is modulo 2^32, as
// tcpdump knows none below zero.
func read(t *testing.T, line string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for name, re := range fields {
		m := re.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		got[name] = m[1]
		if name == "seq" || name == "end" || name == "ack" {
			n, err := strconv.ParseInt(m[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			got[name] = strconv.FormatUint(uint64(uint32(n)), 10) //nolint:gosec // modular on purpose
		}
	}
	return got
}

var (
	quote = regexp.MustCompile(` \(quotes .*?\)(?:,|$)`)
	tail  = regexp.MustCompile(`(, length \d+)(, ttl \d+.*)`)
)

// TestTrace holds the trace against tcpdump's reading of the capture: of
// sweeps, of connections that a box resets, of resets without an
// acknowledgment and of bare packets, over both families.
func TestTrace(t *testing.T) {
	testenv.Need(t, "tcpdump")
	for _, v6 := range []bool{false, true} {
		t.Run(map[bool]string{false: "IPv4", true: "IPv6"}[v6], func(t *testing.T) {
			var lines []string
			var log pcapio.Log
			synctest.Test(t, func(t *testing.T) {
				top := with(resetter)
				top.IPv6 = v6
				lines = traced(t, top, &log)
			})
			file := filepath.Join(t.TempDir(), "trace.pcapng")
			var b bytes.Buffer
			if err := pcapio.Write(&b, log.Frames(), ""); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), "tcpdump", "-n", "-v", "-r", file).Output()
			if err != nil {
				t.Fatal(err)
			}
			// A packet's further lines are indented.
			theirs := strings.Split(strings.TrimSpace(regexp.MustCompile(`\n\s+`).ReplaceAllString(string(out), " ")), "\n")
			if len(theirs) != len(lines) {
				t.Fatalf("%d lines, tcpdump has %d", len(lines), len(theirs))
			}
			compared := map[string]int{}
			for i, ours := range lines {
				relative := !strings.Contains(ours, "Flags [R],") // of a bare reset tcpdump shows numbers as on the wire
				got := read(t, tail.ReplaceAllString(quote.ReplaceAllString(ours, ","), "$2$1"))
				want := read(t, cutQuote(theirs[i]))
				for name := range fields {
					ours, both := got[name]
					theirs, ok := want[name]
					if !ok || !both || !relative && name == "seq" {
						continue
					}
					compared[name]++
					if ours != theirs {
						t.Errorf("%s: %s, tcpdump says %s\n%s\n%s", name, ours, theirs, lines[i], want)
					}
				}
			}
			for name := range fields {
				if compared[name] == 0 && !(v6 && name == "id") {
					t.Errorf("%s was never compared", name)
				}
			}
		})
	}
}

// cutQuote takes away what an ICMP error quotes: a router's copy of what
// stands in a line of its own.
func cutQuote(line string) string {
	if before, _, ok := strings.Cut(line, "time exceeded in-transit"); ok {
		return before + "time exceeded in-transit"
	}
	return line
}

// traced is the trace of some trials.
func traced(t *testing.T, top lab.Topology, log *pcapio.Log) []string {
	t.Helper()
	var lines []string
	b := start(t, top, func(c *engine.Config) {
		c.Log, c.Trace = log, func(line string) { lines = append(lines, line) }
	})
	sweep, syns, stray, loose := b.test(), b.trial(), b.trial(), b.test()
	sweep.TTLs, syns.TTLs = []uint8{1, 2, 3, 4}, []uint8{1, 2, 3, 4, 5, 6}
	syns.Stimulus = probe.Stimulus{Kind: probe.SYN}
	stray.Stimulus = probe.Stimulus{Kind: probe.ACK}
	loose.Unconnected = true
	if _, err := b.Exchange(t.Context(), b.trial(), b.test(), sweep, syns, stray, loose); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestTraceLines: the form of the lines of one connection that a box resets,
// from end to end.
func TestTraceLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := traced(t, with(resetter), &pcapio.Log{})
		port := regexp.MustCompile(`10\.9\.0\.1\.\d+`)
		second, absolute := port.FindString(all[1]), regexp.MustCompile(`(seq|ack|val|ecr|id) \d{4,}`)
		got := []string{}
		for _, line := range all {
			if strings.Contains(line, second) {
				line = absolute.ReplaceAllString(port.ReplaceAllString(line, "us"), "$1 #")
				got = append(got, line[len("   1 00:00:"):]) // hour and minute are those of the zone
			}
		}
		want := []string{
			"00.000000 Out IP us > 10.9.5.2.443: Flags [S], seq #, win 64240, options [mss 1460,sackOK,TS val # ecr 0,nop,wscale 7], length 0, ttl 64, id #",
			"00.049999 In  IP 10.9.5.2.443 > us: Flags [S.], seq #, ack #, win 65160, options [mss 1460,sackOK,TS val # ecr #,nop,wscale 7], length 0, ttl 59, id 0",
			"00.049999 Out IP us > 10.9.5.2.443: Flags [.], seq 1, ack 1, win 501, options [nop,nop,TS val # ecr #], length 0, ttl 64, id #",
			"00.049999 Out IP us > 10.9.5.2.443: Flags [P.], seq 1:273, ack 1, win 501, options [nop,nop,TS val # ecr #], length 272, ttl 64, id #",
			"00.074999 In  IP 10.9.5.2.443 > us: Flags [R], seq 1, win 0, length 0, ttl 62, id 0",
			"00.094999 Out IP us > 10.9.5.2.443: Flags [R.], seq 1, ack 1, win 501, length 0, ttl 64, id #",
			"00.094999 Out IP us > 10.9.5.2.443: Flags [R.], seq 273, ack 1, win 501, length 0, ttl 64, id #",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("trace (-want +got):\n%s", diff)
		}
	})
}
