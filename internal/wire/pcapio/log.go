// Package pcapio reads and writes capture files: a Scanner takes any pcap or
// pcapng capture apart, packet by packet; a Log keeps the packets of a run
// and Write puts them into a pcapng file, with the numbers that the evidence
// of a verdict cites.
//
// It knows files and bytes, not what is in a packet nor whose it is: link
// layers are the business of package capture.
package pcapio

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Frame is one datagram of a run.
type Frame struct {
	N       int       // its number in the exported file, from 1
	At      time.Time // when it left or arrived; a kernel timestamp where there is one
	Raw     []byte    // from the IP header on; not to be changed once it is in a Log
	Wire    int       // its length on the wire if Raw is only its beginning, else 0
	Sent    bool      // it left us; false: it arrived
	Comment string    // for people who open the file; not read back
}

// Log collects the frames of a run. The zero Log is empty and ready; any
// number of goroutines may use it.
type Log struct {
	mu     sync.Mutex
	frames []Frame
}

// Add appends a frame. Frames may come in any order of N.
func (l *Log) Add(f Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frames = append(l.frames, f)
}

// SetTime corrects the time of frame n, for the kernel reports when a packet
// left only some time after taking it. A number that was never added is
// ignored.
func (l *Log) SetTime(n int, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.index(n); i >= 0 {
		l.frames[i].At = at
	}
}

// index finds frame n, or -1. Frames mostly come in the order of their
// numbers, without gaps, so the first guess is mostly right.
func (l *Log) index(n int) int {
	if i := n - 1; i >= 0 && i < len(l.frames) && l.frames[i].N == n {
		return i
	}
	return slices.IndexFunc(l.frames, func(f Frame) bool { return f.N == n })
}

// Frames is a copy of what was collected so far, ascending by N.
func (l *Log) Frames() []Frame {
	l.mu.Lock()
	out := slices.Clone(l.frames)
	l.mu.Unlock()
	sortByNumber(out)
	return out
}

func sortByNumber(frames []Frame) {
	slices.SortStableFunc(frames, func(a, b Frame) int { return cmp.Compare(a.N, b.N) })
}
