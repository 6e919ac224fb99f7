package protocol

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is panics of a store in goroutines of ours. net/http survives that of a
// request, and one here would end the process.

// writeGuarded is writeBatch where nobody else recovers. What a panic left open is
// unknown.
func (r *Records) writeGuarded(id driver.ID, batch []*Change, newest *driver.Record, asOf Moment) (latest *driver.Record, at Moment) {
	all := slices.Clone(batch) // a flush takes out of it
	defer func() {
		if p := recover(); p != nil {
			r.o.Logger.Error("cloakroom: writing panicked", "record", id, "panic", PanicText(p), "stack", string(debug.Stack()))
			r.failOpen(id, all, errUnknown(id, fmt.Errorf("writing panicked: %s", PanicText(p))))
		}
	}()
	return r.writeBatch(id, batch, newest, asOf)
}

// failOpen ends those of the changes that are neither finished nor in the queue again.
func (r *Records) failOpen(id driver.ID, all []*Change, err error) {
	r.mu.Lock()
	all = slices.DeleteFunc(all, func(c *Change) bool {
		return c.isFinished() || slices.Contains(r.queue(id).waiting, c)
	})
	r.mu.Unlock()
	for _, c := range all {
		c.finish(nil, err)
	}
}

// isFinished reports whether a waiter has been answered.
func (c *Change) isFinished() bool {
	select {
	case <-c.done: // never, if nobody waits
		return true
	default:
		return false
	}
}

// PanicText returns what may be printed of a panic: what an application, or its store,
// says in one may tell a value.
func PanicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("with a %T", p)
}
