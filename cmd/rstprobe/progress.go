package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/terminal"
	"github.com/rstprobe/rstprobe/traceroute"
)

// progress is what a terminal shows while something is measured: what is being
// tried, how much is done, the hops heard of. Its lines are drawn over each
// other and go away. The cursor is never hidden and no mode of the terminal
// is changed, so there is nothing to restore, however the program ends.
type progress struct {
	w       io.Writer
	on      bool
	unicode bool       // of the hops' and targets' names: print other than ASCII
	columns func() int // of the terminal, now; asked before every drawing

	mu      sync.Mutex
	targets int // of the run; 0: not known
	begun   int // of those, the current one included
	target  string
	started time.Time // of the current target
	text    string    // shown instead of state; "": none
	state   diagnosis.Progress
	told    time.Time // when state was
	drawn   []int     // the width of each line on the screen
	ticking func()    // ends the ticker and waits for it; nil: it is not running
}

// newProgress is the progress of a run. From now on standard error is written
// through it.
func (p *program) newProgress(o output) *progress {
	bar := &progress{
		w: p.stderr, on: p.progress(o), unicode: p.unicode(),
		columns: func() int { return p.sys.columns(p.terminal) },
	}
	p.stderr = bar
	return bar
}

// tick is how often the lines are drawn while nothing happens, for the clock
// in them; what happens is drawn at once.
const tick = 200 * time.Millisecond

// margin is what is left free at the right edge: enough for the ^C that a
// terminal echoes, which must not begin a new line.
const margin = 3

// next says that another target has its turn.
func (p *progress) next(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun++
	p.target, p.started, p.state = target, time.Now(), diagnosis.Progress{}
}

// show shows a text until something else is shown.
func (p *progress) show(text string) {
	p.redraw(func() { p.text = text })
}

// update shows how far the diagnosis of the current target is.
func (p *progress) update(s diagnosis.Progress) {
	p.redraw(func() { p.text, p.state, p.told = "", s, time.Now() })
}

// redraw shows what change makes of the state, and from then on the time.
func (p *progress) redraw(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.on {
		return
	}
	change()
	p.draw()
	if p.ticking != nil {
		return
	}
	quit, done := make(chan struct{}), make(chan struct{})
	p.ticking = func() { close(quit); <-done }
	go func() {
		defer close(done)
		t := time.NewTicker(tick)
		defer t.Stop()
		for {
			select {
			case <-quit:
				return
			case <-t.C:
				p.mu.Lock()
				if p.ticking != nil {
					p.draw()
				}
				p.mu.Unlock()
			}
		}
	}()
}

// clear takes the lines away, so that something else can be written.
func (p *progress) clear() {
	p.mu.Lock()
	if len(p.drawn) > 0 {
		fmt.Fprint(p.w, p.erasure())
	}
	p.drawn = nil
	stop := p.ticking
	p.ticking = nil
	p.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// Write writes what somebody else has to say, such as a warning, in the place
// of the lines, which come back behind it.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.drawn) > 0 {
		fmt.Fprint(p.w, p.erasure())
		p.drawn = nil
	}
	return p.w.Write(b)
}

// until takes the lines away as soon as ctx ends, and for good: the next
// signal ends the program where it stands. The caller calls the function that
// it returns once all is done.
func (p *progress) until(ctx context.Context) (done func() bool) {
	return context.AfterFunc(ctx, func() {
		p.clear()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.on {
			fmt.Fprintln(p.w, "rstprobe: stopping; what was measured is written. Interrupt again to stop at once.")
		}
		p.on = false
	})
}

// draw writes the lines over those on the screen. The caller holds p.mu.
func (p *progress) draw() {
	out := p.erasure()
	p.drawn = nil
	for i, line := range p.lines(p.columns() - margin) {
		if i > 0 {
			out += "\r\n"
		}
		out += line
		p.drawn = append(p.drawn, terminal.Width(line))
	}
	fmt.Fprint(p.w, out)
}

// erasure takes away what was drawn. A terminal that became narrower since has
// broken the lines into more rows.
func (p *progress) erasure() string {
	if len(p.drawn) == 0 {
		return ""
	}
	columns, up := max(p.columns(), 1), -1
	for _, width := range p.drawn {
		up += max(1, (width+columns-1)/columns)
	}
	s := "\r"
	if up > 0 {
		s += fmt.Sprintf("\x1b[%dA", up) // ECMA-48 CUU
	}
	return s + "\x1b[J" // ED: erase to the end of the screen
}

// lines are what to draw, none longer than width.
func (p *progress) lines(width int) []string {
	if p.text != "" {
		return []string{terminal.Fit(terminal.Clean(p.text, p.unicode), width)}
	}
	what := p.state.Step.Doing()
	if p.state.Pause > 0 {
		left := max(0, p.state.Pause-time.Since(p.told))
		what += fmt.Sprintf(", %.0f s to go", math.Ceil(left.Seconds()))
	}
	if p.state.Name != "" {
		what += fmt.Sprintf(": %s %s", p.state.Kind, p.state.Name)
	}
	what = terminal.Clean(what+" at "+p.target, p.unicode) // what matters least is cut first
	counts := fmt.Sprintf("  %d packets  %.1f s", p.state.Packets, time.Since(p.started).Seconds())
	first := p.bar() + " "
	if len(first)+len(counts) > width/2 {
		first = "" // too narrow for all; what is being tried matters most
	}
	if len(counts) > width/2 {
		counts = ""
	}
	first += terminal.Fit(what, width-len(first)-len(counts)) + counts
	if hops := p.hops(width); hops != "" {
		return []string{first, hops}
	}
	return []string{first}
}

// barLength is the length of the bar in characters.
const barLength = 10

// bar is the share that is done, of all targets.
func (p *progress) bar() string {
	share, which := p.state.Share, ""
	if p.targets > 1 {
		share = (float64(p.begun-1) + share) / float64(p.targets)
		which = fmt.Sprintf(" %d/%d", p.begun, p.targets)
	}
	full := int(share * barLength)
	return fmt.Sprintf("[%s%s] %2.0f %%%s", strings.Repeat("#", full), strings.Repeat("-", barLength-full), 100*share, which)
}

// hops are those heard of, as many of the farthest as there is room for.
func (p *progress) hops(width int) string {
	const title, before = "hops", " .."
	line := ""
	for i := len(p.state.Hops) - 1; i >= 0; i-- {
		h := p.state.Hops[i]
		address := "*"
		switch {
		case h.Addr.IsValid():
			address = h.Addr.String()
		case h.Control == traceroute.FromServer:
			address = "server"
		}
		one := "  " + strconv.Itoa(h.TTL) + " " + address
		if len(title)+len(before)+len(one)+len(line) > width {
			if line == "" {
				return ""
			}
			return title + before + line
		}
		line = one + line
	}
	if line == "" {
		return ""
	}
	return title + line
}
