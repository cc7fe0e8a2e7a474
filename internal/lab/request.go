package lab

import (
	"bytes"
	"encoding/binary"
)

// HeadLength is the length of the HTTP request without a body (RFC 9112 §2.1)
// that b begins with; 0 as long as it is not complete.
func HeadLength(b []byte) int {
	const end = "\r\n\r\n"
	if at := bytes.Index(b, []byte(end)); at >= 0 {
		return at + len(end)
	}
	return 0
}

// HelloLength is the length of the records (RFC 8446 §5.1) that hold the
// ClientHello that b begins with; 0 as long as it is not complete. What is no
// TLS is taken whole.
func HelloLength(b []byte) int {
	const handshake, recordHeader, messageHeader = 22, 5, 4
	var message []byte
	for at := 0; at < len(b); {
		record := b[at:]
		if record[0] != handshake {
			return len(b)
		}
		if len(record) < recordHeader {
			return 0
		}
		end := recordHeader + int(binary.BigEndian.Uint16(record[3:]))
		if len(record) < end {
			return 0
		}
		message = append(message, record[recordHeader:end]...)
		at += end
		if len(message) >= messageHeader {
			length := int(message[1])<<16 | int(binary.BigEndian.Uint16(message[2:]))
			if len(message) >= messageHeader+length {
				return at
			}
		}
	}
	return 0
}
