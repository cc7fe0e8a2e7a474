//go:build !linux

package doctor

import (
	"errors"
	"os"
)

// examineSystem knows of other systems that nothing can be measured there.
func examineSystem(f *Facts, _ Config) {
	f.Kernel = errors.ErrUnsupported
	f.Process.UID = -1
}

func testTarget(t Target) TargetFacts {
	if t.Err == nil {
		t.Err = errors.ErrUnsupported
	}
	return TargetFacts{Name: t.Name, Addr: t.Addr, Err: t.Err}
}

// writable asks nothing but whether the directory is there.
func writable(dir string) error {
	_, err := os.Stat(dir)
	return err
}

func locked(string) bool { return false }
