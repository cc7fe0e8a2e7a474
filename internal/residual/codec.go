package residual

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Version is that of the encoded form that this package writes and reads.
const Version = 1

// The errors of Decode.
var (
	ErrCorrupt = errors.New("residual: not a ledger")
	ErrVersion = errors.New("residual: ledger of another version")
)

// document is a ledger as JSON. Times are in UTC; a port that the scope does
// not need is left out, and so is the address of the server.
type document struct {
	Version int         `json:"version"`
	SavedAt time.Time   `json:"saved_at"`
	Blocks  []blockJSON `json:"blocks"`
	Boxes   []boxJSON   `json:"boxes"`
}

type blockJSON struct {
	Scope      Scope      `json:"scope"`
	Local      netip.Addr `json:"local"`
	LocalPort  uint16     `json:"local_port,omitempty"`
	Remote     netip.Addr `json:"remote,omitzero"`
	RemotePort uint16     `json:"remote_port,omitempty"`
	Learnt     time.Time  `json:"learnt"`
	Until      time.Time  `json:"until"`
	Free       bool       `json:"free,omitempty"`
}

type boxJSON struct {
	Family   string    `json:"family"`
	Measured time.Time `json:"measured"`
	Scope    Scope     `json:"scope"`
	MinMS    int64     `json:"min_ms,omitempty"`
	MaxMS    int64     `json:"max_ms,omitempty"` // 0: longer than could be waited for
	Timer    Timer     `json:"timer,omitempty"`
}

// Encode writes the ledger as JSON, in an order that depends on nothing but
// what it holds.
func (l *Ledger) Encode(now time.Time) ([]byte, error) {
	doc := document{Version: Version, SavedAt: now.UTC(), Blocks: []blockJSON{}, Boxes: []boxJSON{}}
	l.mu.Lock()
	for p, b := range l.blocks {
		doc.Blocks = append(doc.Blocks, blockJSON{
			Scope: p.scope, Free: b.free, Learnt: wall(now, b.learnt), Until: wall(now, b.until),
			Local: p.key.Local.Addr(), LocalPort: p.key.Local.Port(),
			Remote: p.key.Remote.Addr(), RemotePort: p.key.Remote.Port(),
		})
	}
	for family, f := range l.facts {
		doc.Boxes = append(doc.Boxes, boxJSON{
			Family: family, Measured: wall(now, f.measured), Scope: f.fact.Scope, Timer: f.fact.Timer,
			MinMS: f.fact.Min.Milliseconds(), MaxMS: (f.fact.Max + time.Millisecond - 1).Milliseconds(), // never equal to it
		})
	}
	l.mu.Unlock()
	slices.SortFunc(doc.Blocks, func(a, b blockJSON) int {
		return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Scope, b.Scope),
			a.Local.Compare(b.Local), cmp.Compare(a.LocalPort, b.LocalPort),
			a.Remote.Compare(b.Remote), cmp.Compare(a.RemotePort, b.RemotePort))
	})
	slices.SortFunc(doc.Boxes, func(a, b boxJSON) int { return cmp.Compare(a.Family, b.Family) })
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return nil, fmt.Errorf("residual: encode: %w", err)
	}
	return out.Bytes(), nil
}

// wall is t as the wall clock of now shows it, even if that clock was set
// between the two: the distance is measured on the monotonic clock where both
// times have it.
func wall(now, t time.Time) time.Time { return now.Round(0).Add(t.Sub(now)).UTC() }

// Decode reads what Encode wrote. A ledger that was saved in the future means
// that the clock was set back: its times are moved by as much. Whatever the
// clock did, nothing is left alone for longer than MaxHold. What is over is
// dropped. The errors are ErrCorrupt and ErrVersion.
func Decode(data []byte, now time.Time) (*Ledger, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if head.Version < 1 {
		return nil, fmt.Errorf("%w: version is %d", ErrCorrupt, head.Version)
	}
	if head.Version != Version {
		return nil, fmt.Errorf("%w: %d", ErrVersion, head.Version)
	}
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	step := min(0, now.Sub(doc.SavedAt))
	l := &Ledger{blocks: make(map[place]block), facts: make(map[string]finding)}
	for i, b := range doc.Blocks {
		k := packet.Key{Local: netip.AddrPortFrom(b.Local, b.LocalPort), Remote: netip.AddrPortFrom(b.Remote, b.RemotePort)}
		key, ok := b.Scope.reduce(k)
		if !ok {
			return nil, fmt.Errorf("%w: block %d covers nothing", ErrCorrupt, i)
		}
		p := place{b.Scope, key}
		note := block{
			free:   b.Free,
			learnt: earlier(b.Learnt.Add(step), now),
			until:  earlier(b.Until.Add(step), now.Add(MaxHold)),
		}
		if old, ok := l.blocks[p]; ok {
			note = better(old, note)
		}
		l.blocks[p] = note
	}
	for i, b := range doc.Boxes {
		fact := Fact{
			Scope: b.Scope, Timer: b.Timer,
			Min: time.Duration(b.MinMS) * time.Millisecond, Max: time.Duration(b.MaxMS) * time.Millisecond,
		}
		if b.Family == "" || !fact.valid() {
			return nil, fmt.Errorf("%w: box %d says nothing", ErrCorrupt, i)
		}
		l.facts[b.Family] = finding{fact, earlier(b.Measured.Add(step), now)}
	}
	l.Prune(now)
	return l, nil
}

func earlier(a, b time.Time) time.Time {
	if a.After(b) {
		return b
	}
	return a
}
