package ledgerfile

import "path/filepath"

// DefaultPath is where the ledger of a user is kept: in the state directory of
// the XDG Base Directory Specification. "" if the environment names no place.
func DefaultPath(getenv func(string) string) string {
	state := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // the specification has relative paths ignored
		home := getenv("HOME")
		if !filepath.IsAbs(home) {
			return ""
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "rstprobe", "residual.json")
}
