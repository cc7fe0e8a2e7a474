package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/testenv"
)

// TestWatchToken: on an address that others can reach, a token is made and
// asked for, and the log tells where it lies, but not what it is. Another one
// counts from a reload on, unless it is none.
func TestWatchToken(t *testing.T) {
	testenv.Need(t, "netns", "raw")
	path := pathOf(t, lab.Topology{Routers: 2})
	dir := t.TempDir()
	file, db := filepath.Join(dir, "watch.yaml"), filepath.Join(dir, "rstprobe.db")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := fmt.Sprintf("listen: \"[::]:9315\"\nstore: %s\nchecks: [{target: \"shop.example:443@10.9.2.9\", interval: 1h}]\n", db) // nobody is there
	write(file, text)
	w := watchOn(t, path, file, "127.0.0.1:9315")
	var log bytes.Buffer
	say := func(message string) {
		t.Helper()
		w.wait(func(l logLine) bool {
			log.Write(w.lines.Bytes())
			return strings.HasPrefix(l.Msg, message)
		})
	}
	say("a token was made")
	if !strings.Contains(log.String(), db+".token") {
		t.Errorf("the log does not say where the token is:\n%s", log.String())
	}
	say("others may read on the way")
	say("watching")

	secret, err := os.ReadFile(db + ".token")
	info, statErr := os.Stat(db + ".token")
	if err != nil || statErr != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v %v", err, statErr, info)
	}
	made := strings.TrimSpace(string(secret))
	bearer := "Authorization: Bearer " + made
	opens := func(header string, want int) {
		t.Helper()
		if code, body := w.ask("GET", "/metrics", header); code != want {
			t.Errorf("%d %.200s, want %d", code, body, want)
		}
	}
	opens("X-None: none", http.StatusUnauthorized)
	opens(bearer+"x", http.StatusUnauthorized)
	opens(bearer, http.StatusOK)
	if _, body := w.ask("GET", "/metrics", bearer); !strings.Contains(body, "\nrstprobe_http_denied_total{reason=\"token\"} 1\n") ||
		!strings.Contains(body, "\nrstprobe_http_denied_total{reason=\"missing\"} 1\n") || !strings.Contains(body, "\nrstprobe_http_denied_total{reason=\"host\"} 0\n") {
		t.Errorf("who was turned away is not counted:\n%s", grep(body, "denied"))
	}
	if code, _ := w.ask("GET", "/-/healthy"); code != http.StatusOK {
		t.Errorf("healthy: %d", code)
	}

	if code, body := w.ask("GET", "/", bearer); code != http.StatusOK || !strings.Contains(body, ">Sign out</button>") {
		t.Errorf("nobody can sign out: %d %s", code, body)
	}

	own := filepath.Join(dir, "own.token")
	write(own, "a-token-of-our-own\n")
	write(file, "token_file: "+own+"\n"+text)
	if code, body := w.ask("POST", "/-/reload", bearer); code != http.StatusOK {
		t.Errorf("reload: %d %s", code, body)
	}
	opens(bearer, http.StatusUnauthorized)
	opens("Authorization: Bearer a-token-of-our-own", http.StatusOK)
	write(own, "short\n")
	if code, body := w.ask("POST", "/-/reload", "Authorization: Bearer a-token-of-our-own"); code != http.StatusInternalServerError || !strings.Contains(body, "holds no token") {
		t.Errorf("reload of a bad token: %d %s", code, body)
	}
	opens("Authorization: Bearer a-token-of-our-own", http.StatusOK)

	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	say("stopped")
	if err := w.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), made) || strings.Contains(log.String(), "a-token-of-our-own") {
		t.Errorf("the log tells the token:\n%s", log.String())
	}
}
