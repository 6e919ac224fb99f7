package protocol

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Records, this package's surface: its options, how it is made and closed,
// and how an operation begins that is carried through.

// Records reads and writes the records of one app in a store.
//
// Concurrency: methods are safe for concurrent use. Several Records may work on one
// store, in one process or in many. Each has queues and a cache of its own.
//
// Outcome: what a method does without an error is acknowledged by the store and stays
// (invariants 1 and 13). An error that wraps driver.ErrUnknown says that nobody can tell
// whether it happened. With any other error nothing has happened, unless the method says
// otherwise.
//
// Time: methods that write are carried through for Options.Timeout, even when the
// caller's context ends. Methods that read end with the caller's context.
//
// Errors: driver.ErrUnavailable, the store didn't answer, or turned the operation down
// (with driver.ErrOverloaded), or a newer version wrote the record (with
// driver.ErrNewer). driver.ErrCorrupt, the record can't be understood. driver.ErrInvalid
// and driver.ErrTooLarge, the store refuses the operation for good. driver.ErrClosed,
// Records or the store is closed. Methods name the errors that they add.
type Records struct {
	store driver.Store        // with the cache around it, if there is one
	owned driver.OwnedUpdater // the store, if it is one and there is no cache
	cache *cache              // nil: none
	vouch driver.Assurances
	app   string
	clock Clock
	o     Options
	load  admission

	calls  calls
	merges merges

	refresher driver.Refresher // the store, if it is one
	refreshes shared
	left      atomic.Bool  // see HasLeftovers
	earlier   atomic.Bool  // it was logged that imports end earlier than is configured
	faults    atomic.Int64 // see Faults
	skews     skews
	witness   *witness
	endings   endings

	mu       sync.Mutex
	queues   map[driver.ID]*Queue // those at work, or held
	retiring map[driver.ID]bool   // whose foreign sessions are being retired; nil: none was
	closed   bool
	work     sync.WaitGroup // the queues' goroutines, and what Begin began, that of RetireImported too
}

// Options say how Records work. All fields have to be set, but for CacheFor, Imports, Ended,
// Fault, Ahead, Apart and Clock, whose zero value is the real time.
type Options struct {
	App         string
	Clock       Clock
	Timeout     time.Duration // of operations that are carried through
	Idle        time.Duration // idle timeout of sessions without one of their own; a record's Expires counts as well
	MaxLifetime time.Duration // the longest that sessions of the app may live
	CacheFor    time.Duration // how long a session is remembered; 0: not at all
	Imports     bool          // foreign sessions are imported
	Logger      *slog.Logger  // gets the errors that no caller gets

	// Ended is called when a session has been ended here, once for each, whatever ended
	// it. It isn't called for the new session of a sign-in that failed. Nor is it for an
	// end whose outcome isn't known, until a later end of the session finds that it
	// happened. Perhaps no more is known of the session than its id. The context is the
	// operation's. nil: nobody is told.
	Ended func(context.Context, driver.Info, driver.EndReason)

	// Fault is called for each fault of a principal's ledger. id is the session that
	// showed it, or the ledger. nil: nobody is told.
	Fault func(ctx context.Context, principal string, what LedgerFault, id driver.ID)

	// Ahead is called each time that a session from the future (see Skew) is read for a
	// visitor or a list, and says how far ahead it is. nil: nobody is told.
	Ahead func(ctx context.Context, id driver.ID, ahead time.Duration)

	// Apart is called when the store's engine is asked for its time, and this machine's
	// clock turns out to be ahead of it by more than driver.ClockTolerance, or behind it
	// (negative): the first time, and once an hour as long as it lasts. nil: nobody is
	// told.
	Apart func(ctx context.Context, ahead time.Duration)
}

// New returns the records of an app in a store.
func New(store driver.Store, o Options) *Records {
	r := &Records{vouch: driver.AssurancesOf(store), app: o.App, clock: o.Clock, o: o, queues: make(map[driver.ID]*Queue), load: admission{since: time.Now()}}
	r.skews.logger, r.skews.told = o.Logger, o.Ahead
	r.witness = &witness{store: store, clock: o.Clock, logger: o.Logger, told: o.Apart, within: o.Timeout, turn: make(chan struct{}, 1)}
	r.refresher, _ = store.(driver.Refresher)
	owned, isOwned := store.(driver.OwnedUpdater)
	r.calls.sparse = isOwned
	r.store = counted{checked{store}, &r.calls}
	if o.CacheFor > 0 {
		r.cache = newCache(r.store, o.App, o.Clock, o.CacheFor, cacheBytes)
		r.store = r.cache
	} else if isOwned {
		r.owned = countedOwned{owned, &r.calls}
	}
	return r
}

// Skew returns the number of sessions from the future that were read, and the worst.
func (r *Records) Skew() Skew { return r.skews.sum() }

// Witness returns what the clock of the store's engine says, as of some seconds ago at
// most.
//
// Errors: driver.ErrUnavailable, it can't be learned now.
func (r *Records) Witness(ctx context.Context) (Witness, error) { return r.witness.ask(ctx) }

// EngineTime returns what the clock of the store's engine shows when this machine's shows
// now. It returns now where the two don't lie apart, or there is but one.
//
// Errors: as Witness.
func (r *Records) EngineTime(ctx context.Context, now time.Time) (time.Time, error) {
	return r.witness.time(ctx, now)
}

// Close refuses further writes, with driver.ErrClosed, and waits for those accepted,
// which takes no longer than their timeouts. Reads go on. The store stays open.
func (r *Records) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.work.Wait()
}

// Begin starts an operation that is carried through even if the client hangs up. It
// returns the operation's context, which ends after Options.Timeout. Close waits
// until done has been called.
//
// Errors: driver.ErrClosed.
func (r *Records) Begin(ctx context.Context) (bound context.Context, done func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, errClosed()
	}
	r.work.Add(1)
	bound, cancel := r.bound(ctx)
	return bound, func() { cancel(); r.work.Done() }, nil
}

// Full reports whether a read that begins now would be turned down.
func (r *Records) Full() bool { return r.load.full() }

// TurnDown turns an operation down, since Records is full. It returns ErrTooMany.
func (r *Records) TurnDown() error {
	r.load.turnedDown.Add(1)
	return ErrTooMany
}

// bound returns the context of an operation that is carried through.
func (r *Records) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), r.o.Timeout)
}

// tell tells Options.Ended of ends that have happened, of each once.
func (r *Records) tell(ctx context.Context, all ...ended) {
	for _, e := range all {
		if e.why != "" && r.endings.first(e.info.ID) && r.o.Ended != nil {
			r.o.Ended(ctx, e.info, e.why)
		}
	}
}

// certain reports whether the store's error proves that the write which it answers
// didn't happen, and never will. It says nothing of earlier attempts.
func (r *Records) certain(err error) bool { return refused(err) || r.vouch.Answers && answered(err) }
