package protocol

import (
	"slices"
	"sync"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is how it is told that sessions have ended: of each once, and after the
// fact.

// ended is the end of a session. The zero value is none.
type ended struct {
	info driver.Info // of the session, as far as it is known
	why  driver.EndReason
}

// endedOf is the end of a session whose record was read, or of which only the id and
// what the grave says are known.
func endedOf(id driver.ID, rec *driver.Record, g driver.Grave) ended {
	if rec != nil {
		return ended{rec.Info(), g.Reason}
	}
	return ended{driver.Info{ID: id, App: g.App, Principal: g.Principal}, g.Reason}
}

// endings are the ends of sessions that were told lately, and those that may have
// happened.
type endings struct {
	mu     sync.Mutex
	told   map[driver.ID]bool
	order  []driver.ID // of told: the oldest is replaced, once there are enough
	next   int         // in order
	unsure map[driver.ID]unsureEnd
}

// unsureEnd is burials of one session that were sent, and whose answers were lost.
type unsureEnd struct {
	ended
	ids []driver.WriteID
}

const (
	// mostTold is how many ends are remembered as told. Who ends one session at the same
	// time as others, or after it, meets far fewer.
	mostTold = 4096
	// mostUnsure is how many sessions are remembered whose end was not answered.
	mostUnsure = 1024
)

// first reports whether the end of a session has yet to be told, and remembers it as
// told.
func (t *endings) first(id driver.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.unsure, id)
	switch {
	case t.told[id]:
		return false
	case t.told == nil:
		t.told = make(map[driver.ID]bool)
		fallthrough
	case len(t.order) < mostTold:
		t.order = append(t.order, id)
	default:
		delete(t.told, t.order[t.next])
		t.order[t.next] = id
		t.next = (t.next + 1) % mostTold
	}
	t.told[id] = true
	return true
}

// doubt remembers a burial that was sent, and whose answer was lost. Of the zero end
// nothing will be told.
func (t *endings) doubt(e ended, by driver.WriteID) {
	if e.why == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.unsure == nil {
		t.unsure = make(map[driver.ID]unsureEnd)
	}
	u, again := t.unsure[e.info.ID]
	if !again {
		for id := range t.unsure { // any
			if len(t.unsure) < mostUnsure {
				break
			}
			delete(t.unsure, id)
		}
		u.ended = e
	}
	u.ids = append(u.ids, by)
	t.unsure[e.info.ID] = u
}

// ours returns the end that a grave is of which is certainly there, if a burial of this
// Records dug it whose answer was lost.
func (t *endings) ours(id driver.ID, g *driver.Grave) (e ended, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u, ok := t.unsure[id]
	if !ok {
		return e, false
	}
	delete(t.unsure, id)
	ok = slices.ContainsFunc(u.ids, func(w driver.WriteID) bool { return slices.Contains(g.WriteIDs, w) })
	return u.ended, ok
}
