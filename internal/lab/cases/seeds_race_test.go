//go:build race

package cases_test

// How often each case is run with losses under the race detector.
const (
	twinSeeds = 10
	boxSeeds  = 5
)
