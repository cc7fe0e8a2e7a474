package netlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// reexecMark is the environment variable that tells a process that Reexec
// started it.
const reexecMark = "RSTPROBE_NETLAB_REEXEC"

// needed are the capabilities for New: to make namespaces, to set them up,
// and to open packet sockets in them.
const needed = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW

// Reexec makes sure that the process may call New. With the capabilities it
// returns nil. Without them it runs the same program with the same arguments
// again as root of a new user namespace, which ordinary users may do on most
// systems, waits for it, passing on signals, and exits with its exit code
// (128 + n if signal n killed it). So call it first thing.
//
// The new process lives in a new and empty network namespace: it reaches only
// what it builds. The environment variable RSTPROBE_NETLAB_REEXEC=1 marks it.
// Reexec returns an error if there may be no user namespaces, or if the marked
// process still lacks a capability.
func Reexec() error {
	ok, err := capable()
	if ok || err != nil {
		return err
	}
	if os.Getenv(reexecMark) != "" {
		return fmt.Errorf("netlab: no capabilities in the user namespace: %w", os.ErrPermission)
	}
	// The child is to die with this process even if that is killed. The
	// signal is tied to the thread that starts the child.
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), reexecMark+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   unix.SIGKILL,
	}
	signals := make(chan os.Signal, 8) // room for one of each kind that is passed on
	signal.Notify(signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2)
	if err := cmd.Start(); err != nil {
		signal.Stop(signals)
		runtime.UnlockOSThread()
		return fmt.Errorf("netlab: start in a user namespace: %w", err)
	}
	go passOn(signals, cmd.Process)
	os.Exit(exitCode(cmd.Wait()))
	return nil
}

// passOn sends signals to the child until the process exits.
func passOn(signals <-chan os.Signal, child *os.Process) {
	for s := range signals {
		if (s == unix.SIGINT || s == unix.SIGQUIT) && onTerminal() {
			continue // typed: the terminal sent the child its own
		}
		if err := child.Signal(s); err != nil {
			return // it has exited, so Wait returns
		}
	}
}

// onTerminal reports whether the process is in its terminal's foreground
// group, to all of which the terminal sends what is typed.
func onTerminal() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close() //nolint:errcheck // nothing was written
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// exitCode is what a shell would report for the end of a child.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		fmt.Fprintln(os.Stderr, fmt.Errorf("netlab: wait for the process in the user namespace: %w", err))
		return 1
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// capable reports whether all needed capabilities are in effect.
func capable() (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // 64 capabilities in this version
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, fmt.Errorf("netlab: read the capabilities: %w", err)
	}
	return data[0].Effective&needed == needed, nil
}
