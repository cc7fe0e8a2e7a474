package server

import (
	"net/http"
	"strings"
)

// headers are those of every answer, unless a handler or the web configuration
// says otherwise. Pages load nothing from elsewhere, run no script that is not
// a file of ours, and stand in no frame. What they show is of the moment. Nobody
// else is told where a link stood; to us, a form without that would come from
// the origin "null", which over HTTP counts as that of another site.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "same-origin",
	"Permissions-Policy":           permissions(),
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cross-Origin-Embedder-Policy": "require-corp",
	"Cache-Control":                "no-store",
}

// permissions forbids what a page could ask of the machine it is looked at on.
func permissions() string {
	return strings.Join([]string{
		"accelerometer=()", "autoplay=()", "camera=()", "display-capture=()", "geolocation=()", "gyroscope=()", "magnetometer=()",
		"microphone=()", "midi=()", "payment=()", "publickey-credentials-get=()", "usb=()", "xr-spatial-tracking=()",
	}, ", ")
}

func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			if w.Header().Get(name) == "" {
				w.Header().Set(name, value)
			}
		}
		next.ServeHTTP(w, r)
	})
}
