package capture

// A batch is what is read ahead at a time. Two are under way: one is filled
// while the other is worked on.
const (
	batches     = 2
	batchFrames = 2048
	batchBytes  = 1 << 20
)

// batch is a number of frames and the bytes that their slices are in.
type batch struct {
	frames []Frame
	bytes  []byte
	stats  Stats // of the file up to here
}

// own copies a datagram to where it stays until the batch is used again.
func (b *batch) own(ip []byte) []byte {
	if len(ip) > cap(b.bytes)-len(b.bytes) {
		b.bytes = make([]byte, 0, max(batchBytes, len(ip))) // frames hold on to the one before
	}
	n := len(b.bytes)
	b.bytes = append(b.bytes, ip...)
	return b.bytes[n:len(b.bytes):len(b.bytes)]
}

// Batches reads the rest of the file in a goroutine of its own, and yields
// its frames in order, many at a time; they are valid until yield returns. If
// that returns false, a batch or two are read that nobody sees; Stats counts
// only what was yielded. The error is that of Next, nil where yield ended it.
func (r *Reader) Batches(yield func([]Frame) bool) error {
	full, free := make(chan *batch, batches), make(chan *batch, batches)
	for range batches {
		free <- &batch{frames: make([]Frame, 0, batchFrames)}
	}
	var end error // once full is closed
	go func() {
		defer close(full)
		for b := range free {
			end = r.fill(b)
			full <- b
			if end != nil {
				return
			}
		}
	}()
	for b := range full {
		if !yield(b.frames) {
			close(free)
			for range full { // until the goroutine is gone
			}
			r.stats = b.stats
			return nil
		}
		free <- b
	}
	return end
}

// fill reads frames into a batch until it is full.
func (r *Reader) fill(b *batch) error {
	b.frames, b.bytes = b.frames[:0], b.bytes[:0]
	r.batch = b
	defer func() { r.batch, b.stats = nil, r.stats }()
	for n := 0; n < cap(b.frames) && len(b.bytes) < batchBytes*3/4; n++ {
		b.frames = b.frames[:n+1]
		if err := r.next(&b.frames[n]); err != nil {
			b.frames = b.frames[:n]
			return err
		}
	}
	return nil
}
