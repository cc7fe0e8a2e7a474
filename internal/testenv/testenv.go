// Package testenv says what a test needs of the machine it runs on, and skips
// the test, with the reason, where the machine has it not.
//
// A skipped test proves nothing, so a machine that is meant to have
// everything says so: with RSTPROBE_REQUIRE=raw,netns (or all) in the
// environment, a missing need fails the test instead.
package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// requireEnv lists, between commas, the needs whose absence is a failure;
// "all" stands for every need.
const requireEnv = "RSTPROBE_REQUIRE"

// checks says for each need what is missing, nil if nothing is.
var checks = map[string]func() error{
	"root":  root,
	"raw":   raw,
	"netns": netns,
}

// Need skips t unless the machine has all of what:
//
//   - "root": the effective user is the superuser;
//   - "raw": raw IP sockets may be opened (CAP_NET_RAW);
//   - "netns": a new network namespace may be made (CAP_SYS_ADMIN);
//   - any other word: a program of that name is in the PATH.
//
// It fails t instead where RSTPROBE_REQUIRE names the need or says "all".
func Need(t testing.TB, what ...string) {
	t.Helper()
	for _, need := range what {
		err := check(need)
		if err == nil {
			continue
		}
		if required(os.Getenv(requireEnv), need) {
			t.Fatalf("%s asks for %q: %v", requireEnv, need, err)
		}
		t.Skipf("needs %s: %v", need, err)
	}
}

func check(need string) error {
	if f, ok := checks[need]; ok {
		return f()
	}
	_, err := exec.LookPath(need)
	return err
}

func required(list, need string) bool {
	words := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	return slices.Contains(words, need) || slices.Contains(words, "all")
}

func root() error {
	switch uid := os.Geteuid(); uid {
	case 0:
		return nil
	case -1: // Windows has no user ids
		return errors.ErrUnsupported
	default:
		return fmt.Errorf("effective user id is %d: %w", uid, os.ErrPermission)
	}
}
