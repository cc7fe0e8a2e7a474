package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/probe"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func text(t *testing.T, d Document, style Style) string {
	t.Helper()
	var b strings.Builder
	if err := Text(&b, d, style); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	for _, ex := range examples() {
		t.Run(ex.name, func(t *testing.T) {
			d := New(ex.res, meta)
			line, err := d.JSON()
			if err != nil {
				t.Fatal(err)
			}
			if bytes.ContainsFunc(line, unicode.IsControl) {
				t.Errorf("JSON has control characters: %q", line)
			}
			var pretty bytes.Buffer // one line is hard to review
			if err := json.Indent(&pretty, line, "", "  "); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			golden(t, ex.name+".json", pretty.Bytes())
			golden(t, ex.name+".txt", []byte(text(t, d, Style{})))
			var md bytes.Buffer
			if err := Markdown(&md, d); err != nil {
				t.Fatal(err)
			}
			golden(t, ex.name+".md", md.Bytes())
		})
	}
	golden(t, "style_verbose.txt", []byte(text(t, New(inPathReset(), meta), Style{Verbose: true})))
	golden(t, "style_color.txt", []byte(text(t, New(onPathReset(), meta), Style{Color: true})))
}

func uncolored(s string) string {
	for _, c := range []string{red, green, yellow, "0"} {
		s = strings.ReplaceAll(s, "\x1b["+c+"m", "")
	}
	return s
}

// TestTextShape: whatever the network says, the text is one that a terminal
// shows as meant.
func TestTextShape(t *testing.T) {
	for _, ex := range examples() {
		for _, style := range []Style{{}, {Verbose: true}, {Unicode: true}, {Color: true}} {
			got := text(t, New(ex.res, meta), style)
			for line := range strings.Lines(uncolored(got)) {
				line = strings.TrimSuffix(line, "\n")
				for _, r := range line {
					if !unicode.IsPrint(r) || r > unicode.MaxASCII && !style.Unicode {
						t.Errorf("%s, %+v: %q in %q", ex.name, style, r, line)
					}
				}
				if n := utf8.RuneCountInString(line); n > columns && !style.Verbose && ex.name != "hostile" && !strings.HasPrefix(line, "Again: ") {
					t.Errorf("%s, %+v: %d columns: %q", ex.name, style, n, line)
				}
				if line != strings.TrimRight(line, " ") {
					t.Errorf("%s, %+v: spaces at the end of %q", ex.name, style, line)
				}
			}
		}
	}
}

// TestColorOnlyAdds: without its colours the coloured text is the plain one.
func TestColorOnlyAdds(t *testing.T) {
	for _, ex := range examples() {
		d := New(ex.res, meta)
		colored := text(t, d, Style{Color: true})
		if !strings.Contains(colored, "\x1b[") {
			t.Errorf("%s: no colour", ex.name)
		}
		if diff := cmp.Diff(text(t, d, Style{}), uncolored(colored)); diff != "" {
			t.Errorf("%s (-plain +coloured):\n%s", ex.name, diff)
		}
	}
}

func TestReadBack(t *testing.T) {
	for _, ex := range examples() {
		t.Run(ex.name, func(t *testing.T) {
			want := New(ex.res, meta)
			line, err := want.JSON()
			if err != nil {
				t.Fatal(err)
			}
			got, err := Read(bytes.NewReader(append(line, '\n')))
			if err != nil {
				t.Fatal(err)
			}
			if ex.name == "hostile" { // what is not UTF-8 cannot come back from JSON
				return
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for _, test := range []struct {
		name, in, want string
		is             error
	}{
		{"nothing", "", "EOF", io.EOF},
		{"cut off", `{"schema_version":1,`, "unexpected EOF", io.ErrUnexpectedEOF},
		{"other version", `{"schema_version":2}`, "schema_version is 2, want 1", nil},
		{"other JSON", `{"name":"x"}`, "schema_version is 0, want 1", nil},
		{"two", `{"schema_version":1}{"schema_version":1}`, "more than one result", nil},
		{"rubbish behind", `{"schema_version":1} ?`, "after the result", nil},
		{"array", `[]`, "report: read", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Read(strings.NewReader(test.in))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error = %v, want one with %q", err, test.want)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error = %v, want %v in its chain", err, test.is)
			}
		})
	}
}

// TestReadAdded: a key that a later version added is no obstacle.
func TestReadAdded(t *testing.T) {
	d, err := Read(strings.NewReader(`{"schema_version":1,"later":{},"tests":null}`))
	if err != nil {
		t.Fatal(err)
	}
	line, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(line, []byte(`"tests":[]`)) {
		t.Errorf("JSON = %s, want an empty list of tests", line)
	}
}

func TestWriteErrors(t *testing.T) {
	broken := errors.New("broken pipe")
	w := writerFunc(func([]byte) (int, error) { return 0, broken })
	d := New(inPathReset(), meta)
	if err := Text(w, d, Style{}); !errors.Is(err, broken) {
		t.Errorf("Text: %v, want %v in its chain", err, broken)
	}
	if err := Markdown(w, d); !errors.Is(err, broken) {
		t.Errorf("Markdown: %v, want %v in its chain", err, broken)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestExitCode(t *testing.T) {
	got := map[probe.Overall]int{}
	for _, o := range []probe.Overall{
		probe.Clean, probe.ServerRefuses, probe.Interference, probe.OverallUnreachable, probe.OverallInconclusive, "",
	} {
		got[o] = ExitCode(o)
	}
	want := map[probe.Overall]int{
		probe.Clean: 0, probe.ServerRefuses: 0, probe.Interference: 10,
		probe.OverallUnreachable: 11, probe.OverallInconclusive: 11, "": 11,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exit codes (-want +got):\n%s", diff)
	}
}

func TestWorst(t *testing.T) {
	for _, test := range []struct {
		codes []int
		want  int
	}{
		{nil, 0}, {[]int{0, 0}, 0}, {[]int{0, 11, 0}, 11}, {[]int{11, 10}, 10},
		{[]int{10, 11, 0}, 10}, {[]int{0, 1}, 1}, {[]int{130, 10}, 10},
	} {
		if got := Worst(test.codes...); got != test.want {
			t.Errorf("Worst(%v) = %d, want %d", test.codes, got, test.want)
		}
	}
}

func TestRanges(t *testing.T) {
	for want, in := range map[string][]int{
		"": nil, "7": {7}, "1-3": {1, 2, 3}, "1-3, 7, 9-10": {1, 2, 3, 7, 9, 10}, "5, 5": {5, 5},
	} {
		if got := ranges(in); got != want {
			t.Errorf("ranges(%v) = %q, want %q", in, got, want)
		}
	}
}

// TestPacketList: of many packets a few are named, and no list twice.
func TestPacketList(t *testing.T) {
	var many []int
	for i := range 431 {
		many = append(many, 10+2*i)
	}
	for want, in := range map[string][]int{
		"packet 7": {7}, "packets 1-3, 7": {1, 2, 3, 7}, "packets 1, 3, 5, 7, 9, 11": {1, 3, 5, 7, 9, 11},
		"packets 1-2, 4, 6, 8, 10, 12 ... 2 more, see the JSON":     {1, 2, 4, 6, 8, 10, 12, 14, 16},
		"packets 10, 12, 14, 16, 18, 20 ... 425 more, see the JSON": many,
	} {
		if got := packetList(in); got != want {
			t.Errorf("packetList = %q, want %q", got, want)
		}
	}
	found := []Evidence{{Rule: "a", Packets: many, Supports: probe.Undetermined}}
	test := Test{Outcome: probe.Reset, Evidence: found, Location: &Location{AtTTL: 1, Evidence: found}}
	items := 0
	for _, f := range test.fields(true) {
		for _, item := range f.items {
			items += strings.Count(item, "10, 12,")
			if strings.Contains(item, "-> undetermined") || len(item) > 200 {
				t.Errorf("%s: %s", f.label, item)
			}
		}
	}
	if items != 1 {
		t.Errorf("the packets are listed %d times, want once", items)
	}
}

func TestShare(t *testing.T) {
	for _, test := range []struct {
		bad, total int
		want       string
	}{
		{3, 3, "3 of 3 (95 % interval 44..100 %)"},
		{0, 4, "0 of 4 (95 % interval 0..49 %)"},
		{1, 2, "1 of 2 (95 % interval 9..91 %)"},
		{0, 0, "0 of 0"},
	} {
		if got := share(test.bad, test.total, true); got != test.want {
			t.Errorf("share(%d, %d) = %q, want %q", test.bad, test.total, got, test.want)
		}
	}
}

func TestCommand(t *testing.T) {
	for _, test := range []struct {
		name string
		d    Document
		want string
	}{
		{"all kinds", Document{Target: Target{Input: "[::1]:443"}, Tests: List[Test]{
			{Kind: probe.SYN}, {Kind: probe.SNI, Name: "a.example"}, {Kind: probe.SNI, Name: "b.example"}, {Kind: probe.Host, Name: "a.example"},
		}}, `rstprobe '[::1]:443' --syn --sni=a.example,b.example --host=a.example`},
		{"quoted", Document{Target: Target{Input: "x;rm -rf '/'"}}, `rstprobe 'x;rm -rf '\''/'\'''`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.d.command(); got != test.want {
				t.Errorf("command = %s, want %s", got, test.want)
			}
		})
	}
}
