package pcapio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"
)

// sectionHeader is the type of a pcapng section header block, the same in
// either byte order: no pcap file begins so.
var sectionHeader = []byte{0x0a, 0x0d, 0x0d, 0x0a}

// Read reads a pcapng or pcap file of raw IP packets (LINKTYPE_RAW, _IPV4 or
// _IPV6) and numbers them from 1. Sent is always false: such files do not say
// which packets were ours. A pcapng file that was cut off inside a block ends
// with its last whole packet.
func Read(r io.Reader) (frames []Frame, err error) {
	// pcapgo v1.1.19 panics on some damaged files.
	defer func() {
		if p := recover(); p != nil {
			frames, err = nil, fmt.Errorf("pcapio: read: damaged file after packet %d: %v", len(frames), p)
		}
	}()

	br := bufio.NewReader(r)
	magic, err := br.Peek(len(sectionHeader))
	if err != nil {
		return nil, fmt.Errorf("pcapio: read: no capture file: %w", err)
	}
	open := openPcap
	if bytes.Equal(magic, sectionHeader) {
		open = openPcapNG
	}
	source, link, err := open(br)
	if err != nil {
		return nil, fmt.Errorf("pcapio: read: %w", err)
	}
	if err := checkLink(link); err != nil {
		return nil, fmt.Errorf("pcapio: read: %w", err)
	}
	for {
		raw, info, err := source.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return nil, fmt.Errorf("pcapio: read: packet %d: %w", len(frames)+1, err)
		}
		frames = append(frames, Frame{N: len(frames) + 1, At: info.Timestamp, Raw: raw})
	}
}

func openPcap(r io.Reader) (gopacket.PacketDataSource, int, error) {
	rd, err := pcapgo.NewReader(r)
	if err != nil {
		return nil, 0, err
	}
	return rd, int(rd.LinkType()), nil
}

func openPcapNG(r io.Reader) (gopacket.PacketDataSource, int, error) {
	rd, err := pcapgo.NewNgReader(r, pcapgo.NgReaderOptions{ErrorOnMismatchingLinkType: true})
	if err != nil {
		return nil, 0, err
	}
	return rd, int(rd.LinkType()), nil
}

// checkLink refuses link types that put something before the IP header.
func checkLink(t int) error {
	const ipv4, ipv6 = 228, 229 // LINKTYPE_IPV4, LINKTYPE_IPV6
	switch t {
	case linkTypeRaw, ipv4, ipv6:
		return nil
	}
	return fmt.Errorf("link type %d is not raw IP (%d)", t, linkTypeRaw)
}
