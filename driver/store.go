package driver

import (
	"context"
	"iter"
	"time"
)

// This file is the contract of stores.

// Store keeps records and graves, one of either under an id. It moves bytes; the rules
// of sessions are the Manager's. Package storetest checks this whole contract.
//
// Contents: a record or grave comes back whole, Extra included. A write replaces the
// whole, and merges nothing of the state before. It leaves alone anything that a newer
// version of the store put beside the record, such as a column of a table.
//
// Concurrency: methods are safe for concurrent use. Each write happens at one moment or
// not at all. Of several writes that compare the same version one succeeds.
//
// Cancellation: when the context ends, methods return soon, with an error that wraps the
// context's; whether a write then happens is unknown. If the context has ended before
// the call, they return at once.
//
// Visibility: an acknowledged write is durable as the store's documentation says. Every
// Get, Create, Update and Bury that begins afterwards sees it, in any process. Only
// Search, Sweep and Inspector may trail.
//
// During a network partition a distributed store may serve Get from an isolated node:
// the result may be stale, or a write that is later rolled back. Acknowledged writes are
// never lost. So the Manager learns no write's outcome from a read alone.
//
// A store that keeps records by periods may answer ErrUnavailable, in place of
// ErrNotFound, for an id of a period that it has never seen and that can't have been
// dropped yet: its engine may lag.
//
// Outcome: errors other than ErrNotFound, ErrGone, ErrExists, ErrConflict, ErrCorrupt,
// ErrNewer, ErrInvalid, ErrTooLarge and ErrOverloaded leave open whether a write happened. Even
// ErrExists and ErrConflict don't prove that someone else wrote, since engines retry
// internally. Unless the store vouches for its answers (Assurances), the Manager looks
// for its write id.
//
// Closing: a store may have a method Close() error. After it, methods return ErrClosed,
// and the store has no goroutine. Close can be called again, and during other methods,
// which may still succeed. The Manager doesn't call it.
type Store interface {
	// Get returns the record of an id, at its newest version. It returns records however
	// old: expiry isn't the store's.
	//
	// For a grave it returns ErrGone together with a record in which only ID, Grave and
	// Version are set. With any other error the record is nil: ErrNotFound if there is
	// nothing, ErrCorrupt if the record can't be understood, ErrNewer if CheckFormat
	// returns it, even where the rest of the record can't be understood. A grave is a
	// grave in every format.
	//
	// The result may be shared with other callers: it is read-only for all, the store
	// included.
	Get(ctx context.Context, id ID) (*Record, error)

	// Create stores a new record. It returns ErrExists if the id has a record or a
	// grave, whether that can be understood or not. It ignores r.Version. The result is
	// the version that Get returns from then on.
	//
	// The store may keep the values and lists to which r points: the caller must not
	// change them afterwards. The store never changes r itself. r is the caller's again
	// once Create has returned without an error; after an error the store may still use
	// it. The same holds for Update and Bury.
	Create(ctx context.Context, r *Record) (Version, error)

	// Update replaces a record that is at r.Version (compare-and-set). It returns
	// ErrNotFound if there is nothing, ErrGone for a grave, also at the grave's own
	// version, and ErrConflict at another version, and always if r.Version is zero. It
	// never creates.
	//
	// It replaces a record of a newer format like any other, at its version. Get doesn't
	// tell that version, so nobody does so by accident.
	Update(ctx context.Context, r *Record) (Version, error)

	// Bury replaces a record by a grave. With a version it is a compare-and-set as in
	// Update, except that it also replaces a grave at that version. With the zero
	// Version it is unconditional: it buries a record, another grave, a record that
	// can't be understood, and an id that has nothing. The grave has a new version,
	// which Get returns.
	Bury(ctx context.Context, id ID, g Grave, v Version) error

	// Search yields the records, or with q.Ended the graves, that q.Matches selects, in
	// the order of q.Compare, with their versions, at most q.Limit of them. A grave is
	// yielded as Get returns it. Search may trail acknowledged writes by the time that the
	// store's documentation names. It may or may not yield records that are written while
	// it goes on. It yields each other record once.
	//
	// Search passes over a record that can't be understood or is of a newer format, and
	// doesn't count it. An error, such as the context's, is the last element, with a nil
	// record. It is that of q.Check for a query that means nothing, and a *TruncatedError
	// if q.Scan cut the search off. The loop may break early. It may use the store, and may
	// update the records at their versions.
	Search(ctx context.Context, q Query) iter.Seq2[*Record, error]

	// Sweep ends the records of all apps that are over at the time now. A store that
	// keeps records by periods also prepares the next ones.
	//
	//   - A session past Expires is replaced by its ExpiredGrave.
	//   - A session past Deadline, a ledger past Deadline and a grave past Until
	//     are removed, ClockTolerance later, buried before or not.
	//   - A session of a newer format is removed as well, but not buried: only a
	//     newer process can judge whether it is idle.
	//
	// "Past" a time means later than it; nothing is past the zero time. Kind tells a
	// session from a ledger. Stores use no clock but now.
	//
	// Each end is a compare-and-set on the version that was judged: a record that was
	// written meanwhile stays. Sweeps may run at the same time, in several processes. A
	// store that drops whole periods may leave their records alone until then. A record
	// that can't be understood doesn't stop a sweep. If the context ends, the ends that
	// were made remain, and are reported beside the error.
	Sweep(ctx context.Context, now time.Time) (SweepReport, error)
}

// OwnedUpdater is an optional interface for stores that keep records in memory as they
// are: it saves each write a copy.
type OwnedUpdater interface {
	// UpdateOwned is Update of a record that becomes the store's. The store sets its
	// Version before anybody else sees it. The caller must not change it afterwards, nor
	// look at it after an error. The Manager calls UpdateOwned in the place of Update.
	UpdateOwned(ctx context.Context, r *Record) error
}

// SweepReport counts the ends of a Sweep.
type SweepReport struct {
	Buried  int // sessions past Expires that were buried
	Removed int // records, graves and ledgers removed
	Dropped int // periods dropped whole, with all their records
}
