package argv

import "testing"

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"kitten", "sitting", 3},
		{"ttl", "tll", 1}, {"explian", "explain", 1}, {"ab", "ba", 1}, {"abcd", "badc", 2},
	} {
		if got := Distance(tt.a, tt.b); got != tt.want {
			t.Errorf("from %q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"trace", "explain", "demo", "v"}
	for _, tt := range []struct{ text, want string }{
		{"explian", "explain"}, {"exlpian", "explain"}, {"trcae", "trace"}, {"dmo", "demo"}, {"demos", "demo"},
		{"localhost", ""}, {"router", ""}, {"", ""}, {"x", ""}, {"example", ""},
	} {
		if got := Nearest(tt.text, words); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
}
