package pcapio

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"
)

// linkTypeRaw is LINKTYPE_RAW of the tcpdump.org registry: every packet
// begins with its IPv4 or IPv6 header.
const linkTypeRaw = 101

// maxComment is the longest comment written, in bytes. The length of a
// pcapng option is a 16-bit number and readers pad it to four bytes.
const maxComment = 1 << 15

// Write writes frames as pcapng in the order of their numbers, with
// nanosecond timestamps, so that packet N of the file is frame N. comment
// goes into the section header, cut at 32 KiB. Which frames were sent is not
// in the file: their addresses tell.
//
// Numbers must be 1 … len(frames) without gaps, since a reader counts packets
// by itself; anything else is an error, and then nothing is written.
func Write(w io.Writer, frames []Frame, comment string) error {
	frames = slices.Clone(frames)
	sortByNumber(frames)
	for i, f := range frames {
		if err := check(f, i+1); err != nil {
			return fmt.Errorf("pcapio: write: %w", err)
		}
	}
	if err := write(w, frames, comment); err != nil {
		return fmt.Errorf("pcapio: write: %w", err)
	}
	return nil
}

// check reports why f cannot be packet number n of a file.
func check(f Frame, n int) error {
	switch {
	case f.N > n:
		return fmt.Errorf("packet %d is missing", n)
	case f.N < 1:
		return fmt.Errorf("packet number %d is below 1", f.N)
	case f.N < n:
		return fmt.Errorf("two packets have the number %d", f.N)
	case len(f.Raw) == 0:
		return fmt.Errorf("packet %d is empty", n)
	case f.At.Before(time.Unix(0, 0)): // pcapng counts unsigned from 1970
		return fmt.Errorf("packet %d has no valid time (%v)", n, f.At)
	}
	return nil
}

func write(w io.Writer, frames []Frame, comment string) error {
	// One interface only: libpcap 1.10 refuses a file with a second raw IP
	// interface ("an interface has a type 101 different from the first").
	raw := pcapgo.NgInterface{Name: "rstprobe", LinkType: linkTypeRaw, OS: runtime.GOOS}
	ng, err := pcapgo.NewNgWriterInterface(w, raw, pcapgo.NgWriterOptions{
		SectionInfo: pcapgo.NgSectionInfo{
			Hardware:    runtime.GOARCH,
			OS:          runtime.GOOS,
			Application: "rstprobe",
			Comment:     cut(comment, maxComment),
		},
	})
	if err != nil {
		return fmt.Errorf("section header: %w", err)
	}
	for _, f := range frames {
		info := gopacket.CaptureInfo{Timestamp: f.At, CaptureLength: len(f.Raw), Length: len(f.Raw)}
		if err := ng.WritePacket(info, f.Raw); err != nil {
			return fmt.Errorf("packet %d: %w", f.N, err)
		}
	}
	return ng.Flush()
}

// cut shortens s to at most n bytes of valid UTF-8.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}
