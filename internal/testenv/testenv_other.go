//go:build !linux

package testenv

import "errors"

// Raw sockets and namespaces are used on Linux only.
func raw() error   { return errors.ErrUnsupported }
func netns() error { return errors.ErrUnsupported }
