package argv

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// OptValue is the value of a flag that may stand alone or bring a list:
// --sni or --sni=a,b. It may be repeated.
type OptValue struct {
	Bare   bool     // given without a list, at least once
	Off    bool     // switched off (=none), which a later use undoes
	Values []string // all lists, one after the other, unchecked
}

// Given reports whether the flag was given and not switched off.
func (v *OptValue) Given() bool { return v.Bare || len(v.Values) > 0 }

// IsBoolFlag tells the flag package that the flag takes no next word; for a
// bare flag it calls Set("true").
func (v *OptValue) IsBoolFlag() bool { return true }

// Set takes what stands behind "=". It refuses nothing: the flag package
// would speak of a "boolean value".
func (v *OptValue) Set(s string) error {
	switch s {
	case "true":
		v.Bare, v.Off = true, false
	case "none", "false":
		*v = OptValue{Off: true}
	default:
		v.Off = false
		v.Values = append(v.Values, strings.Split(s, ",")...)
	}
	return nil
}

// String is the value as it would be typed; "" when not given.
func (v *OptValue) String() string {
	switch {
	case v == nil:
		return ""
	case len(v.Values) > 0:
		return strings.Join(v.Values, ",")
	case v.Bare:
		return "true"
	case v.Off:
		return "none"
	}
	return ""
}

// OptFlag is a flag with an OptValue. It has one name: the library copies
// values between aliases as text.
type OptFlag struct {
	cli.GenericFlag
	Placeholder string // what the help calls the list
}

// NewOptFlag is an OptFlag.
func NewOptFlag(name, placeholder, category, usage string) *OptFlag {
	return &OptFlag{
		GenericFlag: cli.GenericFlag{Name: name, Category: category, Usage: usage, Value: &OptValue{}},
		Placeholder: placeholder,
	}
}

// IsBoolFlag reports that the flag never takes the next word.
func (f *OptFlag) IsBoolFlag() bool { return true }

// TakesValue reports the same to the library's help and completion.
func (f *OptFlag) TakesValue() bool { return false }

// String is the flag's line in the help.
func (f *OptFlag) String() string {
	return fmt.Sprintf("--%s[=%s]\t%s", f.Name, f.Placeholder, f.Usage)
}

// Opt is the OptValue of the named flag in the context or one around it; not
// given when there is none.
func Opt(c *cli.Context, name string) OptValue {
	if v, ok := c.Generic(name).(*OptValue); ok && v != nil {
		return *v
	}
	return OptValue{}
}

// WordFlag is a flag that takes one of some words. The library takes any
// text; whoever reads the flag refuses other words.
type WordFlag struct {
	cli.StringFlag
	Words []string // in the order in which help and completion show them
}

// ListFlag is a string-list flag whose values name further targets, so that
// Normalize counts them as such.
type ListFlag struct{ cli.StringSliceFlag }
