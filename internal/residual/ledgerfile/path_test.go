package ledgerfile_test

import (
	"path/filepath"
	"testing"

	"github.com/rstprobe/rstprobe/internal/residual/ledgerfile"
)

func TestDefaultPath(t *testing.T) {
	root := filepath.VolumeName(t.TempDir()) + string(filepath.Separator)
	for _, tt := range []struct{ name, state, home, want string }{
		{"state directory", filepath.Join(root, "state"), filepath.Join(root, "home"), filepath.Join(root, "state", "rstprobe", "residual.json")},
		{"home", "", filepath.Join(root, "home"), filepath.Join(root, "home", ".local", "state", "rstprobe", "residual.json")},
		{"relative state directory", "state", filepath.Join(root, "home"), filepath.Join(root, "home", ".local", "state", "rstprobe", "residual.json")},
		{"relative home", "", "home", ""},
		{"nothing", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := map[string]string{"XDG_STATE_HOME": tt.state, "HOME": tt.home}
			if got := ledgerfile.DefaultPath(func(k string) string { return env[k] }); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
