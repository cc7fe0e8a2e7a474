package twoends_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/explain/twoends"
)

// TestDistance has a box that resets both ends from every place there is. On
// the path of 21 routers its packets leave with 94, as in the documented case
// whose TTLs were 82 and 85: nine routers from the client.
func TestDistance(t *testing.T) {
	for _, length := range []int{1, 12, 21} {
		for k := range length + 1 {
			t.Run(fmt.Sprintf("%d of %d", k, length), func(t *testing.T) {
				w := newWorld(t)
				w.length = length
				asks(w)
				toClient(w, k, "a", ttl(94))
				toServer(w, k, "b", ttl(94))
				w.trip()
				r := w.match()
				want := &twoends.Distance{
					Initial: twoends.Span{Low: 94, High: 94}, FromClient: twoends.Span{Low: k, High: k},
					FromServer: twoends.Span{Low: length - k, High: length - k}, Path: length, Both: true,
				}
				for _, f := range r.Pairs[0].Foreign {
					if diff := cmp.Diff(want, f.Distance); diff != "" {
						t.Errorf("%s: -want +got:\n%s", f.Summary, diff)
					}
				}
				if len(r.Pairs[0].Foreign) != 2 || !r.Pairs[0].Both {
					t.Errorf("%d foreign packets, want 2 to both ends", len(r.Pairs[0].Foreign))
				}
			})
		}
	}
}

func TestDistanceElse(t *testing.T) {
	tests := []struct {
		name string
		play func(*world)
		want *twoends.Distance
	}{
		{
			name: "one end, a usual initial TTL",
			play: func(w *world) { toClient(w, 5, "a", ttl(128)) },
			want: &twoends.Distance{
				Initial: twoends.Span{Low: 128, High: 128}, FromClient: twoends.Span{Low: 5, High: 5}, FromServer: twoends.Span{Low: 6, High: 7}, Path: 12, Usual: true,
			},
		},
		{
			name: "one end, two usual initial TTLs",
			play: func(w *world) { toClient(w, 5, "a", ttl(64)) },
			want: &twoends.Distance{
				Initial: twoends.Span{Low: 60, High: 64}, FromClient: twoends.Span{Low: 1, High: 5}, FromServer: twoends.Span{Low: 6, High: 11}, Path: 12, Usual: true,
			},
		},
		{
			name: "a router, which does not count for its own packets",
			play: func(w *world) {
				toClient(w, 4, "a", ttl(64))
				toServer(w, 5, "b", ttl(64))
			},
			want: &twoends.Distance{
				Initial: twoends.Span{Low: 64, High: 65}, FromClient: twoends.Span{Low: 4, High: 5}, FromServer: twoends.Span{Low: 7, High: 8}, Path: 12, Both: true, Usual: true,
			},
		},
		{
			name: "chance initial TTLs",
			play: func(w *world) {
				toClient(w, 5, "a", ttl(77))
				toClient(w, 5, "b", ttl(99))
				toServer(w, 5, "c", ttl(140))
			},
		},
		{
			name: "initial TTLs that put it beyond an end",
			play: func(w *world) {
				toClient(w, 5, "a", ttl(30))
				toServer(w, 5, "b", ttl(200))
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := asks(newWorld(t))
			tt.play(w)
			w.trip()
			r := w.match()
			if len(r.Pairs[0].Foreign) == 0 {
				t.Fatalf("nothing foreign: %+v", r)
			}
			for _, f := range r.Pairs[0].Foreign {
				if diff := cmp.Diff(tt.want, f.Distance); diff != "" {
					t.Errorf("%s: -want +got:\n%s", f.Summary, diff)
				}
			}
		})
	}
}
