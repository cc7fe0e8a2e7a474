package argv

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

// parsed is what the program sees of a line.
type parsed struct {
	Command string
	SNI     OptValue
	JSON    bool
	Out     []string
	Lists   []string
	Family  string
	MaxTTL  int
	Words   []string
}

// newApp is a small program with every kind of flag; got is filled by a run.
func newApp(got *parsed) *cli.App {
	flags := func() []cli.Flag {
		return []cli.Flag{
			NewOptFlag("sni", "NAMES", "", "a ClientHello"),
			&cli.BoolFlag{Name: "json"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}},
			&cli.BoolFlag{Name: "ipv4", Aliases: []string{"4"}},
			&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Usage: "write `FILE`"},
			&cli.IntFlag{Name: "max-ttl", Value: 30},
			&cli.BoolFlag{Name: "help", Aliases: []string{"h"}},
		}
	}
	action := func(c *cli.Context) error {
		*got = parsed{
			Command: c.Command.Name, SNI: Opt(c, "sni"), JSON: c.Bool("json"),
			Out: c.StringSlice("output"), Lists: c.StringSlice("file"),
			MaxTTL: c.Int("max-ttl"), Words: c.Args().Slice(),
		}
		if c.Bool("ipv4") {
			got.Family = "4"
		}
		return nil
	}
	list := &ListFlag{cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}}}
	return &cli.App{
		Name: "prog", Writer: io.Discard, ErrWriter: io.Discard,
		HideHelp: true, HideVersion: true, DisableSliceFlagSeparator: true,
		Flags:  append(flags(), list),
		Action: action,
		Commands: []*cli.Command{
			{Name: "trace", HideHelp: true, Flags: flags(), Action: action},
			{Name: "demo", HideHelp: true, Flags: append(flags()[1:], &cli.BoolFlag{Name: "list"}), Action: action},
		},
	}
}

// normalize is Normalize of a line written with spaces.
func normalize(t *testing.T, text string) ([]string, error) {
	t.Helper()
	var got parsed
	return Normalize(newApp(&got), append([]string{"prog"}, strings.Fields(text)...))
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "", "prog"},
		{"flag behind target", "h:443 --sni", "prog --sni -- h:443"},
		{"flag before the only target", "--sni h:443", "prog --sni -- h:443"},
		{"value flag behind target", "h:443 -o x.json", "prog --output=x.json -- h:443"},
		{"value with a dash", "-f - -v", "prog --file=- --verbose"},
		{"value that looks like a flag", "-o --json h", "prog --output=--json -- h"},
		{"equals sign", "h -o=x --max-ttl=5", "prog --output=x --max-ttl=5 -- h"},
		{"one dash, long name", "h -json", "prog --json -- h"},
		{"letters together", "h -4v", "prog --ipv4 --verbose -- h"},
		{"last letter takes a value", "h -vo x", "prog --verbose --output=x -- h"},
		{"optional value", "h --sni=a,b --sni", "prog --sni=a,b --sni -- h"},
		{"flags between targets", "a -v b --json c", "prog --verbose --json -- a b c"},
		{"double dash", "a --json -- --sni -v", "prog --json -- a --sni -v"},
		{"double dash after a bare flag", "a --sni -- b", "prog --sni -- a b"},
		{"command", "trace h --max-ttl 5", "prog trace --max-ttl=5 -- h"},
		{"flag before the command that defines it", "--json trace h", "prog trace --json -- h"},
		{"flag that only the program defines", "demo x --sni", "prog --sni demo -- x"},
		{"command word behind a target", "h demo", "prog -- h demo"},
		{"command word with a port", "demo:443", "prog -- demo:443"},
		{"help", "h --json --help", "prog --help"},
		{"help of a command", "demo x -h --nosuch", "prog demo --help"},
		{"single dash", "-", "prog -- -"},
		{"empty word", "h --max-ttl=", "prog --max-ttl= -- h"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := normalize(t, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestNormalizeRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"second target behind a bare flag", "h:443 --sni other.example", "write --sni=other.example"},
		{"bare flag first", "--sni other.example h:443", "write --sni=other.example"},
		{"targets from a list", "-f list --sni other.example", "write --sni=other.example"},
		{"unknown flag", "h --jsn", "unknown flag --jsn; did you mean --json?"},
		{"unknown letter", "h -4x", "unknown flag -4x"},
		{"three dashes", "h ---json", "unknown flag ---json"},
		{"value missing", "h -o", "-o needs a value: write --output=FILE"},
		{"value missing, no placeholder", "h --max-ttl", "write --max-ttl=VALUE"},
		{"command behind the dashes", "-- demo", "write demo:PORT"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := normalize(t, tt.in)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, error %v; want an error with %q", got, err, tt.want)
			}
		})
	}
}

// TestAnyOrder runs every order of some flags and targets through the library.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	parts := [][]string{{"a:443"}, {"--sni=x,y"}, {"-o", "out.json"}, {"-4v"}, {"b:443"}, {"--max-ttl", "7"}}
	want := parsed{
		Command: "prog", SNI: OptValue{Values: []string{"x", "y"}}, Out: []string{"out.json"},
		Family: "4", MaxTTL: 7, Words: []string{"a:443", "b:443"},
	}
	n := 0
	for order := range permutations(len(parts)) {
		args := []string{"prog"}
		for _, i := range order {
			args = append(args, parts[i]...)
		}
		var got parsed
		app := newApp(&got)
		line, err := Normalize(app, args)
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		if err := app.Run(line); err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		slices.Sort(got.Words)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q: -want +got:\n%s", args, diff)
		}
		n++
	}
	if n != 720 {
		t.Errorf("%d orders tried, want 6! = 720", n)
	}
}

// permutations yields every order of 0 … n-1 (Heap's algorithm).
func permutations(n int) func(yield func([]int) bool) {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	var walk func(k int, yield func([]int) bool) bool
	walk = func(k int, yield func([]int) bool) bool {
		if k <= 1 {
			return yield(p)
		}
		for i := range k {
			if !walk(k-1, yield) {
				return false
			}
			if j := i * (1 - k%2); i < k-1 {
				p[j], p[k-1] = p[k-1], p[j]
			}
		}
		return true
	}
	return func(yield func([]int) bool) { walk(n, yield) }
}

func TestOptValue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line  string
		want  OptValue
		given bool
	}{
		{"h", OptValue{}, false},
		{"h --sni", OptValue{Bare: true}, true},
		{"h --sni=a,b --sni=c", OptValue{Values: []string{"a", "b", "c"}}, true},
		{"h --sni --sni=a", OptValue{Bare: true, Values: []string{"a"}}, true},
		{"h --sni=a --sni=none", OptValue{Off: true}, false},
		{"h --sni=none --sni=a", OptValue{Values: []string{"a"}}, true},
		{"h --sni=", OptValue{Values: []string{""}}, true},
		{"demo x", OptValue{}, false},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			var got parsed
			app := newApp(&got)
			line, err := Normalize(app, append([]string{"prog"}, strings.Fields(tt.line)...))
			if err != nil {
				t.Fatal(err)
			}
			if err := app.Run(line); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.SNI); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got.SNI.Given() != tt.given {
				t.Errorf("Given() = %v, want %v", got.SNI.Given(), tt.given)
			}
		})
	}
}

func TestOptFlagHelp(t *testing.T) {
	t.Parallel()
	f := NewOptFlag("sni", "NAMES", "Tests", "a ClientHello")
	if got, want := fmt.Sprint(f), "--sni[=NAMES]\ta ClientHello"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzNormalize: the result is a fixed point and no word is lost or made up.
func FuzzNormalize(f *testing.F) {
	for _, s := range []string{
		"h:443\n--sni", "h\n--sni\no", "-o\n-o\nx", "-4v\nh\n--\n-v", "demo\n--list\nx", "--json\ndemo\n--sni=a",
		"--\ndemo", "-\n--help", "--max-ttl=\n=", "-vo\n--", "trace\ntrace\n-f\n-", "--sni=true\n-h=false\n--sni\n--\na\nb",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		args := append([]string{"prog"}, strings.Split(text, "\n")...)
		var got parsed
		once, err := Normalize(newApp(&got), args)
		if err != nil {
			return
		}
		twice, err := Normalize(newApp(&got), once)
		if err != nil {
			t.Fatalf("%q became %q, which is refused: %v", args, once, err)
		}
		if diff := cmp.Diff(once, twice); diff != "" {
			t.Fatalf("%q: not a fixed point, -once +twice:\n%s", args, diff)
		}
		i := slices.Index(once, "--")
		if i < 0 {
			return
		}
		rest := args
		for _, w := range once[i+1:] {
			j := slices.Index(rest, w)
			if j < 0 {
				t.Fatalf("%q became %q: the word %q is new or moved", args, once, w)
			}
			rest = rest[j+1:]
		}
	})
}
