package residual

import (
	"context"
	"time"
)

// Budget bounds the time that is spent waiting for blocks to end, and counts
// it, so that its share of a measurement can be reported. The zero Budget
// waits for nothing. It is for one goroutine.
type Budget struct {
	Max   time.Duration // for all waits together
	Spent time.Duration // on waits so far, at most Max but for the scheduler's delays
}

// Left is what may still be waited.
func (b *Budget) Left() time.Duration { return max(0, b.Max-b.Spent) }

// Wait sleeps for d, or as long as the budget and ctx allow, and reports
// whether that was all of d. A wait of nothing always succeeds, unless ctx is
// done.
func (b *Budget) Wait(ctx context.Context, d time.Duration) bool {
	sleep := min(d, b.Left())
	if sleep > 0 && ctx.Err() == nil {
		start := time.Now()
		timer := time.NewTimer(sleep)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		b.Spent += time.Since(start)
	}
	return sleep >= d && ctx.Err() == nil
}
