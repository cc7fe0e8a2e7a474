package packet

import (
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// BenchmarkParse times Parse and, over as many rounds right after it, the
// fastest decoder that gopacket offers. gopacket/own is the ratio of the two.
func BenchmarkParse(b *testing.B) {
	for _, bb := range []struct {
		vector string
		first  gopacket.LayerType
	}{
		{"ipv4 SYN", layers.LayerTypeIPv4},
		{"ipv4 data with reserved bits, urgent and tos", layers.LayerTypeIPv4},
		{"ipv6 SYN", layers.LayerTypeIPv6},
	} {
		b.Run(bb.vector, func(b *testing.B) {
			raw := vector(bb.vector)
			var (
				ip4     layers.IPv4
				ip6     layers.IPv6
				tcp     layers.TCP
				payload gopacket.Payload
				decoded []gopacket.LayerType
			)
			parser := gopacket.NewDecodingLayerParser(bb.first, &ip4, &ip6, &tcp, &payload)
			parser.IgnoreUnsupported = true // port 443 makes it look for a TLS decoder
			if err := parser.DecodeLayers(raw, &decoded); err != nil {
				b.Fatal(err)
			}

			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				parsed, errParsed = Parse(raw)
			}
			own := b.Elapsed()

			start := time.Now()
			for range b.N {
				errParsed = parser.DecodeLayers(raw, &decoded)
			}
			b.ReportMetric(float64(time.Since(start))/float64(own), "gopacket/own")
		})
	}
}

// BenchmarkParseICMP has no rival: gopacket leaves the quote to its caller.
func BenchmarkParseICMP(b *testing.B) {
	raw := vector("icmp time exceeded, RFC 4884")
	b.ReportAllocs()
	for b.Loop() {
		parsed, errParsed = Parse(raw)
	}
}

func BenchmarkBuild(b *testing.B) {
	p := packetOf("ipv4 SYN")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Build(p); err != nil {
			b.Fatal(err)
		}
	}
}
