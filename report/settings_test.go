package report

import (
	"strings"
	"testing"
)

// TestAgain: the command that measures again has every flag that was given,
// and none that was not.
func TestAgain(t *testing.T) {
	d := New(closedPort(), meta)
	const want = "rstprobe example.com:443 --syn --control-address=10.9.6.3 --seed=4 --characterize"
	if got := d.command(); got != want {
		t.Errorf("again: %s\nwant   %s", got, want)
	}
}

// TestSettingsAreShown: tables have every setting, the text the seed, and
// times are written alike.
func TestSettingsAreShown(t *testing.T) {
	res := closedPort()
	res.Duration = 22_140_115_000
	d := New(res, meta)
	var text, md, page strings.Builder
	for _, err := range []error{Text(&text, d, Style{}), Markdown(&md, d), HTML(&page, []Document{d})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range meta.Settings {
		if !strings.Contains(md.String(), "| "+s.Name+" | ") || !strings.Contains(page.String(), "<td>"+s.Name+"</td>") {
			t.Errorf("a table lacks %s", s.Name)
		}
	}
	if !strings.Contains(text.String(), "seed 4") {
		t.Errorf("the text lacks the seed:\n%s", text.String())
	}
	for _, got := range []string{text.String(), md.String(), page.String()} {
		if strings.Contains(got, "140.115") && !strings.Contains(got, `"duration_ms"`) || !strings.Contains(got, "22 s") {
			t.Errorf("does not say 22 s:\n%.3000s", got)
		}
	}
}

// TestMarkdownCommand: what is to be copied stands in Markdown as it is.
func TestMarkdownCommand(t *testing.T) {
	res := closedPort()
	res.Target.Input = "blocked.example:443@10.9.6.2"
	var md strings.Builder
	if err := Markdown(&md, New(res, meta)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(md.String(), "```sh\nrstprobe blocked.example:443@10.9.6.2 --syn") {
		t.Errorf("the command is not as it was typed:\n%s", md.String())
	}
	if !strings.Contains(md.String(), "# rstprobe `blocked.example:443@10.9.6.2` ") {
		t.Errorf("the target is not as it was typed:\n%.200s", md.String())
	}
	for in, want := range map[string]string{"a": "```sh\na\n```\n", "a```": "````sh\na```\n````\n"} {
		if got := fenced(in); got != want {
			t.Errorf("fenced(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"a": "`a`", "a`b``": "``` a`b`` ```", "": ""} {
		if got := code(in); got != want {
			t.Errorf("code(%q) = %q, want %q", in, got, want)
		}
	}
}
