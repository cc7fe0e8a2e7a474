package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
)

// Limits of those who listen for events.
const (
	maxListeners = 200
	// backlog is how many events may wait for a listener that is slower than
	// they come: after a reload, all checks at once. One that falls behind
	// further is dropped; its page comes back and loads what there is.
	backlog = watchfile.MaxChecks + 24
	// heartbeat is how often a listener is told that all is well. The page
	// takes twice as long without a word for a lost connection.
	heartbeat = 15 * time.Second
	// writePatience is how long a listener may take to accept an event. HTTP/2
	// ends a stream at its deadline though nothing is being written, so that it
	// must be longer than a heartbeat.
	writePatience = 3 * heartbeat
)

// event tells pages that there is something new.
type event struct {
	Kind  string `json:"kind"`  // state, network or checks
	Check string `json:"check"` // "": all of them
}

// hub passes events on to listeners.
type hub struct {
	mu        sync.Mutex
	listeners map[chan event]bool
}

// listen is a new listener, whose channel is closed when it is dropped; nil:
// there are too many.
func (h *hub) listen() chan event {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.listeners) >= maxListeners {
		return nil
	}
	if h.listeners == nil {
		h.listeners = map[chan event]bool{}
	}
	l := make(chan event, backlog)
	h.listeners[l] = true
	return l
}

// leave forgets a listener.
func (h *hub) leave(l chan event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, l)
}

// tell passes an event on and waits for nobody.
func (h *hub) tell(e event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.listeners {
		select {
		case l <- e:
		default:
			delete(h.listeners, l)
			close(l)
		}
	}
}

// events answers with what happens from now on, as server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	l := p.hub.listen()
	if l == nil {
		w.Header().Set("Retry-After", "60")
		http.Error(w, "Too many pages are open.", http.StatusServiceUnavailable)
		return
	}
	defer p.hub.leave(l)
	out := http.NewResponseController(w)
	send := func(text string) bool {
		// What cannot limit a write, such as a recorder of tests, need not.
		_ = out.SetWriteDeadline(time.Now().Add(writePatience))
		if _, err := fmt.Fprint(w, text); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // of proxies that would collect first
	if !send("retry: 2000\nevent: hello\ndata: {}\n\n") {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		text := "event: beat\ndata: {}\n\n"
		select {
		case e, ok := <-l:
			if !ok { // it was too slow
				return
			}
			b, err := json.Marshal(e)
			if err != nil {
				p.log.Error("an event could not be written", "err", err)
				return
			}
			text = fmt.Sprintf("event: news\ndata: %s\n\n", b)
		case <-beat.C:
		case <-r.Context().Done():
			return
		}
		if !send(text) {
			return
		}
	}
}
