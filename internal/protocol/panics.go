package protocol

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the recovery from a store's panic in a goroutine of this package. net/http
// survives the panic of a request; one here would end the process.

// writeGuarded is writeBatch in a goroutine in which nobody else recovers. After a panic
// the outcome of the unfinished changes is unknown.
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

// failOpen finishes the changes that are neither finished nor back in the queue.
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

// isFinished reports whether the waiter has its result.
func (c *Change) isFinished() bool {
	select {
	case <-c.done: // never, if nobody waits
		return true
	default:
		return false
	}
}

// PanicText returns a text for a panic that may be printed. The panic of an application,
// or of its store, may hold a session's value, so only its type is told.
func PanicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("with a %T", p)
}
