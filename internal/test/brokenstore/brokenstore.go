// Package brokenstore wraps stores so that each breaks one rule that sessions
// rely on. Checkers prove with it that they would notice.
//
// A variant wraps any store that keeps the contract. Wrap once: all managers of
// a test share the wrapper, since some variants keep what they need beside the
// store that they wrap. Where faults are injected, the injector wraps the
// variant, as a network lies before an engine.
package brokenstore

import (
	"github.com/cloakroom-go/cloakroom/driver"
)

// Variant is one way to break a store.
type Variant struct {
	Name string
	What string // the rule that it breaks, and what follows

	// NeedsFaults says that it shows only where answers get lost, writes are
	// executed late or twice, or processes crash.
	NeedsFaults bool
	// NeedsSweep says that it shows only where the store is swept, and time
	// goes on.
	NeedsSweep bool

	Wrap func(driver.Store) driver.Store
}

// All returns the variants, in an order that stays.
func All() []Variant {
	return []Variant{
		// Writes.
		{Name: "upsert", What: "Update creates what is missing and replaces graves: ended sessions come back",
			Wrap: func(s driver.Store) driver.Store { return upsert{loosen(s)} }},
		{Name: "last-writer-wins", What: "Update ignores the version: of two saves at a time one is lost",
			Wrap: func(s driver.Store) driver.Store { return lastWriter{s} }},
		{Name: "create-replaces", What: "Create replaces what is there: a create that is executed late or twice takes saves away, or brings back what has ended", NeedsFaults: true,
			Wrap: func(s driver.Store) driver.Store { return createReplaces{loosen(s)} }},
		{Name: "version-repeats", What: "versions count a record's writes, and begin again after it was removed: a write of its former life can hit", NeedsFaults: true, NeedsSweep: true,
			Wrap: func(s driver.Store) driver.Store { return versionRepeats{s} }},
		{Name: "drops-acknowledged", What: "each third update of a record is answered as done and not kept",
			Wrap: func(s driver.Store) driver.Store { return drops{s} }},
		{Name: "stale-read", What: "the first Get after a write still answers with the state before it",
			Wrap: func(s driver.Store) driver.Store { return newStale(s) }},
		{Name: "one-write-id", What: "records and graves keep the newest write id alone: whether a write happened can't be told once another followed", NeedsFaults: true,
			Wrap: func(s driver.Store) driver.Store { return editing{s, oneWriteID()} }},

		{Name: "lying-answers", What: "it vouches for its answers, and each third update of a record is done and answered as a conflict: what the answer rules out is done again",
			Wrap: func(s driver.Store) driver.Store { return lies{s} }},

		{Name: "drops-extra", What: "Update drops Extra: what a newer version put into a record is lost when an older one saves",
			Wrap: func(s driver.Store) driver.Store { return dropsExtra{s} }},

		// Reads.
		{Name: "newer-is-missing", What: "a record of a newer format is answered as not found: the visitor is signed out",
			Wrap: func(s driver.Store) driver.Store { return newerIsMissing{s} }},

		// Burials.
		{Name: "delete-without-grave", What: "Bury removes: a save that is under way, or a create that is executed late, brings the session back",
			Wrap: func(s driver.Store) driver.Store { return deletes{loosen(s)} }},
		{Name: "bury-missing-nothing", What: "burying what is missing leaves no grave: a create that is executed late comes through", NeedsFaults: true,
			Wrap: func(s driver.Store) driver.Store { return buryMissing{s} }},
		{Name: "bury-unchecked", What: "Bury ignores the version: a sign-in loses the save that came in between",
			Wrap: func(s driver.Store) driver.Store { return buryUnchecked{s} }},
		{Name: "grave-without-write-ids", What: "graves keep the count of writes but no write ids: what was saved is reported as not saved", NeedsFaults: true,
			Wrap: func(s driver.Store) driver.Store { return editing{s, graveWithoutWriteIDs()} }},
		{Name: "grave-short", What: "graves are over at once: after a sweep nothing refuses a write that is executed late", NeedsFaults: true, NeedsSweep: true,
			Wrap: func(s driver.Store) driver.Store { return editing{s, graveShort()} }},
		{Name: "sweep-unchecked", What: "Sweep judges each record as it was before its last write, and ends what is there now", NeedsSweep: true,
			Wrap: func(s driver.Store) driver.Store { return newSweepUnchecked(s) }},

		// Ledgers.
		{Name: "no-ledger", What: "writes of ledgers are answered as done and not kept, and searches find no principal's sessions: signing out everywhere finds nobody",
			Wrap: func(s driver.Store) driver.Store { return noLedger{blind{s}} }},
		{Name: "revoke-missing-nothing", What: "a ledger that would be created without sessions isn't: a sign-in does not notice that its attempt began before a RevokeAll",
			Wrap: func(s driver.Store) driver.Store { return revokeMissing{s} }},
		{Name: "no-generation", What: "ledgers keep no generation: a sign-in does not notice that its attempt began before a RevokeAll",
			Wrap: func(s driver.Store) driver.Store { return editing{s, noGeneration()} }},
		{Name: "no-ending", What: "ledgers forget what is ending, and searches find no principal's sessions: a RevokeAll that crashed leaves sessions that no later one ends", NeedsFaults: true,
			Wrap: func(s driver.Store) driver.Store { return editing{blind{s}, noEnding()} }},
	}
}

// Named returns the variant of a name.
func Named(name string) (Variant, bool) {
	for _, v := range All() {
		if v.Name == name {
			return v, true
		}
	}
	return Variant{}, false
}
