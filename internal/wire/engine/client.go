package engine

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"

	"github.com/rstprobe/rstprobe/internal/dialogue"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire/utcp"
	"github.com/rstprobe/rstprobe/probe"
)

// client translates a trial into what its TCP client does.
func (e *Engine) client(t probe.Trial, port uint16) (utcp.Config, error) {
	if err := check(t); err != nil {
		return utcp.Config{}, err
	}
	cfg := utcp.Config{
		Local: netip.AddrPortFrom(e.cfg.Source, port), Remote: t.Remote,
		ISN:         packet.Seq(e.rng.Uint32()),
		IPID:        uint16(e.rng.Uint32()), //nolint:gosec // truncation wanted
		TTL:         systemTTL,
		Bare:        t.Profile == probe.BareSYN,
		TSVal:       e.rng.Uint32(),
		MSS:         t.MSS,
		Unconnected: t.Unconnected,
		StimulusTTL: t.TTL,
		Twice:       t.Twice,
		Split:       t.Split,
		Ahead:       t.Ahead,
		Step:        t.Step,
		SplitGap:    t.SplitGap,
		Pause:       t.Pause,
		RTO:         t.RTO,
		Timeout:     t.Timeout,
		Linger:      t.Linger,
		Watch:       t.Watch,
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if t.Unconnected || t.Stimulus.Kind == probe.ACK {
		cfg.Ack = packet.Seq(e.rng.Uint32())
	}
	switch t.Stimulus.Kind {
	case probe.ACK:
		cfg.Stray = true
		return cfg, nil
	case probe.SYN:
		cfg.SYNCopies = t.TTLs
		return cfg, nil
	case probe.SNI, probe.Host:
	}
	var err error
	if cfg.Copies, err = copies(t); err != nil {
		return cfg, err
	}
	if cfg.Reader, err = reader(t); err != nil || t.Fetch == "" {
		return cfg, err
	}
	return cfg, converse(&cfg, t)
}

// converse has a real client say the ClientHello, of the reader if there is
// one, and go on from there.
func converse(cfg *utcp.Config, t probe.Trial) error {
	says, hello := t.Read, &cfg.Reader.Bytes
	if t.Reader == probe.ReadNothing {
		says, hello = t.Stimulus, &cfg.Copies[0].Bytes
	}
	client, err := dialogue.NewClient(dialogue.Fetch{ServerName: says.Name, Host: t.Fetch, Path: cmp.Or(says.Path, "/")})
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	*hello, cfg.Talk = client.Hear(nil), client
	return nil
}

// check refuses what makes no sense, rather than to leave half of it out.
func check(t probe.Trial) error {
	bare := t.Stimulus.Kind == probe.SYN || t.Stimulus.Kind == probe.ACK
	switch {
	case t.Stimulus.Kind == probe.ACK && t.TTLs != nil:
		return errors.New("engine: an ACK that belongs to no connection cannot be swept")
	case t.Reader != probe.ReadNothing && (bare || t.Unconnected):
		return fmt.Errorf("engine: nothing can be read with a %s where there is no connection", t.Reader)
	case t.Reader != probe.ReadNothing && t.Step > 0:
		return fmt.Errorf("engine: a %s cannot follow a timed sweep", t.Reader)
	case t.Unconnected && bare:
		return fmt.Errorf("engine: %s is no stimulus to be sent without a handshake", t.Stimulus.Kind)
	case t.Reader == probe.ReadSYNACK && len(t.TTLs) == 0:
		return errors.New("engine: a stimulus that reaches the server ends the repeating of its SYN-ACK")
	case t.Fetch != "" && (t.Stimulus.Kind != probe.SNI || t.Reader == probe.ReadNothing && t.TTLs != nil || t.Reader == probe.ReadFIN):
		return errors.New("engine: a page is fetched behind a ClientHello that reaches the server")
	case t.Split != nil && t.TTLs != nil:
		return errors.New("engine: copies of a sweep cannot be split")
	}
	return nil
}

// copies are the sendings of a stimulus. A trial that only reads has none.
func copies(t probe.Trial) ([]utcp.Copy, error) {
	ttls := t.TTLs
	if len(ttls) == 0 {
		if t.Reader != probe.ReadNothing {
			return nil, nil
		}
		ttls = []uint8{0}
	}
	var out []utcp.Copy
	for _, ttl := range ttls {
		extra := int(ttl)
		if t.Step > 0 {
			extra = 0
		}
		b, err := t.Stimulus.Bytes(extra)
		if err != nil {
			return nil, fmt.Errorf("engine: stimulus %s %q: %w", t.Stimulus.Kind, t.Stimulus.Name, err)
		}
		out = append(out, utcp.Copy{TTL: ttl, Bytes: b})
	}
	return out, nil
}

// reader is what follows the copies.
func reader(t probe.Trial) (utcp.Reader, error) {
	switch t.Reader {
	case probe.ReadNothing:
		return utcp.Reader{}, nil
	case probe.ReadSYNACK:
		return utcp.Reader{SYNACK: true}, nil
	case probe.ReadFIN:
		return utcp.Reader{FIN: true}, nil
	case probe.ReadStimulus:
		b, err := t.Read.Bytes(0)
		if err != nil {
			return utcp.Reader{}, fmt.Errorf("engine: reader %s %q: %w", t.Read.Kind, t.Read.Name, err)
		}
		if len(b) == 0 {
			return utcp.Reader{}, fmt.Errorf("engine: a reader of kind %q says nothing", t.Read.Kind)
		}
		return utcp.Reader{Bytes: b}, nil
	}
	return utcp.Reader{}, fmt.Errorf("engine: no reader %q", t.Reader)
}
