package rawsock

import (
	"math"

	"golang.org/x/net/bpf"
)

// Classic BPF verdicts: the number of bytes of the packet to keep.
var (
	accept = bpf.RetConstant{Val: math.MaxUint32}
	reject = bpf.RetConstant{Val: 0}
)

// A filter on a raw socket starts at the IPv4 header, but behind the IPv6
// header and its extension headers, where the kernel cuts what it delivers.
// A load beyond the end of the packet rejects it.

// tcpFilter accepts the segments whose destination port is one of the n
// ports from first on.
func tcpFilter(is6 bool, first uint16, n int) []bpf.Instruction {
	const dstPort = 2 // offset in the TCP header, RFC 9293 §3.1
	return append(loadTransport(is6, dstPort, 2),
		bpf.ALUOpConstant{Op: bpf.ALUOpSub, Val: uint32(first)}, // a lower port wraps to a large number
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: uint32(n), SkipFalse: 1},
		accept,
		reject,
	)
}

// icmpFilter accepts the ICMP messages that report an error, which are those
// that quote a datagram.
func icmpFilter(is6 bool) []bpf.Instruction {
	program := loadTransport(is6, 0, 1) // the type
	if is6 {
		return append(program,
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 128, SkipFalse: 1}, // RFC 4443 §2.1
			accept,
			reject,
		)
	}
	// RFC 1122 §3.2.2: destination unreachable, source quench, redirect,
	// time exceeded, parameter problem.
	types := []uint32{3, 4, 5, 11, 12}
	for i, t := range types {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: t, SkipTrue: uint8(len(types) - i)})
	}
	return append(program, reject, accept)
}

// guardFilter throws every segment away. A listener with it is found by the
// kernel's lookup, so that no RST answers the segment, and never sees it.
func guardFilter() []bpf.Instruction { return []bpf.Instruction{reject} }

// loadTransport loads size bytes at offset off of the transport header.
func loadTransport(is6 bool, off uint32, size int) []bpf.Instruction {
	if is6 {
		return []bpf.Instruction{bpf.LoadAbsolute{Off: off, Size: size}}
	}
	return []bpf.Instruction{
		bpf.LoadMemShift{Off: 0}, // X: length of the IPv4 header with its options
		bpf.LoadIndirect{Off: off, Size: size},
	}
}
