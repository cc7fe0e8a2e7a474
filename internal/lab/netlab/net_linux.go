package netlab

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/lab"
)

// maxRouters is the longest chain of a lab.Topology.
const maxRouters = 30

// Net is a running topology. Close it to free it.
type Net struct {
	top      lab.Topology
	nodes    []netns.NsHandle // client, router 1 … N, server
	wire     netns.NsHandle   // holds both ends of every cut link; open iff there are boxes, or a server's front
	links    []*cutLink
	server   *server
	programs []*program

	close  func() error
	mu     sync.RWMutex // guards closed, and the handles against Close
	closed bool
}

// New builds the topology and starts its boxes, its server and its programs.
// All is ready when it returns. The calling process must hold the capabilities
// that the package needs; see Reexec.
func New(top lab.Topology) (*Net, error) {
	if err := validate(top); err != nil {
		return nil, err
	}
	n := &Net{top: top, wire: netns.None()}
	n.close = sync.OnceValue(n.tearDown)
	if err := n.build(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// Client runs f on a locked OS thread inside the client's namespace and
// returns its error. Sockets that f opens stay in that namespace wherever
// they are used later; goroutines that f starts do not run in it.
func (n *Net) Client(f func() error) error {
	n.mu.RLock()
	if n.closed {
		n.mu.RUnlock()
		return fmt.Errorf("netlab: enter the client: %w", net.ErrClosed)
	}
	// A copy, so that Close need not wait for f.
	fd, err := unix.FcntlInt(uintptr(n.nodes[0]), unix.F_DUPFD_CLOEXEC, 0)
	n.mu.RUnlock()
	if err != nil {
		return fmt.Errorf("netlab: enter the client: %w", err)
	}
	ns := netns.NsHandle(fd)
	defer ns.Close() //nolint:errcheck // a descriptor that was only entered
	return inside(ns, f)
}

// Close stops the programs, the server and the boxes, waits for them and gives
// up the namespaces, which the kernel then removes in its own time. It returns
// what went wrong in one of them while the topology ran. More calls return the
// same.
func (n *Net) Close() error { return n.close() }

func (n *Net) build() error {
	for range n.top.Routers + 2 {
		ns, err := newNamespace()
		if err != nil {
			return err
		}
		n.nodes = append(n.nodes, ns)
	}
	if len(n.top.Boxes) > 0 || n.top.Server.Front != nil {
		ns, err := newNamespace()
		if err != nil {
			return err
		}
		n.wire = ns
	}
	if err := n.tune(); err != nil {
		return err
	}
	if err := n.connect(); err != nil {
		return err
	}
	for r := 1; r <= n.top.Routers; r++ {
		if err := n.filter(r); err != nil {
			return err
		}
	}
	var err error
	if n.server, err = n.startServer(); err != nil {
		return err
	}
	return n.startPrograms()
}

func (n *Net) tearDown() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	var errs []error
	for _, p := range n.programs {
		errs = append(errs, p.close())
	}
	if n.server != nil {
		errs = append(errs, n.server.close())
	}
	for _, l := range n.links {
		errs = append(errs, l.close())
	}
	for _, ns := range append(n.nodes, n.wire) {
		if ns.IsOpen() {
			errs = append(errs, ns.Close())
		}
	}
	return errors.Join(errs...)
}

// validate reports the first thing in the topology that cannot be built.
func validate(top lab.Topology) error {
	if top.Routers < 1 || top.Routers > maxRouters {
		return fmt.Errorf("netlab: %d routers: want 1 to %d", top.Routers, maxRouters)
	}
	if top.Fork != nil || top.Return != nil || top.Server.GiveUp != 0 {
		return errors.New("netlab: forks, ways back of their own and servers that give up exist in simnet only")
	}
	named := slices.Clone(top.Silent)
	for _, b := range top.Boxes {
		if b.Branch != lab.Trunk {
			return fmt.Errorf("netlab: box at router %d is on a branch, which there is none of", b.Router)
		}
		if b.New == nil {
			return fmt.Errorf("netlab: box at router %d has no constructor", b.Router)
		}
		named = append(named, b.Router)
	}
	for _, k := range top.Kernel {
		if len(k.Contains) > maxPattern {
			return fmt.Errorf("netlab: rule of router %d matches %d bytes: the kernel takes %d", k.Router, len(k.Contains), maxPattern)
		}
		named = append(named, k.Router)
	}
	for _, p := range top.Programs {
		if len(p.Command) == 0 {
			return fmt.Errorf("netlab: program at node %d has no command", p.Node)
		}
		if p.Node == top.Routers+1 && len(p.Takes) == 0 {
			continue
		}
		named = append(named, p.Node)
	}
	for _, r := range named {
		if r < 1 || r > top.Routers {
			return fmt.Errorf("netlab: there is no router %d among %d", r, top.Routers)
		}
	}
	return nil
}
