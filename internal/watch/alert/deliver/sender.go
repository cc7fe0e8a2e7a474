package deliver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
)

// sender is how a receiver is told. It is handed as many events at once as
// most allows.
func sender(r alert.Receiver, version string) send {
	switch v := r.Via.(type) {
	case alert.Webhook:
		p := newPoster(v.Address, v.Timeout, version)
		return one(func(ctx context.Context, e alert.Event) error {
			body, err := webhookBody(v, e)
			if err != nil {
				return refusal{err}
			}
			return p.post(ctx, "", body, e.Key)
		})
	case alert.Alertmanager:
		p := newPoster(v.Address, v.Timeout, version)
		return func(ctx context.Context, events ...alert.Event) error {
			var all []managed
			for _, e := range events {
				all = append(all, manage(v, e, time.Now()))
			}
			body, err := json.Marshal(all)
			if err != nil {
				return refusal{err}
			}
			return p.post(ctx, "/api/v2/alerts", body, "") // it knows alerts by their labels
		}
	case alert.Exec:
		return one(func(ctx context.Context, e alert.Event) error { return run(ctx, v, e) })
	}
	panic(fmt.Sprintf("deliver: receiver %s is told by %T", r.Name, r.Via)) // package alert has no other
}

// one is the way to who is told of one event at a time.
func one(tell func(context.Context, alert.Event) error) send {
	return func(ctx context.Context, events ...alert.Event) error { return tell(ctx, events[0]) }
}

// batch is how many alerts go into one request, as Prometheus had it for years
// (maxBatchSize of its notifier).
const batch = 64

// most is how many events a receiver is told of at once.
func most(r alert.Receiver) int {
	if r.Standing() {
		return batch
	}
	return 1
}

func webhookBody(w alert.Webhook, e alert.Event) ([]byte, error) {
	if w.Template == nil {
		return json.Marshal(e)
	}
	body, err := w.Template.Execute(e)
	if err != nil {
		return nil, fmt.Errorf("deliver: the template fails: %w", err)
	}
	return body, nil
}

// poster posts to one address.
type poster struct {
	address alert.Address
	timeout time.Duration
	agent   string
	client  *http.Client
}

func newPoster(a alert.Address, timeout time.Duration, version string) poster {
	return poster{address: a, timeout: timeout, agent: "rstprobe/" + version, client: &http.Client{
		// Alerts are rare: no connection waits for the next one.
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		// A redirect would lose the body, or take our secrets elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// maxSecretFile bounds files with an address or a value, in bytes.
const maxSecretFile = 64 << 10

// post posts a body to a path below the address, with an idempotency key or
// "". It arrived if the answer begins with a status of success (RFC 9110,
// section 15.3); the rest of the answer is of no interest.
func (p poster) post(ctx context.Context, path string, body []byte, key string) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	in, err := p.request(ctx, path, body)
	if err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	if key != "" {
		in.Header.Set("Idempotency-Key", key)
	}
	out, err := p.client.Do(in)
	if err != nil {
		return fmt.Errorf("deliver: %w", p.failure(err))
	}
	defer out.Body.Close() //nolint:errcheck // nothing of it is read
	return judge(out.StatusCode, out.Header, time.Now())
}

// request is the request without its key. None of its errors shows the
// address or a header.
func (p poster) request(ctx context.Context, path string, body []byte) (*http.Request, error) {
	to := string(p.address.URL)
	if file := p.address.URLFile; file != "" {
		var err error
		if to, err = secretOf(file); err != nil {
			return nil, err
		}
		if u, err := url.Parse(to); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("%s holds no address: write one such as https://hooks.example/path into it", file)
		}
	}
	in, err := http.NewRequestWithContext(ctx, http.MethodPost, below(to, path), bytes.NewReader(body))
	if err != nil {
		return nil, p.failure(err)
	}
	in.Header.Set("Content-Type", "application/json")
	in.Header.Set("User-Agent", p.agent)
	for name, value := range p.address.Headers {
		in.Header.Set(name, string(value))
	}
	for name, file := range p.address.HeaderFiles {
		value, err := secretOf(file)
		if err != nil {
			return nil, err
		}
		in.Header.Set(name, value)
	}
	return in, nil
}

// below is an address with a path added, and its query kept.
func below(to, path string) string {
	head, query, asks := strings.Cut(to, "?")
	if path != "" {
		head = strings.TrimSuffix(head, "/") + path
	}
	if asks {
		return head + "?" + query
	}
	return head
}

// secretOf is the text in a file, without the line break at its end.
func secretOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	switch text := strings.TrimSpace(string(b)); {
	case err != nil:
		return "", err
	case text == "":
		return "", fmt.Errorf("%s is empty", path)
	case len(b) > maxSecretFile || strings.ContainsAny(text, "\r\n\x00"):
		return "", fmt.Errorf("%s has more than one line", path)
	default:
		return text, nil
	}
}

// failure is an error of the client without the address, which stands in it.
func (p poster) failure(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v", p.timeout)
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// judge is what the head of an answer says.
func judge(code int, header http.Header, now time.Time) error {
	err := fmt.Errorf("deliver: the answer is %d %s", code, http.StatusText(code))
	switch {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		return fmt.Errorf("%w: redirects are not followed, write the address that it leads to", err)
	case code >= 400 && code < 500 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests:
		return refusal{err}
	}
	if after, ok := retryAfter(header.Get("Retry-After"), now); ok {
		return later{err, after}
	}
	return err
}

// retryAfter reads the field of RFC 9110, section 10.2.3: seconds or a date.
func retryAfter(s string, now time.Time) (time.Duration, bool) {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second, true //nolint:gosec // 31 bits of seconds fit
	}
	at, err := http.ParseTime(s)
	return max(0, at.Sub(now)), err == nil
}
