package deliver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/privilege"
	"github.com/rstprobe/rstprobe/internal/watch/alert"
)

// leave is how long a program that has ended may leave others behind that
// write to its standard error.
const leave = 2 * time.Second

// run starts a program for an event and waits for it; when its time is up, it
// ends it with all that it has started, unless that took itself out of its
// process group.
func run(ctx context.Context, via alert.Exec, e alert.Event) error {
	ctx, cancel := context.WithTimeout(ctx, via.Timeout)
	defer cancel()
	body, err := json.Marshal(e)
	if err != nil {
		return refusal{err}
	}
	var said tail
	cmd := exec.CommandContext(ctx, via.Command[0], via.Command[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stderr, cmd.WaitDelay = append(os.Environ(), environment(e)...), bytes.NewReader(body), &said, leave
	group(cmd)
	if err := privilege.Shed(cmd.Start); err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	switch err := cmd.Wait(); {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // its exit code was 0, even if our time was up before that of who it left behind
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("deliver: %s did not end within %v", via.Command[0], via.Timeout)
	default:
		return fmt.Errorf("deliver: %s: %w%s", via.Command[0], err, said.quoted())
	}
}

// environment is the event for programs that read no JSON.
func environment(e alert.Event) []string {
	var out []string
	for _, v := range [][2]string{
		{"STATUS", string(e.Status)}, {"CHECK", e.Check}, {"TARGET", e.Target}, {"QUESTION", e.Question.String()},
		{"FROM", e.From.String()}, {"TO", e.To.String()}, {"FLAPPING", strconv.FormatBool(e.Flapping)},
		{"SINCE", e.Since.Format(time.RFC3339)}, {"AT", e.At.Format(time.RFC3339)}, {"SUMMARY", e.Summary},
		{"RUN", strconv.FormatInt(e.Run, 10)}, {"URL", e.URL}, {"RECEIVER", e.Receiver}, {"KEY", e.Key},
	} {
		out = append(out, "RSTPROBE_ALERT_"+v[0]+"="+strings.ReplaceAll(v[1], "\x00", ""))
	}
	return out
}

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

const maxTail = 200 // bytes, for one line of the log

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-maxTail):]
	return len(p), nil
}

func (t *tail) quoted() string {
	if text := bytes.TrimSpace(t.b); len(text) > 0 {
		return fmt.Sprintf(": %q", text)
	}
	return ""
}
