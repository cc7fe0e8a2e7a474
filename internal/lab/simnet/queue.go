package simnet

import (
	"container/heap"
	"time"
)

// event is something that happens at a time; run is nil once it is called off.
type event struct {
	due   time.Time
	order uint64 // of equal times the event scheduled first runs first
	run   func()
}

// stop calls the event off; a nil event is never due.
func (e *event) stop() {
	if e != nil {
		e.run = nil
	}
}

// queue is the future: events by time. now is the time of the event that
// runs; the rest of the package asks for no other clock.
type queue struct {
	now    time.Time
	events eventHeap
	order  uint64
}

// after schedules run at d from now.
func (q *queue) after(d time.Duration, run func()) *event {
	e := &event{due: q.now.Add(d), order: q.order, run: run}
	q.order++
	heap.Push(&q.events, e)
	return e
}

// advance runs what is due up to and including t.
func (q *queue) advance(t time.Time) {
	for {
		due, ok := q.next()
		if !ok || due.After(t) {
			break
		}
		e := heap.Pop(&q.events).(*event)
		q.now = e.due
		e.run()
	}
	if t.After(q.now) {
		q.now = t
	}
}

// next is when the first event is due.
func (q *queue) next() (due time.Time, ok bool) {
	for len(q.events) > 0 && q.events[0].run == nil {
		heap.Pop(&q.events)
	}
	if len(q.events) == 0 {
		return time.Time{}, false
	}
	return q.events[0].due, true
}

// eventHeap implements heap.Interface.
type eventHeap []*event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].order < h[j].order
	}
	return h[i].due.Before(h[j].due)
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(*event)) }
func (h *eventHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
