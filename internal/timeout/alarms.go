package timeout

import (
	"sync"
	"time"
)

// Alarms share a timer among all who end at about the same time. Make them with
// NewAlarms.
type Alarms struct {
	step time.Duration
	from time.Time // what steps are counted from

	mu  sync.Mutex
	set map[int64]alarm // those that have not gone off, by the step at which they do
}

type alarm struct {
	late  chan struct{}
	timer *time.Timer
}

// leastStep is the shortest step: more timers than that would serve nobody.
const leastStep = time.Millisecond

// NewAlarms returns alarms of which each goes off up to a step, or leastStep if
// that is longer, after the time that it was asked for. There are never more timers
// than steps in the longest time asked for.
func NewAlarms(step time.Duration) *Alarms {
	return &Alarms{step: max(step, leastStep), from: time.Now(), set: map[int64]alarm{}}
}

// at returns a channel that is closed at a time, or up to a step later.
func (a *Alarms) at(end time.Time) <-chan struct{} {
	n := int64(end.Sub(a.from)/a.step) + 1
	a.mu.Lock()
	defer a.mu.Unlock()
	if set, ok := a.set[n]; ok {
		return set.late
	}
	late := make(chan struct{})
	a.set[n] = alarm{late, time.AfterFunc(time.Until(a.from.Add(time.Duration(n)*a.step)), func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.set, n)
		close(late)
	})}
	return late
}

// Stop stops the timers. Nothing may wait for them any more.
func (a *Alarms) Stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, set := range a.set {
		set.timer.Stop()
	}
	clear(a.set)
}
