package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// captureFormat is one kind of output file about a capture.
type captureFormat struct {
	extension string
	write     func(io.Writer, Capture, CaptureStyle, Reread) error
	twice     bool // it needs a second reading of the capture
}

var captureFormats = []captureFormat{
	{".html", CaptureHTML, false},
	{".json", writeCaptureJSON, false},
	{".jsonl", writeCaptureJSON, false},
	{".md", drawnMarkdown, false},
	{".pcapng", writeCaptureEvidence, true},
	{".txt", writeCaptureText, false},
}

// captureFormatOf finds the format by the extension of path.
func captureFormatOf(path string) (captureFormat, error) {
	name := extension(path)
	i := slices.IndexFunc(captureFormats, func(f captureFormat) bool { return f.extension == name })
	if i >= 0 {
		return captureFormats[i], nil
	}
	var known []string
	for _, f := range captureFormats {
		known = append(known, f.extension)
	}
	return captureFormat{}, fmt.Errorf("report: cannot write %q about a capture: its name must end in one of %s", path, strings.Join(known, " "))
}

// CheckCapturePath is CheckPath for WriteCaptureFile.
func CheckCapturePath(path string) error {
	if _, err := captureFormatOf(path); err != nil {
		return err
	}
	return checkPlace(path)
}

// NeedsReread reports whether what is to be written to path is made of the
// packets of the capture, so that WriteCaptureFile cannot do without a Reread.
func NeedsReread(path string) bool {
	f, err := captureFormatOf(path)
	return err == nil && f.twice
}

// WriteCaptureFile writes what a capture shows to path, in the format of its
// extension, and as WriteFile does:
//
//	.html          CaptureHTML
//	.json, .jsonl  the object on one line
//	.md            Markdown, with the conversations drawn in letters
//	.pcapng        CaptureEvidence
//	.txt           text, without colours
//
// Without reread nothing is drawn.
func WriteCaptureFile(path string, c Capture, style CaptureStyle, reread Reread) error {
	f, err := captureFormatOf(path)
	if err != nil {
		return err
	}
	style.Style = Style{Unicode: true}
	if err := replace(path, func(w io.Writer) error { return f.write(w, c, style, reread) }); err != nil {
		return fmt.Errorf("report: write %q: %w", path, err)
	}
	return nil
}

func writeCaptureText(w io.Writer, c Capture, style CaptureStyle, _ Reread) error {
	return CaptureText(w, c, style)
}

func writeCaptureEvidence(w io.Writer, c Capture, _ CaptureStyle, reread Reread) error {
	return CaptureEvidence(w, c, reread)
}

func writeCaptureJSON(w io.Writer, c Capture, _ CaptureStyle, _ Reread) error {
	return c.WriteJSON(w)
}
