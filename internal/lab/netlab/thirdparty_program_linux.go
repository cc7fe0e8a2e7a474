package netlab

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/lab"
)

// A program is ready within some hundredths of a second, unless the machine
// is stuck.
const (
	readyTries = 10_000
	readyPause = time.Millisecond
)

// program is a lab.Program that runs.
type program struct {
	lab.Program
	node   netns.NsHandle
	dir    string
	cmd    *exec.Cmd
	output output
	done   chan struct{} // closed when it has ended
	ended  error         // how; read after done
	told   bool          // start has returned that it ended
}

// startPrograms starts the programs in their order, each when those before it
// are ready.
func (n *Net) startPrograms() error {
	for _, which := range n.top.Programs {
		p := &program{Program: which, node: n.nodes[which.Node]}
		n.programs = append(n.programs, p)
		if err := n.divert(which); err != nil {
			return err
		}
		if err := p.start(); err != nil {
			return fmt.Errorf("netlab: %s in node %d: %w", which.Command[0], which.Node, err)
		}
	}
	return nil
}

// Output is what the programs have written so far.
func (n *Net) Output() string {
	var b strings.Builder
	for _, p := range n.programs {
		fmt.Fprintf(&b, "%s in node %d:\n%s", strings.Join(p.Command, " "), p.Node, p.output.String())
	}
	return b.String()
}

// start starts the program and waits until it is ready.
func (p *program) start() error {
	if err := p.furnish(); err != nil {
		return err
	}
	p.cmd = exec.Command(p.Command[0], p.Command[1:]...) //nolint:gosec // what the topology asks for
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, &p.output, &p.output
	// It is to die with this process even if that is killed. The signal is
	// tied to the thread that starts the program, so that one waits for it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	started := make(chan error, 1) // 1: the thread need not wait for its reader
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		begun := false
		err := inside(p.node, func() error {
			if err := p.cmd.Start(); err != nil {
				return err
			}
			begun = true
			started <- nil
			return p.cmd.Wait()
		})
		if p.ended = err; !begun {
			started <- err
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	return p.awaitReady()
}

// furnish makes the program's directory.
func (p *program) furnish() (err error) {
	if p.dir, err = os.MkdirTemp("", "netlab-"); err != nil {
		return err
	}
	certificate, err := certificatePEM()
	if err != nil {
		return err
	}
	write := func(name string, content []byte) error {
		return os.WriteFile(filepath.Join(p.dir, name), content, 0o600)
	}
	errs := []error{write(lab.CertificateFile, certificate)}
	for name, content := range p.Files {
		errs = append(errs, write(name, []byte(content)))
	}
	return errors.Join(errs...)
}

func (p *program) awaitReady() error {
	for range readyTries {
		ready, err := p.ready()
		if ready || err != nil {
			return err
		}
		select {
		case <-p.done:
			p.told = true
			return p.ending()
		case <-time.After(readyPause):
		}
	}
	return fmt.Errorf("not ready in %v: %s", readyTries*readyPause, p.output.String())
}

func (p *program) ready() (bool, error) {
	if !strings.Contains(p.output.String(), p.Says) {
		return false, nil
	}
	open, err := listening(p.node)
	if err != nil {
		return false, err
	}
	for _, port := range p.Listens {
		if !open[port] {
			return false, nil
		}
	}
	return true, nil
}

// close ends the program, waits for it and removes its directory. That it had
// ended before is an error.
func (p *program) close() error {
	var errs []error
	if p.cmd != nil && p.cmd.Process != nil {
		select {
		case <-p.done:
			if !p.told {
				errs = append(errs, fmt.Errorf("netlab: %s in node %d: %w", p.Command[0], p.Node, p.ending()))
			}
		default:
			errs = append(errs, p.cmd.Process.Kill())
			<-p.done
			if killed := (*exec.ExitError)(nil); !errors.As(p.ended, &killed) {
				errs = append(errs, p.ended)
			}
		}
	}
	if p.dir != "" {
		errs = append(errs, os.RemoveAll(p.dir))
	}
	return errors.Join(errs...)
}

// ending tells of a program that ended by itself.
func (p *program) ending() error {
	if p.ended == nil {
		return fmt.Errorf("ended by itself: %s", p.output.String())
	}
	return fmt.Errorf("ended by itself: %w: %s", p.ended, p.output.String())
}

// output collects what a program writes. It may be read meanwhile.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// listening are the TCP ports on which something listens in a node, read from
// the kernel so that nothing is sent.
func listening(node netns.NsHandle) (map[uint16]bool, error) {
	open := make(map[uint16]bool)
	err := inside(node, func() error {
		for _, name := range []string{"tcp", "tcp6"} {
			// proc(5): a heading, then a line per socket whose second to
			// fourth columns are local and remote address and the state.
			b, err := os.ReadFile("/proc/thread-self/net/" + name)
			if errors.Is(err, os.ErrNotExist) {
				continue // a kernel without IPv6
			}
			if err != nil {
				return err
			}
			_, lines, _ := strings.Cut(string(b), "\n")
			for line := range strings.Lines(lines) {
				var slot, local, remote, state string
				if _, err := fmt.Sscan(line, &slot, &local, &remote, &state); err != nil {
					return fmt.Errorf("read %s: %w", name, err)
				}
				const listen = "0A" // TCP_LISTEN of <net/tcp_states.h>
				var port uint16
				if _, hex, _ := strings.Cut(local, ":"); state == listen {
					if _, err := fmt.Sscanf(hex, "%X", &port); err != nil {
						return fmt.Errorf("read %s: %w", name, err)
					}
					open[port] = true
				}
			}
		}
		return nil
	})
	return open, err
}

// certificatePEM is the server's certificate and its key.
func certificatePEM() ([]byte, error) {
	cert, err := lab.Certificate()
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("netlab: encode the server's key: %w", err)
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	return append(b, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...), nil
}
