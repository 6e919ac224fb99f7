package timeout

import (
	"sync"
	"time"
)

// This file is Alarms: channels that share timers.

// Alarms are channels that are closed at a time. Those of about the same time share a
// timer. They may be used concurrently. Make them with NewAlarms.
type Alarms struct {
	step time.Duration
	from time.Time // the start of the first step

	mu  sync.Mutex
	set map[int64]alarm // alarms that have not gone off, by their step
}

type alarm struct {
	late  chan struct{}
	timer *time.Timer
}

// leastStep is the shortest step: shorter ones would only make more timers.
const leastStep = time.Millisecond

// NewAlarms returns alarms that go off up to a step after their time. A step shorter
// than leastStep is taken as leastStep. There are never more timers than steps in the
// longest time asked for.
func NewAlarms(step time.Duration) *Alarms {
	return &Alarms{step: max(step, leastStep), from: time.Now(), set: map[int64]alarm{}}
}

// at returns a channel that is closed at end, or up to a step later.
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

// Stop stops the timers. Their channels are never closed, so nobody may wait for them
// any more.
func (a *Alarms) Stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, set := range a.set {
		set.timer.Stop()
	}
	clear(a.set)
}
