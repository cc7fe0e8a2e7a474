package watchfile

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/config"
)

// reader stores the value of one key.
type reader func(config.Node) error

// keys are the readers of a mapping.
type keys map[string]reader

// with are the keys of both.
func (k keys) with(more keys) keys {
	out := maps.Clone(k)
	maps.Copy(out, more)
	return out
}

// read reads every entry of a mapping; what names it in errors. A value that
// is left out, or null, leaves the default.
func (k keys) read(n config.Node, what string) error {
	if kind := n.Kind(); kind != config.Map && kind != config.Null {
		return n.Errorf("%s has keys and values: write one KEY: VALUE per line", what)
	}
	for _, f := range n.Fields() {
		store, ok := k[f.Key.Text()]
		if !ok {
			return f.Key.Errorf("%s has no key %q: write one of %s", what, f.Key.Text(), strings.Join(slices.Sorted(maps.Keys(k)), ", "))
		}
		if f.Value.Kind() == config.Null {
			continue
		}
		if err := store(f.Value); err != nil {
			return err
		}
	}
	return nil
}

// scalar reads a value that is neither a list nor a mapping.
func scalar(store func(string) error) reader {
	return func(n config.Node) error {
		if n.Kind() != config.Scalar {
			return n.Errorf("one value is expected here, not a list or a mapping")
		}
		if err := store(n.Text()); err != nil {
			return n.Errorf("%v", err)
		}
		return nil
	}
}

func integer(to *int, lo, hi int) reader {
	return scalar(func(s string) error {
		v, err := strconv.Atoi(s)
		if err != nil || v < lo || v > hi {
			return fmt.Errorf("%q: write a number from %d to %d", s, lo, hi)
		}
		*to = v
		return nil
	})
}

func duration(to *time.Duration, lo, hi time.Duration) reader {
	return scalar(func(s string) error {
		d, err := parseDuration(s)
		if err != nil || d < lo || d > hi {
			return fmt.Errorf("%q: write a time from %s to %s, such as 90s, 5m or 30d", s, written(lo), written(hi))
		}
		*to = d
		return nil
	})
}

const day = 24 * time.Hour

// zeros takes off what a time of whole hours or minutes ends with.
var zeros = strings.NewReplacer("h0m0s", "h", "m0s", "m")

// written is a time as people write it: 7d or 5m, and not 168h0m0s or 5m0s.
func written(d time.Duration) string {
	if d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return zeros.Replace(d.String())
}

// parseDuration is time.ParseDuration, with whole days.
func parseDuration(s string) (time.Duration, error) {
	days, ok := strings.CutSuffix(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	return time.Duration(n) * day, err //nolint:gosec // 16 bits of days fit
}

// share reads a percentage as a part of one.
func share(to *float64, hi float64) reader {
	return scalar(func(s string) error {
		number, ok := strings.CutSuffix(s, "%")
		v, err := strconv.ParseFloat(number, 64)
		if !ok || err != nil || math.IsNaN(v) || v < 0 || v > 100*hi {
			return fmt.Errorf("%q: write a share from 0%% to %g%%", s, 100*hi)
		}
		*to = v / 100
		return nil
	})
}

// units of sizes (IEC 80000-13).
var units = map[string]int64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

func size(to *int64, lo, hi int64) reader {
	return scalar(func(s string) error {
		unit := strings.TrimLeft(s, "0123456789")
		v, err := strconv.ParseInt(strings.TrimSuffix(s, unit), 10, 64)
		factor, ok := units[strings.TrimSpace(unit)]
		if err != nil || !ok || v > hi/factor || v*factor < lo {
			return fmt.Errorf("%q: write a size from %d MiB to %d GiB, such as 500MiB", s, lo>>20, hi>>30)
		}
		*to = v * factor
		return nil
	})
}

func boolean(to *bool) reader {
	return scalar(func(s string) error {
		if s != "true" && s != "false" {
			return fmt.Errorf("%q: write true or false", s)
		}
		*to = s == "true"
		return nil
	})
}

// list reads a list, or one value that stands for a list of one.
func list(item reader) reader {
	return func(n config.Node) error {
		if n.Kind() == config.Scalar {
			return item(n)
		}
		if n.Kind() == config.Map {
			return n.Errorf("a list is expected here: write [a, b]")
		}
		for _, i := range n.Items() {
			if err := item(i); err != nil {
				return err
			}
		}
		return nil
	}
}
