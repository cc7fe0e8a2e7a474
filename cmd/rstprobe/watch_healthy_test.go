package main

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
)

func TestHealthURL(t *testing.T) {
	t.Parallel()
	web := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(web, []byte("tls_server_config: {cert_file: a, key_file: b}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ listen, web, want string }{
		{"127.0.0.1:9315", "", "http://127.0.0.1:9315/-/healthy"},
		{"[::1]:9315", "", "http://[::1]:9315/-/healthy"},
		{"0.0.0.0:80", "", "http://127.0.0.1:80/-/healthy"},
		{"[::]:80", "", "http://[::1]:80/-/healthy"},
		{"192.0.2.1:443", web, "https://192.0.2.1:443/-/healthy"},
	} {
		f := watchfile.File{Listen: netip.MustParseAddrPort(tt.listen)}
		f.HTTP.WebConfig = tt.web
		if got := healthURL(f); got != tt.want {
			t.Errorf("%s, %q: %s, want %s", tt.listen, tt.web, got, tt.want)
		}
	}
}

// TestHealthy: whoever answers is well, whatever has become of the file but
// for the address.
func TestHealthy(t *testing.T) {
	t.Parallel()
	watch := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/-/healthy" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer watch.Close()
	file := filepath.Join(t.TempDir(), "watch.yaml")
	text := "listen: " + watch.Listener.Addr().String() + "\ntoken_file: " + file + ".none\nchekcs: [shop.example]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := new(fakeSystem).run(t.Context(), "", "watch", "--healthy", "-c", file); got.code != 0 || got.stdout != watch.URL+"/-/healthy: it is watching\n" {
		t.Errorf("exit code %d, %q, %q", got.code, got.stdout, got.stderr)
	}
}

// TestNobodyIsHealthy where nobody listens.
func TestNobodyIsHealthy(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "watch.yaml")
	if err := os.WriteFile(file, []byte("listen: 127.0.0.1:1\nchecks: [shop.example]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := new(fakeSystem).run(t.Context(), "", "watch", "--healthy", "-c", file); got.code != exitFailure || got.stdout != "" {
		t.Errorf("exit code %d, %q", got.code, got.stdout)
	}
	if got := new(fakeSystem).run(t.Context(), "", "watch", "--healthy", "-c", file+"x"); got.code != exitUsage {
		t.Errorf("without a file: exit code %d, %q", got.code, got.stderr)
	}
}
