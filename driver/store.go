package driver

import (
	"context"
	"iter"
	"time"
)

// This file is the contract of stores.

// Store keeps records. It moves bytes; the rules of sessions are the Manager's.
// Package storetest checks the whole of this contract.
//
// All of a record and of a grave comes back, Extra included. A write replaces the
// whole record, Extra included: to keep what a newer version put there is up to
// the caller, who passes it on. What a newer version put beside the record, such
// as a column of a table, a write leaves as it is.
//
// Methods are safe for concurrent use. They respect the context: when it ends
// they return soon, with an error that wraps the context's; whether a write
// then happens is unknown. After the store's own Close they return ErrClosed.
//
// What a method returned as done is durable as the store's documentation says,
// and visible to every Get, Create, Update and Bury that begins afterwards, in
// any process. Only Search and Inspector may trail.
//
// A store on several machines may answer a Get, while they are cut off from each
// other, from one that has lost touch: with what is no longer, or with a write that
// is there alone and won't last. What it returns as done it keeps even then. So the
// Manager takes no read's word for what became of a write.
//
// A store that keeps records by periods may answer ErrUnavailable, in place of
// ErrNotFound, for an id of a period that it has never seen and that can't have
// been dropped yet: its engine may be lagging.
//
// Errors other than ErrNotFound, ErrGone, ErrExists, ErrConflict, ErrCorrupt,
// ErrNewer, ErrInvalid and ErrOverloaded leave open whether a write happened. Even
// ErrExists and ErrConflict don't prove that someone else wrote, since engines
// retry internally; the Manager looks for its write id.
type Store interface {
	// Get returns the record of an id, at its newest version: ErrNotFound if
	// there is none, ErrCorrupt if it can't be understood, ErrNewer if CheckFormat
	// says so, even where the rest of it can't be understood. For a grave it
	// returns ErrGone together with a record in which only ID, Grave and
	// Version are set. The result may be shared with other callers: it is
	// read-only. Records are returned however old: expiry isn't the store's.
	Get(ctx context.Context, id ID) (*Record, error)

	// Create stores a record that is not there yet: ErrExists if a record or a
	// grave is. r.Version is ignored. The store may keep what r points to: the
	// caller must not change it afterwards. r itself is the caller's again once
	// Create has returned without an error; with one, the store may still be at
	// it. The same goes for Update and Bury.
	Create(ctx context.Context, r *Record) (Version, error)

	// Update replaces a record that is at r.Version (compare-and-set):
	// ErrConflict at another version, and always if r.Version is zero,
	// ErrNotFound if there is none, ErrGone for a grave, also at the grave's own
	// version. It never creates. A record of a newer format is replaced like any
	// other, at its version: Get doesn't tell that, so nobody does it unawares.
	Update(ctx context.Context, r *Record) (Version, error)

	// Bury replaces a record by a grave. With a version it is a
	// compare-and-set as in Update, but that it also replaces a grave that is at
	// that version. With the zero Version it is unconditional: it buries whatever
	// is there, a missing record and another grave included.
	Bury(ctx context.Context, id ID, g Grave, v Version) error

	// Search yields records in the order of Cursor.Compare, graves left out. It
	// may trail acknowledged writes by the time that the store's documentation
	// says. An error is the last element, with a nil record; a record that
	// can't be understood, or is of a newer format, is passed over. The loop may
	// break early, and may use the store.
	Search(ctx context.Context, q Query) iter.Seq2[*Record, error]

	// Sweep ends what is over at the time now, and prepares what will be
	// needed next, as a store that keeps records by periods of time has to.
	//
	//   - a session past Expires is buried until its Deadline (ExpiredGrave);
	//   - a session past Deadline, a grave past Until and a ledger past
	//     Deadline are removed, ClockTolerance later;
	//   - a session of a newer format is removed as well, but not buried: whether
	//     it is idle is for a newer process to say.
	//
	// Each is a compare-and-set on the version that was judged. A store that
	// drops whole periods may leave their records alone until then. When the
	// context ends, what was done stays done and is reported.
	Sweep(ctx context.Context, now time.Time) (SweepReport, error)
}

// OwnedUpdater is what a store may offer beside Store if it keeps records in
// memory as they are: it saves each write a copy.
type OwnedUpdater interface {
	// UpdateOwned is Update of a record that becomes the store's, which sets its
	// Version before anybody else sees it. The caller must not change it
	// afterwards, nor look at it after an error.
	UpdateOwned(ctx context.Context, r *Record) error
}

// SweepReport says what a Sweep did.
type SweepReport struct {
	Buried  int // sessions found past their idle timeout and ended
	Removed int // records, graves and ledgers removed
	Dropped int // periods dropped whole, with all that was in them
}
