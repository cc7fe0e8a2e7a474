package hopinfo

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// nameTimeout is the longest that one lookup may take. A resolver answers
	// for a name that is delegated to nobody within a few round trips, or the
	// servers of that zone are gone and it will not answer at all.
	nameTimeout = 3 * time.Second
	// maxLookups is how many lookups run at once: a path of usual length
	// without waiting, and no burst that a home router would drop.
	maxLookups = 16
)

// Names finds the names of addresses by reverse DNS in the background. Each
// address is asked for once. It may be used by several goroutines at once.
type Names struct {
	ask   func(context.Context, netip.Addr) ([]string, error)
	slots chan struct{} // one element per lookup under way

	mu    sync.Mutex
	known map[netip.Addr]*answer
	wg    sync.WaitGroup
}

// answer is a lookup; name may be read once done is closed.
type answer struct {
	name string
	done chan struct{}
}

// NewNames finds names with ask, the system's resolver, which gives the names
// of an address. The caller ends the contexts of Want and calls Close.
func NewNames(ask func(context.Context, netip.Addr) ([]string, error)) *Names {
	return &Names{ask: ask, slots: make(chan struct{}, maxLookups), known: map[netip.Addr]*answer{}}
}

// Want starts a lookup that ends with ctx, unless the address was asked for
// before. It does not wait.
func (n *Names) Want(ctx context.Context, ip netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known[ip] != nil {
		return
	}
	a := &answer{done: make(chan struct{})}
	n.known[ip] = a
	n.wg.Go(func() { n.lookUp(ctx, ip, a) })
}

func (n *Names) lookUp(ctx context.Context, ip netip.Addr, a *answer) {
	defer close(a.done)
	select {
	case n.slots <- struct{}{}:
		defer func() { <-n.slots }()
	case <-ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	// An error means that there is no name, or none to be had: the names that
	// came beside it are as good as any.
	names, _ := n.ask(ctx, ip)
	for _, name := range names {
		if a.name = cleanName(name); a.name != "" {
			return
		}
	}
}

// Name is the name of an address, "" as long as none is known.
func (n *Names) Name(ip netip.Addr) string {
	n.mu.Lock()
	a := n.known[ip]
	n.mu.Unlock()
	if a == nil {
		return ""
	}
	select {
	case <-a.done:
		return a.name
	default:
		return ""
	}
}

// Wait waits until all lookups that were started are over, or ctx is.
func (n *Names) Wait(ctx context.Context) {
	n.mu.Lock()
	all := slices.Collect(maps.Values(n.known))
	n.mu.Unlock()
	for _, a := range all {
		select {
		case <-a.done:
		case <-ctx.Done():
			return
		}
	}
}

// Close waits for the lookups under way, whose contexts have ended.
func (n *Names) Close() { n.wg.Wait() }
