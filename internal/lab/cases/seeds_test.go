//go:build !race

package cases_test

// How often each case is run with losses, innocent ones and boxes. Under the
// race detector, which is several times slower, fewer are (seeds_race_test.go).
const (
	twinSeeds = 200
	boxSeeds  = 40
)
