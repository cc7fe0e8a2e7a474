package oonitest

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// shape is what a JSON value must be; the error says what is wrong at which
// place.
type shape func(at string, v any) error

func wrong(at, format string, args ...any) error {
	return fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...))
}

func text(at string, v any) error {
	if _, ok := v.(string); !ok {
		return wrong(at, "%v is no string", v)
	}
	return nil
}

func number(at string, v any) error {
	if f, ok := v.(float64); !ok || f < 0 {
		return wrong(at, "%v is no number from 0 on", v)
	}
	return nil
}

func whole(at string, v any) error {
	if f, ok := v.(float64); !ok || f < 0 || f != math.Trunc(f) {
		return wrong(at, "%v is no whole number from 0 on", v)
	}
	return nil
}

func boolean(at string, v any) error {
	if _, ok := v.(bool); !ok {
		return wrong(at, "%v is neither true nor false", v)
	}
	return nil
}

// anything is what the format leaves to us.
func anything(string, any) error { return nil }

// null is what is never known here.
func null(at string, v any) error {
	if v != nil {
		return wrong(at, "%v is not null", v)
	}
	return nil
}

func orNull(s shape) shape {
	return func(at string, v any) error {
		if v == nil {
			return nil
		}
		return s(at, v)
	}
}

// words is one of some strings.
func words(all ...string) shape {
	return func(at string, v any) error {
		if s, ok := v.(string); !ok || !slices.Contains(all, s) {
			return wrong(at, "%v is none of %q", v, all)
		}
		return nil
	}
}

func matching(expr string) shape {
	re := regexp.MustCompile(`^(?:` + expr + `)$`)
	return func(at string, v any) error {
		if s, ok := v.(string); !ok || !re.MatchString(s) {
			return wrong(at, "%v does not look like %s", v, expr)
		}
		return nil
	}
}

func list(of shape) shape {
	return func(at string, v any) error {
		items, ok := v.([]any)
		if !ok {
			return wrong(at, "%v is no list", v)
		}
		var errs []error
		for i, x := range items {
			errs = append(errs, of(fmt.Sprintf("%s[%d]", at, i), x))
		}
		return errors.Join(errs...)
	}
}

func mapOf(of shape) shape {
	return func(at string, v any) error {
		items, ok := v.(map[string]any)
		if !ok {
			return wrong(at, "%v is no object", v)
		}
		var errs []error
		for k, x := range items {
			errs = append(errs, of(at+"."+k, x))
		}
		return errors.Join(errs...)
	}
}

// object has all of these keys, those that begin with "?" or not, and no
// others but x_ ones.
func object(keys map[string]shape) shape {
	return func(at string, v any) error {
		got, ok := v.(map[string]any)
		if !ok {
			return wrong(at, "%v is no object", v)
		}
		var errs []error
		for k, s := range keys {
			name, optional := strings.CutPrefix(k, "?")
			switch x, ok := got[name]; {
			case ok:
				errs = append(errs, s(at+"."+name, x))
			case !optional:
				errs = append(errs, wrong(at, "%s is missing", name))
			}
		}
		for k := range got {
			ours := strings.HasPrefix(k, "x_")
			switch {
			case keys[k] == nil && keys["?"+k] == nil && !ours:
				errs = append(errs, wrong(at, "%s is unknown", k))
			case ours && got[k] == nil:
				errs = append(errs, wrong(at, "%s says nothing", k))
			}
		}
		return errors.Join(errs...)
	}
}

// with is an object that has more keys.
func with(keys, more map[string]shape) map[string]shape {
	out := map[string]shape{}
	for k, s := range keys {
		out[k] = s
	}
	for k, s := range more {
		out[k] = s
	}
	return out
}
