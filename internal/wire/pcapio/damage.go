package pcapio

import "fmt"

// Damage says where reading a capture stopped before its end: the file was
// cut off, holds what no writer can mean, or could not be read on. All
// packets before it were returned.
type Damage struct {
	Offset int64 // first byte of the block or record in question, from the start of the capture (decompressed)
	Packet int   // the number that the next packet would have had, from 1
	Err    error // wraps io.ErrUnexpectedEOF iff the capture ends inside the block
}

func (d *Damage) Error() string {
	return fmt.Sprintf("pcapio: capture is damaged at byte %d, before packet %d: %v", d.Offset, d.Packet, d.Err)
}

func (d *Damage) Unwrap() error { return d.Err }
