package payload

// Split cuts a payload in two before byte at, 0 to len(b); beyond either end
// one part is empty. The parts share b's memory, and appending to the first
// does not overwrite the second.
func Split(b []byte, at int) (first, second []byte) {
	at = max(0, min(at, len(b)))
	return b[:at:at], b[at:]
}
