package deliver

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/testenv"
	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
)

// notification is what Alertmanager tells a webhook of its own.
type notification struct {
	Status string
	Alerts []struct {
		Status              string
		Labels, Annotations map[string]string
		StartsAt            time.Time
		GeneratorURL        string
	}
}

// TestThirdPartyAlertmanager: the real one takes what we send for one alert,
// from its beginning to its end.
func TestThirdPartyAlertmanager(t *testing.T) {
	testenv.Need(t, "prometheus-alertmanager")
	told := make(chan notification, 10) // more than come
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var n notification
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			t.Error(err)
		}
		told <- n
	}))
	defer hook.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	text := fmt.Sprintf("route: {receiver: hook, group_wait: 0s, group_interval: 1s, group_by: [alertname, check]}\nreceivers: [{name: hook, webhook_configs: [{url: %q}]}]\n", hook.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "prometheus-alertmanager", "--config.file="+config, "--storage.path="+dir, "--web.listen-address="+address, "--cluster.listen-address=")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()         //nolint:errcheck // it is killed
	defer cmd.Process.Kill() //nolint:errcheck // likewise
	lines := bufio.NewScanner(stderr)
	for listens := false; !listens; listens = strings.Contains(lines.Text(), "Listening on") {
		if !lines.Scan() {
			t.Fatal("it ended")
		}
		t.Log(lines.Text())
	}
	go func() { // so that it never waits for who reads its log
		for lines.Scan() {
		}
	}()

	s, err := store.Open(filepath.Join(dir, "rstprobe.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is written any more
	am := alert.Receiver{Name: "am", Rule: alert.Rule{On: alert.Anything, Failures: 1, Successes: 1, Resolved: true}, Via: alert.Alertmanager{
		Address: alert.Address{URL: alert.Secret("http://" + address)}, Labels: map[string]string{"severity": "page"}, Timeout: time.Minute,
	}}
	d := New(Config{Store: s, Observer: nobody{}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "1"})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.Run(ctx, only(am))
	}()
	defer func() {
		cancel()
		<-ended
	}()
	book := alert.NewBook(nil)
	write := func(ds []alert.Decision) error {
		_, err := s.Tell(ds, []string{am.ID()})
		d.Wake()
		return err
	}
	q := event.Question
	checks := []alert.Check{{Name: "shop", Target: "shop.example", Labels: map[string]string{"team": "web"}, Questions: []state.Question{q}}}
	if err := book.Use(checks, []alert.Receiver{am}, time.Now(), write); err != nil {
		t.Fatal(err)
	}
	began := time.Now().Round(0).Truncate(time.Second)
	tell := func(a state.Axes) notification {
		t.Helper()
		at := time.Now().Round(0)
		if err := book.Tell("shop", at, state.Machines{q: {Confirmed: a, Since: began, Last: a, LastAt: at}}, "", write); err != nil {
			t.Fatal(err)
		}
		n := <-told
		if len(n.Alerts) != 1 {
			t.Fatalf("told %+v", n)
		}
		return n
	}
	n := tell(state.Axes{Outcome: "reset", Author: "in_path", Trigger: "sni"})
	a := n.Alerts[0]
	if n.Status != "firing" || a.Labels["alertname"] != nameCheck || a.Labels["check"] != "shop" || a.Labels["question"] != "sni shop.example" ||
		a.Labels["team"] != "web" || a.Labels["severity"] != "page" || !strings.Contains(a.Annotations["summary"], "reset by sni") || !a.StartsAt.Equal(began) {
		t.Errorf("told %+v", n)
	}
	n = tell(state.Axes{Outcome: "ok", Author: "server", Trigger: "none"})
	if n.Status != "resolved" || n.Alerts[0].Status != "resolved" || n.Alerts[0].Labels["check"] != "shop" {
		t.Errorf("told %+v", n)
	}
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Receivers([]string)        {}
func (nobody) Sent(string, alert.Result) {}
func (nobody) Pending(string, int)       {}
