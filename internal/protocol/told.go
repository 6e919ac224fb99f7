package protocol

import (
	"slices"
	"sync"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the memory of ends (Options.Ended): each is told once, when it is certain.

// ended is the end of a session. Zero: no end.
type ended struct {
	info driver.Info // of the session, as far as it is known
	why  driver.EndReason
}

// endedOf returns the end of a session whose record was read, or if rec is nil, of which
// only the id and the grave are known.
func endedOf(id driver.ID, rec *driver.Record, g driver.Grave) ended {
	if rec != nil {
		return ended{rec.Info(), g.Reason}
	}
	return ended{driver.Info{ID: id, App: g.App, Principal: g.Principal}, g.Reason}
}

// endings remembers the ends that were told lately, and those whose answers were lost.
type endings struct {
	mu     sync.Mutex
	told   map[driver.ID]bool
	order  []driver.ID // of told; once full, the oldest is replaced
	next   int         // the oldest in order
	unsure map[driver.ID]unsureEnd
}

// unsureEnd is one session's burials whose answers were lost.
type unsureEnd struct {
	ended
	ids []driver.WriteID
}

const (
	// mostTold is the number of ends remembered as told. Between two ends of one session
	// come far fewer.
	mostTold = 4096
	// mostUnsure is the number of sessions remembered whose burials had no answer.
	mostUnsure = 1024
)

// first reports whether the end of a session has yet to be told, and remembers it as
// told.
func (t *endings) first(id driver.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.unsure, id)
	if t.told[id] {
		return false
	}
	if t.told == nil {
		t.told = make(map[driver.ID]bool)
	}
	if len(t.order) < mostTold {
		t.order = append(t.order, id)
	} else {
		delete(t.told, t.order[t.next])
		t.order[t.next] = id
		t.next = (t.next + 1) % mostTold
	}
	t.told[id] = true
	return true
}

// doubt remembers a burial whose answer was lost. It ignores the zero end, which isn't
// told.
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

// ours returns the end that dug a grave, if it was a burial of this Records whose answer
// was lost. The grave has to be confirmed.
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
