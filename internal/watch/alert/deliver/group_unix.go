//go:build unix

package deliver

import (
	"os/exec"
	"syscall"
)

// group gives a program a process group of its own, all of which is ended when
// its time is up.
func group(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
