package sdnotify

import (
	"net"
	"path/filepath"
	"testing"
)

// TestNotify: a manager hears each state, in order.
func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skipf("needs sockets of datagrams in files: %v", err)
	}
	defer manager.Close() //nolint:errcheck // only read
	t.Setenv(variable, path)
	for _, state := range []string{Ready, Reloading, Ready, Stopping} {
		if err := Notify(state); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, err := manager.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(b[:n]); got != state {
			t.Errorf("told %q, want %q", got, state)
		}
	}
}

func TestNobodyWantsToKnow(t *testing.T) {
	t.Setenv(variable, "")
	if err := Notify(Ready); err != nil {
		t.Error(err)
	}
}

func TestTheManagerIsGone(t *testing.T) {
	t.Setenv(variable, filepath.Join(t.TempDir(), "notify"))
	if err := Notify(Ready); err == nil {
		t.Error("no error")
	}
}
