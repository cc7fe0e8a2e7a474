package rawsock

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	ownFiles   = 4  // of a Conn besides its guard
	otherFiles = 40 // of the process: standard streams, results, look-ups of names
	fewPorts   = 8  // with fewer, trials mostly wait for each other
)

// Room is how many ports each of some Conns can guard, at most want, so that
// the process may open other files besides. The error is [ErrFiles] if they
// are too few to measure with.
func Room(want, conns int) (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("rawsock: read how many files may be open: %w", err)
	}
	most := int(min(limit.Cur, 1<<20)) //nolint:gosec // it fits
	ports := min(want, (most-otherFiles)/conns-ownFiles)
	if ports < min(want, fewPorts) {
		return 0, fmt.Errorf("%w: %d, and raw sockets need %d: raise the limit (ulimit -n %d, or LimitNOFILE= of a service)",
			ErrFiles, most, otherFiles+conns*(ownFiles+fewPorts), otherFiles+conns*(ownFiles+want))
	}
	return ports, nil
}
