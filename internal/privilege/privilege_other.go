//go:build !linux

package privilege

// Lower does nothing.
func Lower() error { return nil }

// Raise calls f.
func Raise(f func() error) error { return f() }

// Shed calls f.
func Shed(f func() error) error { return f() }

// Drop does nothing.
func Drop(...string) error { return nil }
