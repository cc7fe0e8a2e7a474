package kernelconn

import (
	"errors"
	"testing"
)

func TestBisect(t *testing.T) {
	t.Parallel()
	for ttl := 1; ttl <= 255; ttl++ {
		asked := 0
		got, err := bisect(func(floor uint8) (bool, error) {
			asked++
			return int(floor) <= ttl, nil
		})
		if err != nil || int(got) != ttl {
			t.Fatalf("TTL %d: found %d, %v", ttl, got, err)
		}
		if asked > 10 { // eight halvings, and both sides once more
			t.Errorf("TTL %d took %d connections", ttl, asked)
		}
	}
}

func TestBisectDoubts(t *testing.T) {
	t.Parallel()
	broken := errors.New("no socket")
	for _, tt := range []struct {
		name  string
		heard func(floor uint8, asked int) (bool, error)
		err   error
	}{
		{"nothing is ever heard", func(uint8, int) (bool, error) { return false, nil }, nil},
		{"one answer gets lost", func(floor uint8, asked int) (bool, error) { return floor <= 58 && asked != 3, nil }, nil},
		{"several TTLs", func(floor uint8, asked int) (bool, error) { return int(floor) <= 50+asked, nil }, nil},
		{"no socket", func(uint8, int) (bool, error) { return false, broken }, broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			got, err := bisect(func(floor uint8) (bool, error) {
				asked++
				return tt.heard(floor, asked)
			})
			if got != 0 || !errors.Is(err, tt.err) {
				t.Errorf("TTL %d, %v; want none, %v", got, err, tt.err)
			}
		})
	}
}
