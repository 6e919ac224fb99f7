package cloakroom

import (
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/figures"
)

// This file is Figures: what this process has done with its sessions and its store, for
// consoles and exporters.

// Figures are what a Manager has done since it was made, and what its store has done in
// this process. Package figures says how to read them. Calls of the store
// by its Admin count as well, but for counts and reports.
type Figures struct {
	Since time.Time // when the Manager was made, by the machine's clock
	At    time.Time // when the figures were read, by the machine's clock; both fit for Sub

	// Operations are the Manager's calls of its store. UnderWay is the number of operations
	// of requests that go on now; each takes a few calls. TurnedDown counts those that
	// weren't begun, since more were under way than the store carries out in time.
	Operations           figures.Operations
	UnderWay, TurnedDown int64

	// Store is what the store itself has done in this process, for all Managers. It is nil
	// if the store is no driver.Counter, such as one in memory.
	Store *figures.Store

	// Sessions that this process made, signed in, renewed and ended, as Events tells them.
	// SignedOut are principals, by Admin.RevokeAll. Ended has all reasons.
	Created, Imported, SignedIn, Renewed, SignedOut int64
	Ended                                           map[EndReason]int64

	// Refused are the tokens that were refused, as Events.Refused tells them. It has all
	// kinds.
	Refused map[Refusal]int64

	// Remembered are the requests whose session came from memory (Config.CacheFor).
	Remembered int64

	// Touches are writes that were asked for to record a visit, where no save took it
	// along. Some come with others of their session, or find the visit recorded.
	Touches int64

	// Merged are writes that another process, or an edit of the store, had overtaken: the
	// record was read again, and the changes were made on top. Gathered are changes that
	// needed no write of their own, since they went with others of the same session.
	Merged, Gathered int64

	// LedgerFaults are ledgers that weren't as this package had written them, as
	// Events.LedgerFault tells them.
	LedgerFaults int64

	// ClockSkews are sessions that had been used, or made, at a time ahead of this
	// machine's clock, as Events.ClockSkew tells them, and WorstSkew is the most that one
	// was ahead.
	ClockSkews int64
	WorstSkew  time.Duration

	// ClockAhead is how far this machine's clock was ahead of that of the store's engine,
	// or behind it (negative), when the engine was asked last, at ClockAsked. The engine is
	// asked only before something ends because of the time. ClockAsked is zero if it never
	// was, or has no clock to be asked for.
	ClockAhead time.Duration
	ClockAsked time.Time
}

// Figures returns what was done until now. It costs some microseconds and no operation of
// the store, and works on a closed Manager as well.
func (m *Manager) Figures() Figures {
	r := m.records.Figures()
	told := &m.events.told
	f := Figures{
		Since: m.own.since, At: time.Now(),
		Operations: r.Operations, UnderWay: r.UnderWay, TurnedDown: r.TurnedDown,
		Created: told.created.Load(), Imported: told.imported.Load(), SignedIn: told.signedIn.Load(),
		Renewed: told.renewed.Load(), SignedOut: told.signedOut.Load(),
		Ended: told.ended.read(), Refused: told.refused.read(),
		Remembered: m.own.remembered.Load(), Touches: m.own.touches.Load(),
		Merged: r.Merged, Gathered: r.Gathered, LedgerFaults: m.records.Faults(),
		ClockSkews: r.Skew.Met, WorstSkew: r.Skew.Worst,
	}
	if r.Witness.Has {
		f.ClockAhead, f.ClockAsked = r.Witness.Ahead, r.Asked
	}
	if c, ok := m.store.(driver.Counter); ok {
		f.Store = new(c.Figures())
	}
	return f
}
