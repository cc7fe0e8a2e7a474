package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// odd are strings of which some bytes are escaped, and some are not.
var odd = []string{
	"", "plain", "→ 中间设备", `"`, `\`, "a<b", "a>b", "a&b", "\x00", "\x1b[31m", "\n", "\x7f", "\u0085", "\u2028\u2029", "\ufffd", "\xff",
	"cut \xe4\xb8", `"flows":[]`, "🙂",
}

// fill sets everything in v, lists and all, to values by chance.
func fill(t *testing.T, v reflect.Value, r *rand.Rand) {
	t.Helper()
	switch to := v.Addr().Interface().(type) {
	case *time.Time:
		*to = time.Unix(r.Int64N(1<<33), r.Int64N(1e6)*1000*r.Int64N(2)).UTC()
		return
	case *netip.AddrPort:
		texts := []string{"192.0.2.1:0", "198.51.100.7:65535", "[2001:db8::1]:443", "[fe80::1%eth0]:1", "[::ffff:192.0.2.1]:80"}
		if i := r.IntN(len(texts) + 1); i < len(texts) {
			*to = netip.MustParseAddrPort(texts[i])
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(odd[r.IntN(len(odd))])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64() >> r.IntN(64))
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(r.Uint64() >> r.IntN(64) & 0xff)
	case reflect.Float64:
		v.SetFloat([]float64{0, 0.001, 1234.567, 1e-7, 1e-6, 1e21, 123456789e12, -5}[r.IntN(8)])
	case reflect.Slice:
		v.SetZero() // a list may be nil
		for range r.IntN(4) {
			one := reflect.New(v.Type().Elem()).Elem()
			fill(t, one, r)
			v.Set(reflect.Append(v, one))
		}
	case reflect.Pointer:
		if v.SetZero(); r.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), r)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), r)
		}
	default:
		t.Fatalf("what to set a %v to?", v.Type())
	}
}

// TestCaptureJSONIsPlain: what is written flow by flow is what encoding/json
// makes of the whole, whatever is in it.
func TestCaptureJSONIsPlain(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	for i := range 300 {
		c := NewCapture(interfered(), damagedMeta())
		c.File = odd[i%len(odd)]
		fill(t, reflect.ValueOf(&c.Flows).Elem(), r)
		plain, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(EscapeControls(plain)), string(got)); diff != "" {
			t.Fatalf("encoding/json and WriteJSON (-want +got):\n%s", diff)
		}
	}
}

// TestCaptureJSONFails: what cannot be encoded, or written, is an error.
func TestCaptureJSONFails(t *testing.T) {
	c := NewCapture(interfered(), captureMeta)
	full := errors.New("full")
	for after := range 2 {
		c := c
		for range 1000 { // more than one write
			c.Flows = append(c.Flows, c.Flows[0])
		}
		if err := c.WriteJSON(&fullAfter{after: after, err: full}); !errors.Is(err, full) {
			t.Errorf("write %d fails: error %v", after+1, err)
		}
	}
	for name, spoil := range map[string]func(*CaptureFlow){
		"time":   func(f *CaptureFlow) { f.StartedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"number": func(f *CaptureFlow) { f.Signature.WindowMS = math.NaN() },
	} {
		c := NewCapture(interfered(), captureMeta)
		spoil(&c.Flows[0])
		if line, err := c.JSON(); err == nil {
			t.Errorf("%s: no error, but %s", name, line)
		}
	}
}

// fullAfter takes some writes, and no more.
type fullAfter struct {
	after int
	err   error
}

func (w *fullAfter) Write(b []byte) (int, error) {
	if w.after--; w.after < 0 {
		return 0, fmt.Errorf("write: %w", w.err)
	}
	return len(b), nil
}
