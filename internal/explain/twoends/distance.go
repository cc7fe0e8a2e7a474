package twoends

import "slices"

// usual are the TTLs that systems send packets with: Linux and BSD 64,
// Windows 128, routers and older Unix 255, small devices 32 and 60, load
// balancers and boxes that were met 100, 102 and 200.
var usual = []int{32, 60, 64, 100, 102, 128, 200, 255}

// path is how many routers the packets of both ends cross; false: not known.
// The ways there and back may have different lengths.
func (m *match) path() (Span, bool) {
	out, ok := Span{}, false
	for _, y := range m.ways {
		if (y.ttls == Span{}) {
			continue
		}
		if !ok {
			out = y.crossed
		}
		out, ok = Span{min(out.Low, y.crossed.Low), max(out.High, y.crossed.High)}, true
	}
	return out, ok && out.Low >= 0
}

// distance is how far from the ends a foreign packet was let loose. If a box
// sends its packets to both ends with one initial TTL, each loses what lies
// between, and both together the length of the path:
//
//	initial = (TTL at the client + TTL at the server + routers) / 2
//
// An odd sum says that the box is a router itself, which does not count for
// its own packets. Nil: unlike TTLs at one end, or what they say is impossible.
func (m *match) distance(g *seg) *Distance {
	path, ok := m.path()
	if !ok {
		return nil
	}
	var ttls [2][]int
	for _, o := range m.odd {
		if kindOf(o).ends() && !slices.Contains(ttls[o.in], int(o.ttl)) {
			ttls[o.in] = append(ttls[o.in], int(o.ttl))
		}
	}
	switch {
	case len(ttls[Client]) > 1 || len(ttls[Server]) > 1:
		return nil
	case len(ttls[Client]) == 1 && len(ttls[Server]) == 1:
		return fromBoth(ttls[Client][0], ttls[Server][0], path)
	}
	return fromOne(int(g.ttl), g.in, path)
}

func fromBoth(atClient, atServer int, path Span) *Distance {
	sum := atClient + atServer
	d := &Distance{Both: true, Path: path.High, Initial: Span{(sum + path.Low) / 2, (sum + path.High + 1) / 2}}
	d.FromClient = Span{d.Initial.Low - atClient, d.Initial.High - atClient}
	d.FromServer = Span{d.Initial.Low - atServer, d.Initial.High - atServer}
	if d.FromClient.Low < 0 || d.FromServer.Low < 0 || d.Initial.High > 255 {
		return nil
	}
	d.Usual = slices.ContainsFunc(usual, d.Initial.has)
	return d
}

// fromOne tries the usual initial TTLs: those are possible that leave the box
// on the path.
func fromOne(ttl int, at End, path Span) *Distance {
	var d *Distance
	for _, initial := range usual {
		near := initial - ttl
		if near < 0 || near > path.High {
			continue
		}
		far := Span{max(path.Low-near-1, 0), path.High - near}
		of := [2]Span{{near, near}, {near, near}}
		of[at.other()] = far
		if d == nil {
			d = &Distance{Initial: Span{initial, initial}, FromClient: of[Client], FromServer: of[Server], Path: path.High, Usual: true}
			continue
		}
		d.Initial = d.Initial.or(Span{initial, initial})
		d.FromClient, d.FromServer = d.FromClient.or(of[Client]), d.FromServer.or(of[Server])
	}
	return d
}

func (s Span) or(o Span) Span { return Span{min(s.Low, o.Low), max(s.High, o.High)} }
