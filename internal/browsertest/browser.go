// Package browsertest looks at pages as a reader does: in a real browser,
// Debian's chromium, headless. Tests that serve or write HTML call it; it
// says what is wrong with a page, and how the page looks.
package browsertest

import (
	"bytes"
	"context"
	_ "embed" // for the script
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/rstprobe/rstprobe/internal/testenv"
)

// picturesEnv names a directory for pictures of all pages that tests look at,
// for people who want to see them too.
const picturesEnv = "RSTPROBE_PICTURES"

// limit bounds everything that one browser does: no test waits by the clock,
// but a browser that hangs must not hang the tests.
const limit = 3 * time.Minute

// flaws lists what is wrong with the page that is open, in its own words.
//
//go:embed flaws.js
var flaws string

// Browser is a browser with one tab.
type Browser struct {
	ctx context.Context

	mu   sync.Mutex
	seen []string // what went wrong since the page was opened
	page string   // the only address that may be asked for, or with / at its end, the beginning of all
}

// View is how a page is shown.
type View struct {
	Width int // of the window, in CSS pixels
	Dark  bool
	Paper bool // as it is printed
}

// Widths are those that every page must fit: a small phone and a desktop.
var Widths = []int{360, 1280}

// Open starts a browser, which ends with the test. To it, all names in .example
// are those of this machine: pages from there are not trusted as those of
// loopback are. It skips the test where there is none.
func Open(t testing.TB) *Browser {
	t.Helper()
	testenv.Need(t, "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.ExecPath("chromium"), chromedp.DisableGPU, chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1"))
	if os.Geteuid() == 0 { // chromium refuses its sandbox to root
		options = append(options, chromedp.NoSandbox)
	}
	ctx, stop := context.WithTimeout(context.Background(), limit)
	ctx, end := chromedp.NewExecAllocator(ctx, options...)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(func() { closeTab(); end(); stop() })
	b := &Browser{ctx: ctx}
	if err := chromedp.Listen(ctx, b.note); err != nil {
		t.Fatalf("browsertest: start chromium: %v", err)
	}
	err := chromedp.Do(ctx, act(network.Enable, network.EnableParams{}), act(log.Enable, cdp.Empty{}))
	if err != nil {
		t.Fatalf("browsertest: watch what pages do: %v", err)
	}
	return b
}

// act is one command of the DevTools protocol.
func act[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// note files an event that no page of ours should cause.
func (b *Browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.seen = append(b.seen, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.seen = append(b.seen, fmt.Sprintf("console: %s", e.Type))
	case *log.EventEntryAdded:
		b.seen = append(b.seen, fmt.Sprintf("log: %s: %s", e.Entry.Level, e.Entry.Text))
	case *network.EventRequestWillBeSent:
		if e.Request.URL != b.page && !(strings.HasSuffix(b.page, "/") && strings.HasPrefix(e.Request.URL, b.page)) {
			b.seen = append(b.seen, "request: "+e.Request.URL)
		}
	}
}

// Show opens a page from a file of its own and returns everything that is
// wrong with it: console messages, exceptions, requests for anything else,
// sideways scrolling, columns too narrow for words, drawings that are cut off
// or overlap, text that is hard to read for its contrast or size.
func (b *Browser) Show(t testing.TB, page []byte, v View) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, page, 0o600); err != nil {
		t.Fatal(err)
	}
	return b.look(t, "file://"+file, "file://"+file, v)
}

// Visit is Show for a page of a server, which may ask that server for more.
func (b *Browser) Visit(t testing.TB, address string, v View) []string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return b.look(t, address, u.Scheme+"://"+u.Host+"/", v)
}

// look opens a page.
func (b *Browser) look(t testing.TB, address, allowed string, v View) []string {
	t.Helper()
	// The page before may be in the middle of something; that is no flaw of
	// this one.
	if err := chromedp.Do(b.ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("browsertest: leave the page before: %v", err)
	}
	b.mu.Lock()
	b.seen, b.page = nil, allowed
	b.mu.Unlock()
	scheme, media := "light", "screen"
	if v.Dark {
		scheme = "dark"
	}
	if v.Paper {
		media = "print"
	}
	err := chromedp.Do(b.ctx,
		chromedp.EmulateViewport(int64(v.Width), 800),
		act(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media:    media,
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}),
		chromedp.Navigate(address))
	if err != nil {
		t.Fatalf("browsertest: open the page: %v", err)
	}
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](flaws))
	if err != nil {
		t.Fatalf("browsertest: look at the page: %v", err)
	}
	if dir := os.Getenv(picturesEnv); dir != "" {
		name := fmt.Sprintf("%s_%d_%s_%s.png", strings.NewReplacer("/", "_", " ", "_").Replace(t.Name()), v.Width, scheme, media)
		if err := os.WriteFile(filepath.Join(dir, name), b.Picture(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return append(found, b.seen...)
}

// Wait returns once a JavaScript expression is true of the page that is open,
// or of one that it leads to, and fails the test where that does not come.
func (b *Browser) Wait(t testing.TB, expression string) {
	t.Helper()
	// The page itself says when: it is asked again before each of its frames.
	script := fmt.Sprintf("new Promise(done => { const look = () => { if (%s) done(true); else requestAnimationFrame(look); }; look(); })", expression)
	for {
		_, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
		if err == nil {
			return
		}
		if b.ctx.Err() != nil || !strings.Contains(err.Error(), "navigated") { // DevTools has no code for it
			t.Fatalf("browsertest: wait for %s: %v", expression, err)
		}
	}
}

// Text is what a JavaScript expression gives for the page that is open.
func (b *Browser) Text(t testing.TB, expression string) string {
	t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		t.Fatalf("browsertest: %s: %v", expression, err)
	}
	return text
}

// Picture is the page that is open, whole, as a PNG.
func (b *Browser) Picture(t testing.TB) []byte {
	t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatalf("browsertest: take a picture: %v", err)
	}
	return png
}

// Print is the page that is open, printed to a PDF.
func (b *Browser) Print(t testing.TB) []byte {
	t.Helper()
	pdf, err := chromedp.Run(b.ctx, chromedp.PrintToPDF())
	if err != nil {
		t.Fatalf("browsertest: print: %v", err)
	}
	if !bytes.HasPrefix(pdf, []byte("%PDF-")) {
		t.Fatal("browsertest: print: no PDF came out")
	}
	return pdf
}
