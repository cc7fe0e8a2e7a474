//go:build !linux

package ledgerfile

import "sync"

var lock sync.Mutex

// locked calls f while no other goroutine is between the same two steps. Other
// processes are not kept out: of two that write at the same moment, one may
// lose what it had to add. The file is whole in any case.
func locked(_ string, f func() error) error {
	lock.Lock()
	defer lock.Unlock()
	return f()
}
