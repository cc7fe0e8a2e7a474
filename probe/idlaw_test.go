package probe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLawOfIDs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		ids      []uint16
		answered []uint16
		want     IDLaw
	}{
		{"nothing", nil, nil, IDLaw{}},
		{"one packet", []uint16{0}, nil, IDLaw{}},
		{"zero", []uint16{0, 0}, nil, IDLaw{Kind: IDZero}},
		{"a constant", []uint16{1536, 1536, 1536}, nil, IDLaw{Kind: IDConstant}},
		{"a counter", []uint16{7, 8, 10, 11}, nil, IDLaw{Kind: IDCounter, Step: 2}},
		{"a counter over the edge", []uint16{65534, 65535, 1, 2}, nil, IDLaw{Kind: IDCounter, Step: 2}},
		{"a counter with others between", []uint16{7, 400, 1300, 1301}, nil, IDLaw{Kind: IDCounter, Step: 900}},
		{"two steps are too few", []uint16{7, 8, 9}, nil, IDLaw{}},
		{"random", []uint16{7, 40000, 12, 9000}, nil, IDLaw{Kind: IDRandom}},
		{"a counter that stands still once", []uint16{7, 8, 8, 9}, nil, IDLaw{Kind: IDRandom}},
		{"ours", []uint16{4711, 815, 9}, []uint16{4711, 815, 9}, IDLaw{Kind: IDEcho}},
		{"ours and one", []uint16{4712, 816, 10}, []uint16{4711, 815, 9}, IDLaw{Kind: IDEcho}},
		{"a constant that ours happens to be", []uint16{4711, 4711}, []uint16{4711, 4711}, IDLaw{Kind: IDConstant}},
		{"zero, which ours was, too", []uint16{0, 0}, []uint16{0, 0}, IDLaw{Kind: IDZero}},
		{"ours is known for some only", []uint16{4711, 815, 9, 12}, []uint16{4711}, IDLaw{Kind: IDRandom}},
	} {
		if diff := cmp.Diff(tt.want, LawOfIDs(tt.ids, tt.answered)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
}

func TestIDLawBetween(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		before, id, after uint16
		want              bool
	}{{7, 8, 9, true}, {7, 7, 9, true}, {7, 9, 9, true}, {7, 10, 9, false}, {7, 6, 9, false}, {65534, 0, 2, true}, {65534, 3, 2, false}} {
		if got := (IDLaw{Kind: IDCounter}).Between(tt.before, tt.id, tt.after); got != tt.want {
			t.Errorf("%d between %d and %d: %v, want %v", tt.id, tt.before, tt.after, got, tt.want)
		}
	}
}

func TestIDLawString(t *testing.T) {
	t.Parallel()
	for law, want := range map[IDLaw]string{{}: "not known", {Kind: IDZero}: "zero", {Kind: IDCounter, Step: 9}: "a counter with steps up to 9"} {
		if got := law.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
