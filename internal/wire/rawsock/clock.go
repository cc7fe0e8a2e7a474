package rawsock

import "time"

// monotonic gives a kernel timestamp, read from the realtime clock, the
// monotonic reading that now has, so that what is computed from it survives a
// step of that clock.
//
// A step between the stamp and now falsifies the age of the stamp. Floor
// bounds the harm: it is a time at which what was stamped was not there yet,
// so no result lies before it, nor after now.
func monotonic(kernel, now, floor time.Time) time.Time {
	at := now.Add(-now.Sub(kernel)) // kernel has no monotonic reading, so this age is by the realtime clock
	switch {
	case at.After(now):
		return now
	case at.Before(floor):
		return floor
	}
	return at
}
