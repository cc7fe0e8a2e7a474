package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// TestNoSpaceIsNoDisk: the system's words for too many namespaces are those of
// a full disk.
func TestNoSpaceIsNoDisk(t *testing.T) {
	t.Parallel()
	err := noSpace(fmt.Errorf("netlab: %w", syscall.ENOSPC))
	if !strings.HasSuffix(err.Error(), "\n  sudo sysctl -w user.max_net_namespaces=10000 user.max_user_namespaces=10000") {
		t.Error(err)
	}
	if err := noSpace(errBroken); !errors.Is(err, errBroken) || err.Error() != errBroken.Error() {
		t.Error(err)
	}
}
