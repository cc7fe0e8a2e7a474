// Package pcapio reads and writes capture files: a Scanner takes any pcap or
// pcapng capture apart, packet by packet; a Log keeps the packets of a run
// and Write puts them into a pcapng file, with the numbers that the evidence
// of a verdict cites.
//
// It knows files and bytes, not what is in a packet nor whose it is: link
// layers are the business of package capture.
package pcapio

import (
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

// Log collects the frames of a run and numbers them. The zero Log is empty and
// ready; any number of goroutines may use it, such as the engines of several
// source addresses.
type Log struct {
	mu     sync.Mutex
	frames []Frame // frame n is at n-1
}

// Add appends a frame and returns its number, the next one from 1 on; that
// which f brings does not count.
func (l *Log) Add(f Frame) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.N = len(l.frames) + 1
	l.frames = append(l.frames, f)
	return f.N
}

// SetTime corrects the time of frame n, for the kernel reports when a packet
// left only some time after taking it. A number that was never given is
// ignored.
func (l *Log) SetTime(n int, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if 1 <= n && n <= len(l.frames) {
		l.frames[n-1].At = at
	}
}

// Frames is a copy of what was collected so far, ascending by N.
func (l *Log) Frames() []Frame {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.frames)
}
