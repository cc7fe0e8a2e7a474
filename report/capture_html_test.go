package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// element is a part of a page that was parsed as XML.
type element struct {
	name     string
	attr     map[string]string
	text     string // its own
	children []*element
}

// parsed reads a page as XML, which a browser does not ask for: what is not
// well-formed cannot have been escaped well.
func parsed(t *testing.T, page []byte) *element {
	t.Helper()
	root := &element{}
	open := []*element{root}
	dec := xml.NewDecoder(bytes.NewReader(page))
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is no XML: %v", err)
		}
		top := open[len(open)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			e := &element{name: tok.Name.Local, attr: map[string]string{}}
			for _, a := range tok.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			top.children = append(top.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			top.text += string(tok)
		}
	}
	return root
}

// all finds the elements of a name, and with a class unless it is "".
func (e *element) all(name, class string) (out []*element) {
	if e.name == name && (class == "" || slices.Contains(strings.Fields(e.attr["class"]), class)) {
		out = append(out, e)
	}
	for _, c := range e.children {
		out = append(out, c.all(name, class)...)
	}
	return out
}

// words is all text inside.
func (e *element) words() string {
	s := e.text
	for _, c := range e.children {
		s += c.words()
	}
	return s
}

func html(t *testing.T, c Capture, style CaptureStyle, reread Reread) (*element, []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := CaptureHTML(&b, c, style, reread); err != nil {
		t.Fatal(err)
	}
	return parsed(t, b.Bytes()), b.Bytes()
}

// replay is a capture in which each of the conversations of interfered has
// its handshake, what was said, and the reset with its copy.
func replay(t *testing.T) Reread {
	t.Helper()
	return func(look func(int, time.Time, *packet.Packet) bool) error {
		for i := range 21 {
			f := explainedReset(i)
			at := f.Start
			for k, step := range []struct {
				byClient bool
				flags    packet.Flags
				seq, ack packet.Seq
				ttl      uint8
				data     string
			}{
				{true, packet.SYN, 99, 0, 64, ""},
				{false, packet.SYN | packet.ACK, 499, 100, 52, ""},
				{true, packet.ACK, 100, 500, 64, ""},
				{true, packet.PSH | packet.ACK, 100, 500, 64, "hello"},
				{false, packet.RST | packet.ACK, 500, 105, 58, ""},
				{false, packet.RST | packet.ACK, 500, 105, 58, ""},
			} {
				p := packet.Packet{
					Src: f.Client, Dst: f.Server, Proto: packet.TCP, TTL: step.ttl,
					TCP: packet.Segment{Seq: step.seq, Ack: step.ack, Flags: step.flags, Payload: []byte(step.data)},
				}
				if !step.byClient {
					p.Src, p.Dst = f.Server, f.Client
				}
				raw, err := packet.Build(p)
				if err != nil {
					return err
				}
				p.Raw = raw
				if n := 10*i + k + 1; !look(n, at.Add(time.Duration(k)*10*time.Millisecond), &p) {
					return nil
				}
			}
		}
		return nil
	}
}

// TestCaptureHTML: the page has all parts of the text, the drawings show each
// packet that is cited, and nothing comes from elsewhere.
func TestCaptureHTML(t *testing.T) {
	doc := NewCapture(interfered(), captureMeta)
	root, page := html(t, doc, CaptureStyle{All: true}, replay(t))
	sections := root.all("section", "finding")
	if want := 22; len(sections) != want { // 21 resets and one conversation that broke off
		t.Fatalf("%d findings, want %d", len(sections), want)
	}
	for i, s := range sections[:20] { // the resets of the box, in the order of the capture
		n := 10 * i
		var cited, forged []string
		for _, g := range s.all("g", "packet") {
			words := g.words()
			if notes := g.all("text", "cited"); len(notes) == 1 {
				cited = append(cited, g.all("text", "number")[0].words()+" "+notes[0].words())
			}
			if slices.Contains(strings.Fields(g.attr["class"]), "foreign") != strings.Contains(words, forgedMark) {
				t.Errorf("finding %d: class %q of %q", i+1, g.attr["class"], words)
			}
			if strings.Contains(words, forgedMark) {
				forged = append(forged, g.all("text", "number")[0].words())
				if len(g.all("path", "cross")) != 1 {
					t.Errorf("finding %d: no cross where %q begins", i+1, words)
				}
			}
		}
		if diff := cmp.Diff([]string{fmt.Sprintf("#%d 1", n+4), fmt.Sprintf("#%d 2", n+5)}, cited); diff != "" {
			t.Errorf("finding %d: cited packets (-want +got):\n%s", i+1, diff)
		}
		if diff := cmp.Diff([]string{fmt.Sprintf("#%d", n+5), fmt.Sprintf("#%d", n+6)}, forged); diff != "" {
			t.Errorf("finding %d: forged packets (-want +got):\n%s", i+1, diff)
		}
		if notes := s.all("ol", "notes"); len(notes) != 1 || len(notes[0].children) != 2 ||
			!strings.Contains(notes[0].children[1].words(), fmt.Sprintf("packet %d: reset by path (likely)", n+5)) {
			t.Errorf("finding %d: notes %q", i+1, s.words())
		}
	}
	if words := root.words(); !strings.Contains(words, "INTERFERENCE") || !strings.Contains(words, "(20)") {
		t.Error("the page lacks the verdict, or how many findings a cause has")
	}
	sane(t, root, page)

	var embedded Capture
	if err := json.Unmarshal([]byte(root.all("script", "")[0].text), &embedded); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(len(doc.Flows), len(embedded.Flows)); diff != "" || embedded.Verdict != doc.Verdict {
		t.Errorf("the JSON in the page has %d flows and the verdict %v", len(embedded.Flows), embedded.Verdict)
	}
}

// sane checks what holds of every page: it loads nothing, runs nothing, and
// names each of its targets once.
func sane(t *testing.T, root *element, page []byte) {
	t.Helper()
	for _, url := range regexp.MustCompile(`(?i)(https?:)?//[a-z0-9][^\s"'<]*|url\([^)]*\)|@import|javascript:`).FindAll(page, -1) {
		if string(url) != "http://www.w3.org/2000/svg" { // a name space, which nobody fetches
			t.Errorf("the page refers to %q", url)
		}
	}
	ids, links := map[string]int{}, []string{}
	var walk func(e *element)
	walk = func(e *element) {
		for key, value := range e.attr {
			switch {
			case key == "id":
				ids[value]++
			case key == "href":
				links = append(links, value)
			case key == "src", key == "style", strings.HasPrefix(key, "on"):
				t.Errorf("%s has %s=%q", e.name, key, value)
			}
		}
		if e.name == "script" && e.attr["type"] != "application/json" || e.name == "img" || e.name == "link" || e.name == "iframe" {
			t.Errorf("the page has a %s", e.name)
		}
		for _, c := range e.children {
			walk(c)
		}
	}
	walk(root)
	for id, n := range ids {
		if n != 1 {
			t.Errorf("%d elements have the id %q", n, id)
		}
	}
	for _, to := range links {
		if ids[strings.TrimPrefix(to, "#")] != 1 || to[0] != '#' {
			t.Errorf("a link leads to %q", to)
		}
	}
}

// TestCaptureHTMLHostile: whatever the network says stays text.
func TestCaptureHTMLHostile(t *testing.T) {
	for _, evil := range []string{
		`</script><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</svg><svg onload=alert(1)>`, `</title></style>{{.}}`,
		`' onmouseover='alert(1)`, `javascript:alert(1)//`, "\x1b[2J\x00\u202e\xff", `]]><!-- --> &amp; <a href="//evil.example/">`,
	} {
		rep := interfered()
		for i := range rep.Flows {
			f := &rep.Flows[i]
			f.Name, f.Artefact, f.Ending.Summary, f.Ending.Next = evil, evil, evil, evil
			for k := range f.Resets {
				j := &f.Resets[k].Judgement
				j.Summary, j.Chinese, j.Next = evil, evil, evil
				j.Evidence = append(j.Evidence, probe.Evidence{Rule: probe.RuleID(evil), Detail: evil, Packets: []int{10*i + 5}})
			}
		}
		rep.Verdict.Summary, rep.Verdict.Chinese = evil, evil
		meta := damagedMeta()
		meta.File = evil
		doc := NewCapture(rep, meta).WithServer(bothEnds(), evil)
		for _, style := range []CaptureStyle{{}, {All: true, Chinese: true}} {
			root, page := html(t, doc, style, replay(t))
			if n := len(root.all("script", "")); n != 1 {
				t.Errorf("%q: %d scripts, want the JSON", evil, n)
			}
			if bytes.Contains(page, []byte(evil)) && strings.ContainsAny(evil, "<>\x1b") {
				t.Errorf("%q is in the page as it is", evil)
			}
			if !strings.Contains(root.words(), clean(evil, true)) {
				t.Errorf("%q is not told", evil)
			}
			var walk func(*element)
			walk = func(e *element) {
				for key := range e.attr {
					if strings.HasPrefix(key, "on") || key == "src" {
						t.Errorf("%q: %s has %s", evil, e.name, key)
					}
				}
				for _, c := range e.children {
					walk(c)
				}
			}
			walk(root)
		}
	}
}

// TestCaptureHTMLEnds: what both captures show is drawn between three lines,
// and the packet that nobody sent begins on the middle one.
func TestCaptureHTMLEnds(t *testing.T) {
	rep := interfered()
	rep.Flows = nil
	root, page := html(t, NewCapture(rep, captureMeta).WithServer(bothEnds(), "server.pcap"), CaptureStyle{}, nil)
	sane(t, root, page)
	svgs := root.all("svg", "ladder")
	if len(svgs) != 1 {
		t.Fatalf("%d drawings, want that of the one conversation with something to tell", len(svgs))
	}
	if lines := svgs[0].all("line", ""); len(lines) != 3 {
		t.Errorf("%d lines, want three", len(lines))
	}
	foreign := svgs[0].all("g", "foreign")
	if len(foreign) != 1 || !strings.Contains(foreign[0].words(), forgedMark) || !strings.Contains(foreign[0].words(), "#53/-") {
		t.Errorf("%d foreign packets, want packet 53 of the client's capture", len(foreign))
	}
	notes := root.all("ol", "notes")
	if len(notes) != 1 || len(notes[0].children) != 3 || !strings.Contains(notes[0].children[1].words(), "packet 53/-: never sent by 198.51.100.7:443, in whose name it came: never-sent") {
		t.Errorf("%d notes, want that on packet 53 between the one on what drew it and the one on the server's own reset", len(notes))
	}
}

// TestCaptureHTMLFate: a phone shows the column that decides.
func TestCaptureHTMLFate(t *testing.T) {
	root, _ := html(t, NewCapture(interfered(), captureMeta).WithServer(bothEnds(), "server.pcap"), CaptureStyle{}, nil)
	fates := 0
	for _, row := range root.all("tr", "bad") {
		if cells := row.all("td", ""); len(cells) == len(rowHeader) && strings.HasPrefix(cells[0].words(), "NOT SENT by the") {
			fates++
		}
	}
	if fates != 1 {
		t.Errorf("%d rows begin with what became of a packet that nobody sent, want 1", fates)
	}
}

// TestCaptureHTMLLanguage: a page says which of its sentences are Chinese, for
// whoever reads them aloud or hyphenates them; the rest is English.
func TestCaptureHTMLLanguage(t *testing.T) {
	doc := NewCapture(interfered(), captureMeta).WithServer(bothEnds(), "server.pcap")
	for _, chinese := range []bool{false, true} {
		root, page := html(t, doc, CaptureStyle{Style: Style{Unicode: true}, Chinese: chinese, All: true}, nil)
		if !bytes.Contains(page, []byte(`<html lang="en">`)) {
			t.Error("the page is not in English")
		}
		parts := 0
		for _, tag := range []string{"p", "div"} {
			for _, e := range root.all(tag, "") {
				if e.attr["lang"] == "zh-Hans" {
					parts++
					if strings.IndexFunc(e.words(), wide) < 0 {
						t.Errorf("%q is no Chinese", e.words())
					}
				}
			}
		}
		if chinese != (parts > 2) {
			t.Errorf("Chinese: %v, parts in Chinese: %d", chinese, parts)
		}
	}
}

// TestCaptureHTMLUndrawn: the page says why conversations are not drawn.
func TestCaptureHTMLUndrawn(t *testing.T) {
	var rep explain.Report
	for i := range maxLadders + 3 {
		rep.Flows = append(rep.Flows, explainedReset(i))
	}
	doc := NewCapture(rep, captureMeta)
	root, _ := html(t, doc, CaptureStyle{All: true}, nil)
	if len(root.all("svg", "ladder")) != 0 || !strings.Contains(root.words(), "No conversation is drawn: the capture can be read only once") {
		t.Error("a page without a second reading has drawings, or does not say why not")
	}
	root, _ = html(t, doc, CaptureStyle{All: true}, replay(t))
	if n := len(root.all("svg", "ladder")); n != maxLadders || !strings.Contains(root.words(), "3 more conversations are not drawn") {
		t.Errorf("%d drawings, want %d, and the others counted", n, maxLadders)
	}
	broken := errors.New("broken")
	fails := func(func(int, time.Time, *packet.Packet) bool) error { return broken }
	for name, err := range map[string]error{
		"reading": CaptureHTML(io.Discard, doc, CaptureStyle{}, fails),
		"letters": drawnMarkdown(io.Discard, doc, CaptureStyle{}, fails),
		"packets": CaptureEvidence(io.Discard, doc, fails),
	} {
		if !errors.Is(err, broken) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if err := CaptureHTML(failing{}, doc, CaptureStyle{}, nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}
