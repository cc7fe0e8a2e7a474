package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/probe"
)

var captureMeta = CaptureMeta{
	Version: "v1.2.3", File: "customer.pcapng", Start: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), Duration: 12345 * time.Millisecond, Packets: 4711,
}

func endpoint(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// explainedReset is a reset of a box, in conversation i of several.
func explainedReset(i int) explain.Flow {
	client := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(40000+i)) //nolint:gosec // a small number
	server, n := endpoint("198.51.100.7:443"), 10*i
	return explain.Flow{
		Client: client, Server: server, Start: captureMeta.Start.Add(time.Duration(i) * time.Second), Position: explain.AtClient,
		Outcome: probe.Reset, Stage: probe.StageData, Trigger: probe.TriggerSNI, Name: "blocked.example",
		Signature: explain.Signatures{TowardClient: explain.PSHRstAck, RawTowardClient: explain.PSHRstAcks, Window: 3 * time.Second},
		Resets: []explain.Reset{{
			Packet: n + 5, Copies: []int{n + 6}, From: server, Toward: client, TriggerPacket: n + 4, Link: "acknowledges the end of it",
			Wait: 7500 * time.Microsecond, TTL: 58, Hops: 6, SenderTTL: 52, SenderHops: 12,
			Judgement: explain.Judgement{
				Author: probe.OnOrInPath, Cause: "M3", Pattern: "data-triggered", Confidence: probe.Likely,
				Evidence: []probe.Evidence{
					{Rule: "data-triggered", Supports: probe.OnOrInPath, Detail: "the reset was drawn by the ClientHello", Packets: []int{n + 4, n + 5}},
					{Rule: "ttl-differs", Supports: probe.OnOrInPath, Decisive: true, Detail: "TTL 58; the server's packets arrive with 52", Packets: []int{n + 5}},
				},
				Against: []probe.Evidence{{Rule: "server-ttl", Supports: probe.Server, Detail: "another packet has it too"}},
				Next:    "capture at the server", Summary: "the reset was drawn by the ClientHello", Chinese: "该 RST 由 ClientHello 触发,并非服务器所发:路径上的中间设备以其名义发送,应在服务器一侧同时抓包加以确认",
			},
		}},
		Ending: explain.Judgement{Author: probe.Undetermined, Confidence: probe.UndeterminedDegree},
	}
}

// interfered is a capture with a box in it, and all else that there can be.
func interfered() explain.Report {
	rep := explain.Report{
		Position: explain.AtClient, Conversations: 99, Omitted: 3,
		Verdict: explain.Verdict{Outcome: probe.Interference, Summary: "A box between the ends interferes.", Chinese: "中间设备存在干预。"},
	}
	for i := range 20 {
		rep.Flows = append(rep.Flows, explainedReset(i))
	}
	abort := explainedReset(20)
	abort.Resets[0].From, abort.Resets[0].Toward = abort.Client, abort.Server
	abort.Resets[0].Judgement = explain.Judgement{
		Author: probe.OwnSide, Cause: "C4", Pattern: "client-abort", Confidence: probe.Proved, Summary: "packet 205 aborts", Chinese: "第 205 号包中止会话",
	}
	open := explain.Flow{
		Client: endpoint("[2001:db8::1]:50000"), Server: endpoint("[2001:db8:7::7]:443"), Guessed: true, Position: explain.UnknownPosition, Start: captureMeta.Start,
		Outcome: probe.Drop, Stage: probe.StageData, Trigger: probe.TriggerSNI, Name: "evil\x1b[2J.example",
		Ending: explain.Judgement{
			Author: probe.Undetermined, Confidence: probe.UndeterminedDegree, Summary: "it broke off, and nothing in the capture says why",
			Chinese: "会话中断,抓包中没有任何迹象说明其原因", Next: "capture at the other end as well",
		},
		Artefact: "one direction only",
	}
	rep.Flows = append(rep.Flows, abort, open)
	return rep
}

func damagedMeta() CaptureMeta {
	meta := captureMeta
	meta.Unreadable, meta.Truncated, meta.Dropped, meta.Interrupted = 1, 2, 3, true
	meta.Damage = &pcapio.Damage{Offset: 123456, Packet: 4712, Err: io.ErrUnexpectedEOF}
	return meta
}

func TestCaptureGolden(t *testing.T) {
	schema := compiled(t, CaptureSchema)
	empty := explain.Report{Verdict: explain.Verdict{Outcome: probe.OverallInconclusive, Summary: "There is no TCP conversation.", Chinese: "没有会话。"}}
	for _, ex := range []struct {
		name  string
		doc   Capture
		style CaptureStyle
	}{
		{"capture", NewCapture(interfered(), captureMeta), CaptureStyle{}},
		{"capture_damaged", NewCapture(interfered(), damagedMeta()).OnlyResets(), CaptureStyle{Style: Style{Unicode: true}, Chinese: true}},
		{"capture_empty", NewCapture(empty, CaptureMeta{File: "-"}), CaptureStyle{}},
	} {
		t.Run(ex.name, func(t *testing.T) {
			line, err := ex.doc.JSON()
			if err != nil {
				t.Fatal(err)
			}
			if err := validate(t, schema, line); err != nil {
				t.Error(err)
			}
			if bytes.ContainsFunc(line, unicode.IsControl) {
				t.Errorf("JSON has control characters: %q", line)
			}
			back, err := ReadCapture(bytes.NewReader(line))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(ex.doc, back, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
			ex.doc.Flows = ex.doc.Flows[max(0, len(ex.doc.Flows)-3):] // enough to review
			var pretty bytes.Buffer
			short, err := ex.doc.JSON()
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Indent(&pretty, short, "", "  "); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			golden(t, ex.name+".json", pretty.Bytes())
			var md bytes.Buffer
			if err := CaptureMarkdown(&md, ex.doc, ex.style); err != nil {
				t.Fatal(err)
			}
			golden(t, ex.name+".md", md.Bytes())
			golden(t, ex.name+".txt", []byte(captureText(t, ex.doc, ex.style)))
		})
	}
	golden(t, "capture_grouped.txt", []byte(captureText(t, NewCapture(interfered(), captureMeta), CaptureStyle{})))
}

func captureText(t *testing.T, c Capture, style CaptureStyle) string {
	t.Helper()
	var b strings.Builder
	if err := CaptureText(&b, c, style); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCaptureTextShape: whatever the network says, the text is one that a
// terminal shows as meant, two columns for a Chinese letter.
func TestCaptureTextShape(t *testing.T) {
	doc := NewCapture(interfered(), damagedMeta())
	for _, style := range []CaptureStyle{
		{}, {All: true}, {Style: Style{Color: true}}, {Style: Style{Unicode: true}, Chinese: true}, {Style: Style{Unicode: true, Color: true}, Chinese: true, All: true},
	} {
		for line := range strings.Lines(uncolored(captureText(t, doc, style))) {
			line = strings.TrimSuffix(line, "\n")
			for _, r := range line {
				if !unicode.IsPrint(r) || r > unicode.MaxASCII && !style.Unicode {
					t.Errorf("%+v: %q in %q", style, r, line)
				}
			}
			if n := columnsOf(line); n > columns {
				t.Errorf("%+v: %d columns: %q", style, n, line)
			}
			if line != strings.TrimRight(line, " ") {
				t.Errorf("%+v: spaces at the end of %q", style, line)
			}
		}
	}
}

// TestCaptureOrder: what matters most comes first, however it is numbered.
func TestCaptureOrder(t *testing.T) {
	var rep explain.Report
	for i, j := range []explain.Judgement{
		{Author: probe.OwnSide, Cause: "C4", Confidence: probe.Proved},
		{Author: probe.OwnSide, Cause: "C4", Confidence: probe.Possible},
		{Author: probe.Undetermined, Cause: "N2", Confidence: probe.Possible},
		{Author: probe.Server, Cause: "S1", Confidence: probe.Likely},
		{Author: probe.Server, Cause: "S6", Confidence: probe.Proved},
		{Author: probe.Undetermined, Cause: "", Confidence: probe.UndeterminedDegree},
		{Author: probe.OnOrInPath, Cause: "M1", Confidence: probe.Possible},
		{Author: probe.OnOrInPath, Cause: "M3", Confidence: probe.Likely},
		{Author: probe.OnPath, Cause: "M4", Confidence: probe.Proved},
	} {
		f := explainedReset(i)
		f.Resets[0].Judgement = j
		rep.Flows = append(rep.Flows, f)
	}
	doc := NewCapture(rep, captureMeta)
	told, harmless := doc.findings()
	var got []string
	for _, f := range append(told, harmless...) {
		got = append(got, string(f.Cause)+" "+string(f.Confidence))
	}
	want := []string{
		"M4 proved", "M3 likely", "M1 possible", " undetermined", "S6 proved", "S1 likely", "N2 possible", "C4 possible", "C4 proved",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if len(harmless) != 1 {
		t.Errorf("%d are harmless, want the abort that is proved", len(harmless))
	}
}

// TestCaptureContract: an explanation has the keys that are promised.
func TestCaptureContract(t *testing.T) {
	line, err := NewCapture(interfered(), captureMeta).JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	flow := got["flows"].([]any)[0].(map[string]any)
	for _, part := range []struct {
		object map[string]any
		keys   string
	}{
		{got, "schema_version file capture_position flows verdict location"},
		{got["verdict"].(map[string]any), "outcome summary"},
		{flow, "client server signature resets"},
		{flow["resets"].([]any)[0].(map[string]any), "packet from toward trigger_packet author cause confidence evidence against next"},
	} {
		for _, key := range strings.Fields(part.keys) {
			if _, ok := part.object[key]; !ok {
				t.Errorf("there is no %q in %v", key, part.object)
			}
		}
	}
	if got["location"] != nil {
		t.Errorf("location %v, want null: it is not a sweep", got["location"])
	}
}

// TestCaptureSchemaRefuses: the schema notices what the contract forbids.
func TestCaptureSchemaRefuses(t *testing.T) {
	s := compiled(t, CaptureSchema)
	line, err := NewCapture(interfered(), damagedMeta()).JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, old, new string }{
		{"unknown key", `"file":`, `"surprise":1,"file":`},
		{"missing key", `"interrupted":true`, `"listed":"all"`},
		{"null list", `"resets":[]`, `"resets":null`},
		{"unknown position", `"capture_position":"client"`, `"capture_position":"here"`},
		{"unknown cause", `"cause":"M3"`, `"cause":"M21"`},
		{"unknown signature", `"toward_client":"PSH+ACK -\u003e RST+ACK"`, `"toward_client":"RST"`},
		{"no endpoint", `"client":"[2001:db8::1]:50000"`, `"client":"2001:db8::1"`},
		{"packet 0", `"packet":5,`, `"packet":0,`},
		{"damage without a reason", `,"reason":"unexpected EOF"`, ``},
		{"no summary", `"summary_zh":"中间设备存在干预。"`, `"summary_zh":""`},
	} {
		t.Run(test.name, func(t *testing.T) {
			changed := bytes.Replace(line, []byte(test.old), []byte(test.new), 1)
			if bytes.Equal(changed, line) {
				t.Fatalf("nothing to replace: %s", test.old)
			}
			if err := validate(t, s, changed); err == nil {
				t.Error("the schema accepts it")
			}
		})
	}
}

// TestCaptureSchemaWords: what both schemas define they define alike, and
// the words are those of the code.
func TestCaptureSchemaWords(t *testing.T) {
	type schema struct {
		Defs map[string]any `json:"$defs"`
	}
	var main, capture schema
	for text, to := range map[string]*schema{Schema: &main, CaptureSchema: &capture} {
		if err := json.Unmarshal([]byte(text), to); err != nil {
			t.Fatal(err)
		}
	}
	for name, def := range capture.Defs {
		if of, ok := main.Defs[name]; ok {
			if diff := cmp.Diff(of, def); diff != "" {
				t.Errorf("%s (-schema.json +explain-schema.json):\n%s", name, diff)
			}
		}
	}
	live := []string{"attempt", "exchange", "lookup", "setting", "step"} // what is carried out has no counterpart in a capture
	for name := range main.Defs {
		if _, ok := capture.Defs[name]; !ok && !slices.Contains(live, name) {
			t.Errorf("%s is not shared", name)
		}
	}
	words := func(v any, keys ...string) []string {
		for _, k := range keys {
			v = v.(map[string]any)[k]
		}
		var out []string
		for _, w := range v.([]any) {
			out = append(out, w.(string))
		}
		return out
	}
	flow := func(key string) []string { return words(capture.Defs["conversation"], "properties", key, "enum") }
	less := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	for _, e := range []struct {
		name      string
		want, got []string
	}{
		{"position", constants(t, "../internal/explain", "Position"), words(capture.Defs["position"], "enum")},
		{"signature", constants(t, "../internal/explain", "Signature"), words(capture.Defs["signature"], "enum")},
		{"stage", constants(t, "../probe", "Stage"), flow("stage")},
		{"fate", constants(t, "../internal/explain/twoends", "Fate"), words(capture.Defs["fate"], "enum")},
		{"kind of packet", constants(t, "../internal/explain/twoends", "Kind"), words(capture.Defs["foreign"], "properties", "kind", "enum")},
		{"trigger", constants(t, "../probe", "Trigger"), flow("trigger")},
	} {
		if diff := cmp.Diff(e.want, e.got, less); diff != "" {
			t.Errorf("%s (-code +schema):\n%s", e.name, diff)
		}
	}
}

func TestReadCaptureRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "x", "other version": `{"schema_version":2}`, "two": `{"schema_version":1}{"schema_version":1}`,
	} {
		if _, err := ReadCapture(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), "report: read explanation: ") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestWriteCaptureFile: a name without a known extension is refused before
// and at writing, and what was there stays.
func TestWriteCaptureFile(t *testing.T) {
	doc := NewCapture(interfered(), captureMeta)
	for _, path := range []string{t.TempDir() + "/x.csv", t.TempDir() + "/x"} {
		for _, err := range []error{CheckCapturePath(path), WriteCaptureFile(path, doc, CaptureStyle{}, nil)} {
			if err == nil || !strings.Contains(err.Error(), "must end in one of .html .json .jsonl .md .pcapng .txt") {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	for write, err := range map[string]error{
		"text":     CaptureText(failing{}, doc, CaptureStyle{}),
		"markdown": CaptureMarkdown(failing{}, doc, CaptureStyle{}),
	} {
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", write, err)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
