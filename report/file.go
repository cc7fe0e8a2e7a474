package report

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
)

// format is one kind of output file.
type format struct {
	extension string
	write     func(io.Writer, []Document, []pcapio.Frame) error
}

var formats = []format{
	{".html", writeHTML},
	{".json", writeJSON},
	{".jsonl", writeJSONL},
	{".md", writeMarkdown},
	{ooniExtension, writeOONI},
	{pcapngExtension, writePcapNG},
	{".txt", writeText},
}

// formatOf finds the format by the extension of path.
func formatOf(path string) (format, error) {
	name := extension(path)
	if i := slices.IndexFunc(formats, func(f format) bool { return f.extension == name }); i >= 0 {
		return formats[i], nil
	}
	var known []string
	for _, f := range formats {
		known = append(known, f.extension)
	}
	return format{}, fmt.Errorf("report: cannot write %q: its name must end in one of %s", path, strings.Join(known, " "))
}

// extension is that of path, in lower case.
func extension(path string) string {
	name := strings.ToLower(filepath.Base(path))
	if strings.HasSuffix(name, ooniExtension) {
		return ooniExtension
	}
	return filepath.Ext(name)
}

const (
	ooniExtension   = ".ooni.jsonl" // another format than the .jsonl at its end
	pcapngExtension = ".pcapng"
)

// CheckPath reports why WriteFile could not write path, as far as that can be
// said without writing: so that a run is refused before it measures.
func CheckPath(path string) error {
	if _, err := formatOf(path); err != nil {
		return err
	}
	return checkPlace(path)
}

// CheckSavedPath is CheckPath for results that were read back, which have no
// packets.
func CheckSavedPath(path string) error {
	if extension(path) == pcapngExtension {
		return fmt.Errorf("report: cannot write %q: a saved result has no packets: write the capture when measuring, with -o FILE%s", path, pcapngExtension)
	}
	return CheckPath(path)
}

// checkPlace reports why there could be no file at path.
func checkPlace(path string) error {
	dir := filepath.Dir(path)
	switch info, err := os.Stat(dir); {
	case err != nil:
		return fmt.Errorf("report: cannot write %q: %w", path, err)
	case !info.IsDir():
		return fmt.Errorf("report: cannot write %q: %s is not a directory", path, dir)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("report: cannot write %q: it is a directory", path)
	}
	return nil
}

// WriteFile writes the results to path, in the format of its extension:
//
//	.html        one page with all results and their JSON
//	.json        one result: an object; several: an array, one line each
//	.jsonl       one object per line
//	.md          Markdown
//	.ooni.jsonl  measurements in OONI's data format, one per line; see OONI
//	.pcapng      the frames, with a comment that names commands and verdicts
//	.txt         the text of a verbose Text
//
// A file that was there is replaced at once when the new one is complete; on
// an error it stays as it was.
func WriteFile(path string, docs []Document, frames []pcapio.Frame) error {
	f, err := formatOf(path)
	if err != nil {
		return err
	}
	return Replace(path, func(w io.Writer) error { return f.write(w, docs, frames) })
}

// Replace puts what write writes in the place of the file path, as WriteFile
// does.
func Replace(path string, write func(io.Writer) error) error {
	if err := replace(path, write); err != nil {
		return fmt.Errorf("report: write %q: %w", path, err)
	}
	return nil
}

// replace puts what write writes in the place of the file path. The new file
// has the mode that the process's mask leaves of 0666, like any other output.
func replace(path string, write func(io.Writer) error) error {
	dir, base := filepath.Split(path)
	temp := filepath.Join(dir, "."+base+"."+rand.Text()+".tmp")
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

func writeJSON(w io.Writer, docs []Document, _ []pcapio.Frame) error {
	lines, err := encode(docs)
	if err != nil {
		return err
	}
	open, end := "[\n", "\n]\n"
	if len(docs) == 1 {
		open, end = "", "\n"
	}
	_, err = io.WriteString(w, open+string(bytes.Join(lines, []byte(",\n")))+end)
	return err
}

func writeJSONL(w io.Writer, docs []Document, _ []pcapio.Frame) error {
	lines, err := encode(docs)
	if err != nil {
		return err
	}
	for _, line := range lines {
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func encode(docs []Document) ([][]byte, error) {
	lines := make([][]byte, len(docs))
	for i, d := range docs {
		var err error
		if lines[i], err = d.JSON(); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

func writeText(w io.Writer, docs []Document, _ []pcapio.Frame) error {
	return each(w, docs, "\n"+strings.Repeat("=", columns)+"\n\n", func(d Document) error {
		return Text(w, d, Style{Verbose: true, Unicode: true})
	})
}

func writeMarkdown(w io.Writer, docs []Document, _ []pcapio.Frame) error {
	return each(w, docs, "\n---\n\n", func(d Document) error { return Markdown(w, d) })
}

func writeHTML(w io.Writer, docs []Document, _ []pcapio.Frame) error { return HTML(w, docs) }

func each(w io.Writer, docs []Document, between string, write func(Document) error) error {
	for i, d := range docs {
		if i > 0 {
			if _, err := io.WriteString(w, between); err != nil {
				return err
			}
		}
		if err := write(d); err != nil {
			return err
		}
	}
	return nil
}

func writePcapNG(w io.Writer, docs []Document, frames []pcapio.Frame) error {
	var comment []string
	for _, d := range docs {
		comment = append(comment, d.command(), string(d.Verdict.Outcome)+": "+d.Verdict.Summary)
	}
	return pcapio.Write(w, frames, strings.Join(comment, "\n"))
}
