package sweep

import (
	"fmt"
	"strings"

	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// conclude draws the overall outcome and its sentences from the verdict.
func (r *Result) conclude() {
	v := r.Verdict
	what, chinese := r.subject()
	switch {
	case r.ControlHit > 0:
		r.Outcome = probe.OverallInconclusive
		r.Summary = fmt.Sprintf("The control is interfered with from TTL %d on, and the test is not: are the files swapped?", r.ControlHit)
		r.Chinese = fmt.Sprintf("对照自 TTL %d 起受到干预,而测试未受干预:两个文件是否弄反了?", r.ControlHit)
	case r.interferes():
		r.Outcome = probe.Interference
		r.Summary = fmt.Sprintf("%s is %s by %s%s, not by the server (%s).", what, words[v.Outcome][0], authors[v.Author][0], where(r.Location, r.Path.ServerTTL), v.Confidence)
		r.Chinese = fmt.Sprintf("%s被%s%s%s,并非服务器所为(%s)。", chinese, authors[v.Author][1], whereChinese(r.Location, r.Path.ServerTTL), words[v.Outcome][1], degrees[v.Confidence])
	case v.Outcome == probe.OK:
		r.Outcome = probe.Clean
		r.Summary = fmt.Sprintf("%s is answered normally (%d of %d); nothing interferes.", what, v.Counts.TestTotal-v.Counts.TestBad, v.Counts.TestTotal)
		r.Chinese = fmt.Sprintf("%s得到正常应答(%d/%d),无干预。", chinese, v.Counts.TestTotal-v.Counts.TestBad, v.Counts.TestTotal)
	case v.Outcome == probe.Refused && v.Author == probe.Server:
		r.Outcome = probe.ServerRefuses
		r.Summary = fmt.Sprintf("%v refuses connections: the port is closed, and %d control connections do not differ; no name is interfered with.", r.Server, r.copies())
		r.Chinese = fmt.Sprintf("%v 拒绝连接:端口未开放,%d 个对照连接亦无不同,与域名无关。", r.Server, r.copies())
	case v.Author == probe.ServerSide:
		r.Outcome = probe.ServerRefuses
		r.Summary = fmt.Sprintf("%s is %s by the server or gear beside it (%s); nothing on the path before interferes.", what, words[v.Outcome][0], v.Confidence)
		r.Chinese = fmt.Sprintf("%s被服务器或其侧设备%s(%s),此前的网络无干预。", chinese, words[v.Outcome][1], degrees[v.Confidence])
	case v.Author == probe.Server:
		r.Outcome = probe.ServerRefuses
		r.Summary = fmt.Sprintf("%s is %s by %s itself (%s); nothing on the path interferes.", what, words[v.Outcome][0], authors[v.Author][0], v.Confidence)
		r.Chinese = fmt.Sprintf("%s被%s自身%s(%s),中间网络无干预。", chinese, authors[v.Author][1], words[v.Outcome][1], degrees[v.Confidence])
	case v.Stage == probe.StageSYN && (v.Outcome == probe.Drop || v.Outcome == probe.Unreachable):
		r.Outcome = probe.OverallUnreachable
		r.Summary = fmt.Sprintf("%v does not answer.", r.Server)
		r.Chinese = fmt.Sprintf("%v 无应答。", r.Server)
	default:
		r.Outcome = probe.OverallInconclusive
		r.Summary = fmt.Sprintf("%s: %s, and the sweeps do not tell who did it. Next: %s.", what, words[v.Outcome][0], v.Next)
		r.Chinese = fmt.Sprintf("%s:%s,扫描结果不足以判断由谁造成。下一步:%s。", chinese, words[v.Outcome][1], v.Next)
	}
}

// live says what to run where what to do next is an option of a measurement,
// which a capture has not.
func (r *Result) live() {
	if v := &r.Verdict; r.Name != "" && strings.Contains(v.Next, "--") {
		v.Next = fmt.Sprintf("measure it live, with rstprobe %s:%d@%v --%s: %s", r.Name, r.Server.Port(), r.Server.Addr(), r.Kind, v.Next)
	}
}

// interferes reports whether a box between the ends is likely at least. A
// suspicion is not placed: a segment would make it look like a finding.
func (r *Result) interferes() bool {
	return r.Verdict.Interferes() && (r.Verdict.Confidence == probe.Proved || r.Verdict.Confidence == probe.Likely)
}

// copies is how many control connections there are.
func (r *Result) copies() int {
	n := 0
	for _, s := range r.Steps {
		n += s.Control.Copies
	}
	return n
}

// subject names what was said, and to whom.
func (r *Result) subject() (english, chinese string) {
	switch {
	case r.Name == "":
		return fmt.Sprintf("What the sweep says to %v", r.Server), fmt.Sprintf("发往 %v 的测试数据", r.Server)
	case r.Kind == probe.Host:
		return fmt.Sprintf("HTTP with Host %q to %v", r.Name, r.Server), fmt.Sprintf("发往 %v、Host 为 %q 的 HTTP 请求", r.Server, r.Name)
	}
	return fmt.Sprintf("TLS with server name %q to %v", r.Name, r.Server), fmt.Sprintf("发往 %v、SNI 为 %q 的 TLS 握手", r.Server, r.Name)
}

// words put an outcome into a participle, in English and Chinese.
var words = map[probe.Outcome][2]string{
	probe.OK: {"answered", "得到应答"}, probe.Reset: {"reset", "重置"}, probe.Fin: {"closed without an answer", "未应答即关闭"},
	probe.Drop: {"dropped", "丢弃"}, probe.Stall: {"left without an answer", "搁置不答"},
	probe.InjectedResponse: {"answered with a forged response", "以伪造应答答复"}, probe.Alert: {"refused with a TLS alert", "以 TLS 警报拒绝"},
	probe.Refused: {"refused with a reset", "以重置拒绝"}, probe.Unreachable: {"reported unreachable", "报告不可达"},
	probe.Inconclusive: {"not measurable", "无法测量"},
}

var authors = map[probe.Author][2]string{
	probe.Server: {"the server", "服务器"}, probe.ServerSide: {"gear at the server's side", "服务器侧设备"},
	probe.OnPath: {"a box beside the path that sees a copy", "旁路设备"}, probe.InPath: {"a box in the path", "串接设备"},
	probe.OnOrInPath: {"a box on the path", "路径上的设备"}, probe.OwnSide: {"gear on our own side", "本端设备"},
	probe.Undetermined: {"somebody", "未知一方"},
}

var degrees = map[probe.Confidence]string{
	probe.Proved: "已证实", probe.Likely: "很可能", probe.Possible: "有可能", probe.UndeterminedDegree: "未定",
}

// where says on which segment a box stands. The first TTL at which it acts is
// that of the segment's far end.
func where(l *traceroute.Location, server int) string {
	switch {
	case l == nil:
		return ""
	case l.Device != nil:
		return fmt.Sprintf(", which acts from TTL %d on, at hop %d (%v)", l.At.TTL, l.Device.TTL, l.Device.Addr)
	}
	return fmt.Sprintf(", which acts from TTL %d on, between %s and %s", l.At.TTL,
		point(l.After, server, "the prober", "the server", "hop %d"), point(l.At, server, "the prober", "the server", "hop %d"))
}

func whereChinese(l *traceroute.Location, server int) string {
	switch {
	case l == nil:
		return ""
	case l.Device != nil:
		return fmt.Sprintf("(自 TTL %d 起动作,位于第 %d 跳 %v)", l.At.TTL, l.Device.TTL, l.Device.Addr)
	}
	return fmt.Sprintf("(自 TTL %d 起动作,位于%s与%s之间)", l.At.TTL,
		point(l.After, server, "探测端", "服务器", "第 %d 跳"), point(l.At, server, "探测端", "服务器", "第 %d 跳"))
}

func point(p traceroute.Point, server int, prober, end, hop string) string {
	switch {
	case p.TTL == 0:
		return prober
	case p.TTL == server:
		return end
	case !p.Addr.IsValid():
		return fmt.Sprintf(hop, p.TTL)
	}
	return fmt.Sprintf(hop, p.TTL) + " (" + p.Addr.String() + ")"
}
