package pcapio

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// FuzzScan: no file panics; what is read lies in the file, in order; and it is
// the same however the file comes.
func FuzzScan(f *testing.F) {
	for _, o := range orders {
		data := []byte("abcde")
		f.Add(bytes.Join([][]byte{words(o, magicNanoseconds, 0x00040002, 0, 0, 65535, uint32(LinkRaw)), words(o, 1, 2, 5, 9), data}, nil))
		f.Add(bytes.Join([][]byte{
			section(o), description(o, LinkRaw, 4, option(o, optIfResol, 0x83), option(o, optIfOffset, o.AppendUint64(nil, 100)...)),
			enhanced(o, 0, 1<<40, 9, data, option(o, optComment, 'x'), option(o, optEnd)), block(o, blockSimple, words(o, 60), data),
			block(o, blockPacket, words(o, 0, 0, 2, 5, 5), data), block(o, 99, data),
			block(o, blockStatistics, words(o, 0, 0, 0), option(o, optStatDrops, o.AppendUint64(nil, 3)...)), section(o),
		}, nil))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		zipped := bytes.HasPrefix(file, []byte{0x1f, 0x8b})
		got, err := scan(bytes.NewReader(file))
		var damage *Damage
		if errors.As(err, &damage) {
			if damage.Packet != len(got)+1 || damage.Offset < 0 || !zipped && damage.Offset > int64(len(file)) {
				t.Errorf("%d packets, then %v", len(got), err)
			}
		} else if len(got) > 0 && !errors.Is(err, io.EOF) {
			t.Errorf("%d packets, then %v", len(got), err)
		}
		last, size := int64(0), 0
		for i, rec := range got {
			size += len(rec.Data)
			if rec.N != i+1 || rec.Offset <= last || rec.Wire < len(rec.Data) || len(rec.Data) > maxPacket || rec.At.Unix() >= lastSecond {
				t.Errorf("packet %d: %+v", i+1, rec)
			}
			last = rec.Offset
		}
		if !zipped && size > len(file) {
			t.Errorf("%d bytes of packets in a file of %d", size, len(file))
		}
		again, errAgain := scan(iotest.OneByteReader(bytes.NewReader(file)))
		if diff := cmp.Diff(got, again); diff != "" || errAgain.Error() != err.Error() {
			t.Errorf("byte by byte %v, at once %v (-once +bytes):\n%s", errAgain, err, diff)
		}
	})
}
