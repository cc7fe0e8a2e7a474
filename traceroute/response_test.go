package traceroute

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResponse(t *testing.T) {
	t.Parallel()
	at := func(ttl uint8, silent ...int) Search {
		return ended(search(harmless(silent...), harmless(silent...), harmless(silent...)), ttl)
	}
	for _, tt := range []struct {
		name      string
		search    Search
		after, at int // at 0: not placed
		back      int
	}{
		{"from router 3", at(ttlFrom(3)), 2, 4, 3},
		{"from router 3, of another initial TTL", at(255 - 2), 2, 4, 3},
		{"from the first router", at(64), 0, 2, 1},
		{"from the last but one", at(ttlFrom(5)), 4, 6, 5},
		{"from the last router", at(ttlFrom(6)), 0, 0, 0},
		{"beside silent routers", at(ttlFrom(3), 2, 3, 4), 1, 5, 3},
		{"where no router speaks", at(ttlFrom(3), all...), 0, 7, 3},
		{"as far as the server", at(serverTTL), 0, 0, 0},
		{"farther than the server, but for 60", at(64 - 8), 4, 6, 5},
		{"a TTL of no stack", at(150), 0, 0, 0},
		{"copies below the server draw it", ended(search(harmless(), tap(3, 3)), ttlFrom(3)), 0, 0, 0},
		{"no tests", search(harmless(), harmless()), 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := tt.search.Response()
			if l == nil {
				if tt.at != 0 {
					t.Errorf("not placed, want between %d and %d", tt.after, tt.at)
				}
				return
			}
			if diff := cmp.Diff([]int{tt.after, tt.at, tt.back}, []int{l.After.TTL, l.At.TTL, l.ReverseHops}); diff != "" {
				t.Errorf("after, at, back: -want +got:\n%s", diff)
			}
			if l.Device != nil || l.Method != ResponseDirection || len(l.Evidence) != 1 || l.Votes != 3 {
				t.Errorf("%+v", l)
			}
		})
	}
	several := at(ttlFrom(3))
	several.Full = append(several.Full, at(ttlFrom(2)).Full...)
	if l := several.Response(); l != nil {
		t.Errorf("of several TTLs: %+v", l)
	}
}
