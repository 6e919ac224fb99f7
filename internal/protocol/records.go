package protocol

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what the records of an app are reached by, and its beginning and
// end.

// Records reads and writes the records of one app in a store. It is safe for
// concurrent use.
//
// What a method returned without an error has happened, is acknowledged by the
// store, and stays. An error that wraps driver.ErrUnknown says that nobody can
// tell; with any other nothing has happened, unless the method says otherwise.
// Methods that write are carried through for Options.Timeout, even when the
// caller's context ends.
type Records struct {
	store driver.Store        // with the cache around it, if there is one
	owned driver.OwnedUpdater // the store, if it is one
	cache *cache              // nil: none
	app   string
	clock Clock
	o     Options
	load  admission

	mu     sync.Mutex
	queues map[driver.ID]*Queue // that something is in, or that somebody holds
	closed bool
	work   sync.WaitGroup // the queues' goroutines, and what Begin began
}

// Options say how Records work. All fields but CacheFor are to be set.
type Options struct {
	App         string
	Clock       Clock
	Timeout     time.Duration // bounds what is carried through
	Idle        time.Duration // idle timeout; what a record says counts as well
	MaxLifetime time.Duration // the longest that sessions of the app may live
	CacheFor    time.Duration // how long what was read is remembered; 0: not at all
	Logger      *slog.Logger  // gets what goes wrong where there is no caller to tell

	// Ended is told of each session that is ended here.
	Ended func(context.Context, driver.ID, driver.EndReason)
}

// New returns the records of an app in a store.
func New(store driver.Store, o Options) *Records {
	r := &Records{app: o.App, clock: o.Clock, o: o, queues: make(map[driver.ID]*Queue), load: admission{since: time.Now()}}
	if o.CacheFor > 0 {
		r.cache = newCache(store, o.App, o.Clock.precise, o.CacheFor, cacheBytes)
		store = r.cache
	}
	r.store = store
	r.owned, _ = store.(driver.OwnedUpdater)
	return r
}

// Close refuses further changes and waits for those accepted, which takes no
// longer than their timeouts.
func (r *Records) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.work.Wait()
}

// Begin starts what is carried through even if the client hangs up, for as long
// as Options.Timeout, and what Close waits for. done has to be called at its end.
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

// bound returns the context of something to be carried through.
func (r *Records) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), r.o.Timeout)
}

func errClosed() error { return fmt.Errorf("cloakroom: manager: %w", driver.ErrClosed) }

// errUnknown is the error of a write whose outcome could not be learned.
func errUnknown(id driver.ID, cause error) error {
	err := fmt.Errorf("cloakroom: %v: %w: %w", id, driver.ErrUnknown, driver.ErrUnavailable)
	switch {
	case cause == nil:
		return err
	case answered(cause): // what the store said is no proof, and would mislead
		return fmt.Errorf("%w: %v", err, cause) //nolint:errorlint // not to be told by errors.Is
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// errGone is the error of a change that meets the end of its session.
func errGone(id driver.ID) error { return fmt.Errorf("cloakroom: %v: %w", id, driver.ErrGone) }

// refused reports whether the store's error says that nothing was written and
// that there is no point in looking.
func refused(err error) bool {
	return errors.Is(err, driver.ErrInvalid) || errors.Is(err, driver.ErrOverloaded) || errors.Is(err, driver.ErrClosed)
}

// answered reports whether the store said that a compare-and-set, or a create,
// met something else.
func answered(err error) bool {
	return errors.Is(err, driver.ErrConflict) || errors.Is(err, driver.ErrExists) || errors.Is(err, driver.ErrGone) || driver.IsNotFound(err)
}
