package cases

import (
	"fmt"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/probe"
)

// answerModels take the request out and answer just as the server would: with
// its TTL, and with as many bytes. The time alone tells them from it.
func answerModels() []model {
	impostor := func(says func([]byte) []byte) func(lab.Topology) middlebox.Box {
		return always(func() middlebox.Box { return &middlebox.Impostor{Match: middlebox.NameIs(Blocked), Says: says} })
	}
	return []model{
		{name: "impostor", doc: "a man in the middle says a ServerHello with the server's TTL", only: probe.SNI, outcome: page, authors: inPath, causes: []probe.Cause{"M16"}, change: tooNear,
			box: impostor(func([]byte) []byte { return payload.ServerHelloBytes() })},
		{name: "impostor", doc: "a box answers with an altered page, as long as the server's and with its TTL", only: probe.Host, outcome: page, authors: inPath, causes: []probe.Cause{"M11"}, change: tooNear,
			box: impostor(func([]byte) []byte {
				body := lab.Server{}.Page("another.example")
				return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s", len(body), body)
			})},
	}
}

// tooNear: at the last router it answers about as late as the server, and where
// the bytes are the server's own nothing tells them apart.
func tooNear(w *Want, router, routers int) {
	if router == routers {
		w.Overall, w.Outcome, w.Authors, w.Causes = append(w.Overall, probe.Clean), nil, append([]probe.Author{probe.Server}, w.Authors...), nil
	}
}
