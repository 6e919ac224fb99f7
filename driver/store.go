package driver

import (
	"context"
	"iter"
	"time"
)

// This file is the contract of stores.

// Store keeps records and graves, one of either under an id. It moves bytes; the
// rules of sessions are the Manager's. Package storetest checks the whole of this
// contract.
//
// Contents: all of a record and of a grave comes back, Extra included. A write
// replaces the whole; nothing of what was there is merged into it. What a newer
// version of the store put beside the record, such as a column of a table, a write
// leaves as it is.
//
// Concurrency: methods are safe for concurrent use. Each write happens at one
// moment or not at all, and of several that compare the same version one succeeds.
//
// Cancellation: when the context ends, methods return soon, with an error that
// wraps the context's; whether a write then happens is unknown. With a context that
// has ended already they return at once.
//
// Visibility: what a method returned as done is durable as the store's
// documentation says, and visible to every Get, Create, Update and Bury that begins
// afterwards, in any process. Only Search, Sweep and Inspector may trail.
//
// A store on several machines may answer a Get, while they are cut off from each
// other, from one that has lost touch. The result may be stale, or a write that is
// there alone and won't last. What the store returned as done it keeps even then.
// So the Manager takes no read's word for what became of a write.
//
// A store that keeps records by periods may answer ErrUnavailable, in place of
// ErrNotFound, for an id of a period that it has never seen and that can't have
// been dropped yet: its engine may be lagging.
//
// Outcome: errors other than ErrNotFound, ErrGone, ErrExists, ErrConflict,
// ErrCorrupt, ErrNewer, ErrInvalid and ErrOverloaded leave open whether a write
// happened. Even ErrExists and ErrConflict don't prove that someone else wrote,
// since engines retry internally; the Manager looks for its write id, unless the
// store vouches for its answers (Assurances).
//
// Closing: a store may have a method Close() error. After it, methods return
// ErrClosed, and no goroutine of the store is left. It can be called again, and
// beside other methods; those may still succeed. The Manager doesn't call it.
type Store interface {
	// Get returns the record of an id, at its newest version. Records are returned
	// however old: expiry isn't the store's.
	//
	// For a grave it returns ErrGone together with a record in which only ID, Grave
	// and Version are set. With any other error the record is nil: ErrNotFound if
	// there is nothing, ErrCorrupt if it can't be understood, ErrNewer if
	// CheckFormat says so, even where the rest of it can't be understood. A grave is
	// a grave in every format.
	//
	// The result may be shared with other callers: it is read-only for all,
	// the store included.
	Get(ctx context.Context, id ID) (*Record, error)

	// Create stores a record where nothing is: ErrExists if a record or a grave is,
	// whether it can be understood or not. r.Version is ignored. The result is the
	// version that Get returns from then on.
	//
	// The store may keep what r points to: the caller must not change it
	// afterwards. r itself the store never changes. It is the caller's again once
	// Create has returned without an error; with one, the store may still be at
	// it. The same goes for Update and Bury.
	Create(ctx context.Context, r *Record) (Version, error)

	// Update replaces a record that is at r.Version (compare-and-set):
	// ErrNotFound if there is nothing, ErrGone for a grave, also at the grave's own
	// version, ErrConflict at another version, and always if r.Version is zero.
	// It never creates.
	//
	// A record of a newer format is replaced like any other, at its version: Get
	// doesn't tell that, so nobody does it unawares.
	Update(ctx context.Context, r *Record) (Version, error)

	// Bury replaces a record by a grave. With a version it is a
	// compare-and-set as in Update, but that it also replaces a grave that is at
	// that version. With the zero Version it is unconditional: it buries whatever
	// is there. That includes nothing at all, another grave, and what can't be
	// understood. The grave has a new version, which Get tells.
	Bury(ctx context.Context, id ID, g Grave, v Version) error

	// Search yields the records that q.Matches selects, in the order of
	// Cursor.Compare, with their versions, at most q.Limit of them. It may trail
	// acknowledged writes by the time that the store's documentation says. What is
	// written while it goes on it may yield or not; all else it yields, once.
	//
	// A record that can't be understood, or is of a newer format, is passed over,
	// and doesn't count. An error, such as the context's, is the last element, with
	// a nil record. The loop may break early. It may use the store, and what it
	// yields can be updated at its version.
	Search(ctx context.Context, q Query) iter.Seq2[*Record, error]

	// Sweep ends what is over at the time now, and prepares what will be
	// needed next, as a store that keeps records by periods of time has to. It ends
	// the records of all apps.
	//
	//   - A session past Expires is replaced by its ExpiredGrave.
	//   - A session past Deadline, a ledger past Deadline and a grave past Until
	//     are removed, ClockTolerance later, buried before or not.
	//   - A session of a newer format is removed as well, but not buried: whether
	//     it is idle is for a newer process to say.
	//
	// Past a time is later than it, and nothing is past the zero time. Kind tells a
	// session from a ledger. Stores go by no clock but now.
	//
	// Each is a compare-and-set on the version that was judged: what was written
	// meanwhile stays. Sweeps may run at the same time, in several processes. A
	// store that drops whole periods may leave their records alone until then. A
	// record that can't be understood doesn't stop a sweep. When the context ends,
	// what was done stays done and is reported, beside the error.
	Sweep(ctx context.Context, now time.Time) (SweepReport, error)
}

// OwnedUpdater is what a store may offer beside Store if it keeps records in
// memory as they are: it saves each write a copy.
type OwnedUpdater interface {
	// UpdateOwned is Update of a record that becomes the store's, which sets its
	// Version before anybody else sees it. The caller must not change it
	// afterwards, nor look at it after an error. The Manager calls it in the place
	// of Update.
	UpdateOwned(ctx context.Context, r *Record) error
}

// SweepReport says what a Sweep did.
type SweepReport struct {
	Buried  int // sessions found past their idle timeout and ended
	Removed int // records, graves and ledgers removed
	Dropped int // periods dropped whole, with all that was in them
}
