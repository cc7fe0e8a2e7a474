package traceroute

import "testing"

func TestInitialTTL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		received uint8
		crossed  int
		want     int // 0: none fits
	}{
		{"64, exactly", 60, 4, 64},
		{"64, a longer way back", 57, 5, 64}, // 62: as near to 60
		{"60", 55, 5, 60},
		{"100", 91, 9, 100},
		{"102", 93, 9, 102},
		{"101 is either, 100 the commoner", 92, 9, 100},
		{"128", 118, 12, 128},
		{"200", 190, 9, 200},
		{"255", 240, 14, 255},
		{"32", 25, 6, 32},
		{"2 hops too near", 54, 12, 64},
		{"3 hops off", 121, 4, 128},
		{"4 hops off", 50, 18, 0},
		{"a TTL of no stack", 77, 4, 0},
		{"nothing crossed", 255, 0, 255},
		{"more than was ever left", 255, 30, 0},
		{"none left", 0, 3, 0},
	} {
		got, ok := InitialTTL(tt.received, tt.crossed)
		if got != tt.want || ok != (tt.want > 0) {
			t.Errorf("%s: %d after %d routers is %d, %v; want %d", tt.name, tt.received, tt.crossed, got, ok, tt.want)
		}
	}
}

func TestSlope(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		pairs []TTLPair
		want  TTLLaw
	}{
		{"nothing", nil, UnknownTTL},
		{"one", []TTLPair{{64, 60}}, UnknownTTL},
		{"triggers alike", []TTLPair{{64, 60}, {63, 59}, {62, 58}}, UnknownTTL},
		{"fixed", []TTLPair{{64, 60}, {60, 60}, {56, 60}}, FixedTTL},
		{"fixed, two ways", []TTLPair{{64, 60}, {60, 59}, {56, 60}}, FixedTTL},
		{"copied", []TTLPair{{64, 56}, {60, 52}, {56, 48}}, CopiedTTL},
		{"copied, two ways", []TTLPair{{64, 56}, {60, 51}, {56, 48}}, CopiedTTL},
		{"copied, of two copies, twice", []TTLPair{{5, 1}, {6, 2}, {5, 1}, {6, 2}}, CopiedTTL},
		{"fixed, of two copies, twice", []TTLPair{{5, 60}, {6, 60}, {5, 60}, {6, 60}}, UnknownTTL},
		{"more than was left", []TTLPair{{1, 71}, {5, 75}, {6, 76}, {3, 73}}, RandomTTL},
		{"random", []TTLPair{{64, 99}, {60, 201}, {56, 48}}, RandomTTL},
		{"slope of a half", []TTLPair{{64, 56}, {60, 54}, {56, 52}}, RandomTTL},
	} {
		if got := Slope(tt.pairs); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestCopiedHops(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pair  TTLPair
		after int
		back  int
		ok    bool
	}{
		{TTLPair{64, 56}, 4, 4, true}, // at the ingress of hop 5, and back the same way
		{TTLPair{64, 54}, 4, 6, true}, // a longer way back
		{TTLPair{64, 64}, 0, 0, true}, // on our own link
		{TTLPair{64, 62}, 4, -2, false},
		{TTLPair{64, 56}, -1, 9, false},
	} {
		if back, ok := CopiedHops(tt.pair, tt.after); back != tt.back || ok != tt.ok {
			t.Errorf("%v behind hop %d: %d, %v; want %d, %v", tt.pair, tt.after, back, ok, tt.back, tt.ok)
		}
	}
}
