package payload

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Split cuts a payload in two before byte at, 0 to len(b); beyond either end
// one part is empty. The parts share b's memory, and appending to the first
// does not overwrite the second.
func Split(b []byte, at int) (first, second []byte) {
	at = max(0, min(at, len(b)))
	return b[:at:at], b[at:]
}

// NameMiddle is the offset of the middle of name in a stimulus, wherever it
// first stands and in capitals or not: cut there, neither part has the name.
// False if it stands nowhere, or is too short to have a middle.
func NameMiddle(b []byte, name string) (int, bool) {
	at := bytes.Index(lower(b), lower([]byte(name)))
	return at + len(name)/2, at >= 0 && len(name) > 1
}

// lower turns ASCII letters small and leaves all other bytes, of which a
// ClientHello has many, as they are.
func lower(b []byte) []byte {
	small := bytes.Clone(b)
	for i, c := range small {
		if 'A' <= c && c <= 'Z' {
			small[i] += 'a' - 'A'
		}
	}
	return small
}

// RecordHeader is what each TLS record takes besides its content, in bytes
// (RFC 8446 §5.1).
const RecordHeader = recordHeader

// TwoRecords is a ClientHello of one record in two (RFC 8446 §5.1), the first
// of which ends before byte at of hello, so that the result is RecordHeader
// longer.
func TwoRecords(hello []byte, at int) ([]byte, error) {
	if len(hello) <= recordHeader || at <= recordHeader || at >= len(hello) {
		return nil, errors.New("payload: no place to cut a record in two")
	}
	first, second := Split(hello, at)
	b := binary.BigEndian.AppendUint16(bytes.Clone(hello[:3]), uint16(len(first)-recordHeader)) //nolint:gosec // a record at most
	b = append(b, first[recordHeader:]...)
	b = append(b, hello[:3]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(second))) //nolint:gosec // a record at most
	return append(b, second...), nil
}
