package contrib

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/internal/testenv"
)

const unitFile = "systemd/rstprobe-watch.service"

// exposure is the most that systemd-analyze(1) may hold against the unit, in
// tenths of ten: it needs the network, and raw sockets.
const exposure = "17"

// TestUnit: systemd understands every line of it, and finds it well confined.
// That the program works in it is for the tests of cmd/rstprobe.
func TestUnit(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "systemd-analyze")
	program, err := os.Executable() // ours need not be installed
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), filepath.Base(unitFile))
	text := strings.ReplaceAll(read(t, unitFile), "/usr/bin/rstprobe", program)
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"verify", "--man=no", unit},
		{"security", "--offline=true", "--no-pager", "--threshold=" + exposure, unit},
	} {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}
