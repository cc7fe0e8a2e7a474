package page

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"

	"github.com/rstprobe/rstprobe/report"
)

// assetFile is a file that pages link.
type assetFile struct {
	kind string // media type
	body []byte
	sum  string // of body: a new version has another address
}

// assets are those files, by name.
var assets = func() map[string]assetFile {
	out := map[string]assetFile{"report.css": newAsset("text/css; charset=utf-8", []byte(report.Stylesheet))}
	for name, kind := range map[string]string{
		"page.css": "text/css; charset=utf-8", "live.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		body, err := fs.ReadFile(files, "assets/"+name)
		if err != nil { // they are part of the program
			panic(err)
		}
		out[name] = newAsset(kind, body)
	}
	return out
}()

func newAsset(kind string, body []byte) assetFile {
	sum := sha256.Sum256(body)
	return assetFile{kind, body, hex.EncodeToString(sum[:6])}
}

// assetURL is where an asset is.
func assetURL(name string) string { return fmt.Sprintf("/assets/%s?%s", name, assets[name].sum) }

// inlineCSS is all of the style, for pages that must do without other files.
func inlineCSS() template.CSS {
	return template.CSS(report.Stylesheet + string(assets["page.css"].body)) //nolint:gosec // our own
}

// asset answers with a file, which never changes at the address that assetURL
// gives. At any other one it is that of now.
func asset(w http.ResponseWriter, r *http.Request) {
	f, ok := assets[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	keep := "no-store"
	if r.URL.RawQuery == f.sum {
		keep = "public, max-age=31536000, immutable"
	}
	w.Header().Set("Cache-Control", keep)
	_, _ = w.Write(f.body) // that nobody reads it any more is no concern of ours
}
