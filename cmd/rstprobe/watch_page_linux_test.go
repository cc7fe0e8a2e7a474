package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rstprobe/rstprobe/internal/browsertest"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/netlab"
	"github.com/rstprobe/rstprobe/internal/testenv"
)

// relay makes an address of the client's end of a path reachable from here, and
// returns where.
func relay(t *testing.T, path *netlab.Net, address string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close() // which ends the loop below
		work.Wait()
	})
	work.Go(func() {
		for {
			here, err := listener.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer here.Close() //nolint:errcheck // both ends are done
				var there net.Conn
				err := path.Client(func() (err error) {
					there, err = net.Dial("tcp", address)
					return err
				})
				if err != nil { // nobody listens: the browser sees that by the closed connection
					return
				}
				work.Go(func() {
					_, _ = io.Copy(there, here) // until either end has enough
					_ = there.Close()
				})
				_, _ = io.Copy(here, there) // likewise
			})
		}
	})
	return listener.Addr().String()
}

// TestWatchPages: a box is switched on, and off, and an open page shows it at
// the right hop, without being loaded again; so does the page of the check.
func TestWatchPages(t *testing.T) {
	testenv.Need(t, "netns", "raw")
	b := browsertest.Open(t)
	var box atomic.Bool
	top := lab.Topology{Routers: 4, Boxes: []lab.Placement{resetterAt(2, &box)}}
	path := pathOf(t, top)
	dir := t.TempDir()
	file := filepath.Join(dir, "watch.yaml")
	text := fmt.Sprintf(`
store: %s
defaults: {interval: 3s, confirm: 2, retest: [100ms]}
checks:
  - {name: shop, target: "shop.example:443@%s", sni: true}
`, filepath.Join(dir, "rstprobe.db"), top.ServerAddr())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const listen = "127.0.0.1:9315"
	w := watchOn(t, path, file, listen)
	w.message("watching")
	w.message("run")

	site := "http://" + relay(t, path, listen)
	t.Cleanup(func() { b.Visit(t, "about:blank", browsertest.View{Width: 360}) }) // before the relay is closed
	visit := func(page string) {
		t.Helper()
		for _, flaw := range b.Visit(t, site+page, browsertest.View{Width: 1280}) {
			t.Errorf("%s: %s", page, flaw)
		}
	}
	visit("/")
	row := `document.getElementById("c-shop").textContent`
	b.Wait(t, row+`.includes("ok since") && (window.here = true)`)

	box.Store(true)
	w.message("change")
	b.Wait(t, `window.here && document.title === "1 × interference – rstprobe"`)
	if got := b.Text(t, row); !strings.Contains(got, "reset since") || !strings.Contains(got, "between hops 2 and 3") {
		t.Errorf("the matrix says %s", got)
	}

	visit("/check/shop?range=24h")
	place := `(() => {
		const top = e => e.getBoundingClientRect().top, svg = document.querySelector("#paths svg.route");
		const hop = n => top([...svg.querySelectorAll(".ttl")].find(e => e.textContent === n));
		const box = top(svg.querySelector(".barrier"));
		return String(hop("2") < box && box < hop("3"));
	})()`
	if got := b.Text(t, place); got != "true" {
		t.Errorf("the picture of the path has the box elsewhere than between hops 2 and 3: %s", b.Text(t, `document.querySelector("#paths").textContent`))
	}
	b.Wait(t, `document.querySelector("#boxes").textContent.includes("there now") && (window.here = true)`)

	box.Store(false)
	w.message("change")
	b.Wait(t, `window.here && document.getElementById("now").textContent.includes("ok since") && document.querySelector("#paths").textContent.includes("The last run with interference")`)
	if code, body := w.ask("GET", "/badge/shop.svg"); code != 200 || !strings.Contains(body, "shop: ok") {
		t.Errorf("badge: %d %s", code, body)
	}

	w.end(syscall.SIGTERM) // though the page is open
	b.Wait(t, `!document.getElementById("gone").hidden`)
}
