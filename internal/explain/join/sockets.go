package join

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Socket is one line of ss.
type Socket struct {
	State  string   // as ss calls it; "": the column is missing
	Unread int      // bytes that the application has not read
	Unsent int      // bytes that are not sent, or not acknowledged
	Info   []string // of the line of information below: what is outstanding, and the timer
}

// String says what the socket was like.
func (s Socket) String() string {
	state := "in a state that is not shown"
	if s.State != "" {
		state = "in state " + s.State
	}
	text := fmt.Sprintf("%s with %d bytes unread and %d not acknowledged", state, s.Unread, s.Unsent)
	if len(s.Info) > 0 {
		text += " (" + strings.Join(s.Info, ", ") + ")"
	}
	return text
}

// Sockets are those that ss listed. The zero value holds none.
type Sockets struct {
	Skipped int // lines that were not understood
	list    map[Direction]Socket
}

// Of is the socket of From, connected to To, as it was listed last.
func (s Sockets) Of(d Direction) (Socket, bool) {
	found, ok := s.list[d]
	return found, ok
}

// states are the states of TCP as ss calls them, without that of listeners,
// which have no peer.
var states = []string{
	"ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSE-WAIT", "LAST-ACK", "CLOSING", "NEW-SYN-RECV",
}

// ParseSockets reads what ss -tan or ss -tino printed, with its heading or
// without, and with the information on an indented line or on the same one.
func ParseSockets(text io.Reader) (Sockets, error) {
	s := Sockets{list: map[Direction]Socket{}}
	last := (*Direction)(nil)
	err := lines(text, func(line string) {
		words := strings.Fields(line)
		if d, sock, ok := socket(words); ok {
			s.list[d], last = sock, &d
			return
		}
		if (line[0] == ' ' || line[0] == '\t') && last != nil {
			sock := s.list[*last]
			sock.Info = append(sock.Info, telling(words)...)
			s.list[*last] = sock
			return
		}
		last = nil // what follows belongs to no connection
		if words[0] != "LISTEN" && !slices.Contains(words, "Recv-Q") {
			s.Skipped++
		}
	})
	if err == nil && len(s.list) == 0 {
		err = fmt.Errorf("%w: none of %d shows a connected TCP socket as ss -tan prints it", ErrNothing, s.Skipped)
	}
	return s, err
}

// socket reads the words of a line: a protocol and a state, either of which
// may be missing, two queues, two ends, and what follows.
func socket(words []string) (d Direction, s Socket, ok bool) {
	if len(words) > 0 && words[0] == "tcp" {
		words = words[1:]
	}
	if len(words) > 0 && slices.Contains(states, words[0]) {
		s.State, words = words[0], words[1:]
	}
	const columns = 4
	if len(words) < columns {
		return d, s, false
	}
	good := [columns]bool{}
	s.Unread, good[0] = number(words[0])
	s.Unsent, good[1] = number(words[1])
	d.From, good[2] = end(words[2])
	d.To, good[3] = end(words[3])
	s.Info = telling(words[columns:])
	return d, s, !slices.Contains(good[:], false)
}

// telling are the words of a line of information that say what is outstanding.
func telling(words []string) (out []string) {
	const longest = 64
	for _, w := range words {
		name, value, _ := strings.Cut(w, ":")
		odd := strings.ContainsFunc(value, func(c rune) bool { return c <= ' ' || c > '~' })
		if !odd && len(w) <= longest && slices.Contains([]string{"timer", "backoff", "unacked", "notsent", "retrans", "lost"}, name) {
			out = append(out, w)
		}
	}
	return out
}
