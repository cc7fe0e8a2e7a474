package report

import (
	"fmt"
	"slices"

	"github.com/rstprobe/rstprobe/traceroute"
)

// signWords says what the signs of a path mean.
var signWords = map[traceroute.Answer]string{
	traceroute.TimeExceeded: "expired here: the router said so (ICMP)",
	traceroute.Silent:       "no answer",
	traceroute.ResetAnswer:  "RESET instead of an expiry",
	traceroute.BothAnswers:  "RESET, and expired as well",
	traceroute.Injected:     "INJECTED answer",
	traceroute.Unreachable:  "ICMP unreachable",
	traceroute.FromServer:   "the server answered",
}

// signSize is half the size of a sign.
const signSize = 7

// sign draws an answer around a point, each by a form of its own; nil:
// nothing was sent.
func (r *routeLayout) sign(a traceroute.Answer, x, y int) *routeSign {
	if a == traceroute.NotSent || signWords[a] == "" {
		return nil
	}
	if !slices.Contains(r.used, a) {
		r.used = append(r.used, a)
	}
	return signAt(a, x, y)
}

func signAt(a traceroute.Answer, x, y int) *routeSign {
	const s = signSize
	circle := func(r int) string {
		return fmt.Sprintf("M%d %d a%d %d 0 1 0 %d 0 a%d %d 0 1 0 %d 0 Z", x-r, y, r, r, 2*r, r, r, -2*r)
	}
	square := fmt.Sprintf("M%d %d h%d v%d h%d Z", x-s, y-s, 2*s, 2*s, -2*s)
	diamond := fmt.Sprintf("M%d %d l%d %d l%d %d l%d %d Z", x, y-s-1, s+1, s+1, -s-1, s+1, -s-1, -s-1)
	times := fmt.Sprintf("M%d %d l6 6 m0 -6 l-6 6", x-3, y-3)
	switch a {
	case traceroute.TimeExceeded:
		return &routeSign{Class: "expired", Path: circle(s - 2)}
	case traceroute.Silent:
		return &routeSign{Class: "silent", Path: circle(s - 2)}
	case traceroute.ResetAnswer:
		return &routeSign{Class: "reset", Path: square, Cross: times}
	case traceroute.BothAnswers:
		return &routeSign{Class: "both", Path: circle(s + 1), Cross: times}
	case traceroute.Injected:
		return &routeSign{Class: "injected", Path: diamond, Cross: fmt.Sprintf("M%d %d v4 m0 2 v1", x, y-4)}
	case traceroute.Unreachable:
		return &routeSign{Class: "unreachable", Path: circle(s), Cross: fmt.Sprintf("M%d %d l8 -8", x-4, y+4)}
	case traceroute.FromServer:
		return &routeSign{Class: "server", Path: square, Cross: fmt.Sprintf("M%d %d l2 3 l4 -6", x-3, y)}
	case traceroute.NotSent:
	}
	return nil
}

// legend explains the signs that are drawn, in a fixed order.
func (r *routeLayout) legend() {
	for _, a := range []traceroute.Answer{
		traceroute.TimeExceeded, traceroute.Silent, traceroute.ResetAnswer, traceroute.BothAnswers,
		traceroute.Injected, traceroute.Unreachable, traceroute.FromServer,
	} {
		if slices.Contains(r.used, a) {
			sign := signAt(a, 10, 10)
			sign.Word = signWords[a]
			if a == traceroute.FromServer {
				sign.Word = "the " + r.server() + " answered"
			}
			r.drawing.Legend = append(r.drawing.Legend, *sign)
		}
	}
}
