package elasticstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/batch"
	"github.com/cloakroom-go/cloakroom/internal/timeout"
)

// This file is Store: its making and closing, and the begin and end of operations.

// Store is a driver.Store that keeps records in Elasticsearch or OpenSearch. Make one
// with Open or New. Its methods may be called concurrently.
type Store struct {
	client Client
	owned  *client // the client if Open made it
	cfg    Config
	names  names
	reads  *batch.Batcher[target, *driver.Record]
	writes *batch.Batcher[*write, driver.Version]

	copies *copies // records for reads to compare with

	ready       once   // Setup's work
	places      places // where documents are
	generations atomic.Uint64
	registered  atomic.Pointer[register] // as this process saw it last; nil: not yet
	notes       notes
	incidents   notes       // of their own, since others may be too many
	unseen      atomic.Bool // the login may not see templates

	lastPlace atomic.Pointer[current] // see placeOf
	alarms    *timeout.Alarms         // end operations whose time is over

	counts counts // see Figures

	mu      sync.RWMutex // guards closed against operations that begin
	closed  bool
	closing chan struct{}  // closed when closed is set
	running sync.WaitGroup // operations under way
}

var (
	_ driver.Store     = (*Store)(nil)
	_ driver.Inspector = (*Store)(nil)
	_ driver.Refresher = (*Store)(nil)
	_ driver.Lister    = (*Store)(nil)
	_ driver.Fencer    = (*Store)(nil)
	_ driver.Counter   = (*Store)(nil)
)

// Format implements fmt.Formatter. It prints Config.Index, and no secrets.
func (s *Store) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "elasticstore %q", s.cfg.Index) }

// New returns a Store on a client. A nil config means the defaults. New fails only for a
// wrong configuration, and does no network I/O: Setup, or the first operation that needs
// them, makes the template and the indices. Close the Store when done; the client stays
// open.
func New(c Client, config *Config) (*Store, error) {
	if c == nil {
		return nil, errors.New("elasticstore: the client is nil")
	}
	cfg, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Store{client: c, cfg: cfg, names: names{cfg.Index, cfg.OneIndex}, closing: make(chan struct{})}
	if cl, ok := c.(*client); ok {
		cl.logger.CompareAndSwap(nil, cfg.Logger)
	}
	s.counts.since = time.Now()
	s.tellInClear()
	s.ready.now = cfg.now
	s.copies = newCopies(cfg.CopyBytes)
	s.alarms = timeout.NewAlarms(cfg.RequestTimeout / 64)
	s.reads = batch.New(batch.Config[target, *driver.Record]{
		Flush:    s.readAll,
		MaxItems: cfg.MaxItems, QueueItems: cfg.QueueItems,
		InFlight: cfg.InFlight, FlushTimeout: cfg.RequestTimeout,
	})
	s.writes = batch.New(batch.Config[*write, driver.Version]{
		Flush: s.writeAll, Size: (*write).size,
		MaxItems: cfg.MaxItems, MaxBytes: cfg.MaxBytes, QueueItems: cfg.QueueItems, QueueBytes: cfg.QueueBytes,
		InFlight: cfg.InFlight, FlushTimeout: cfg.RequestTimeout,
	})
	return s, nil
}

// Open makes a client and a Store on it, and sets the engine up.
//
// It fails if the configuration is wrong, or if the engine's answer shows that it is: it
// doesn't accept the login, the login lacks a privilege that is needed, or indices or a
// template are not the store's. It doesn't fail if the engine is in trouble or can't be
// reached. It then tells the Logger, and returns a Store that works as soon as the
// engine does: so a deployment during an outage starts. Open waits for the engine until
// ctx ends, for 5 seconds at most.
func Open(ctx context.Context, c ClientConfig, config *Config) (*Store, error) {
	cl, err := newClient(c)
	if err != nil {
		return nil, fmt.Errorf("elasticstore: %w", err)
	}
	s, err := New(cl, config)
	if err != nil {
		return nil, err
	}
	s.owned = cl
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	begin, failed := s.prepare, "the engine can't be set up yet; trying again when it is needed"
	if s.cfg.ReadOnly {
		begin, failed = s.checkReading, "the store's indices can't be read yet; each operation tries again"
	}
	if err := begin(ctx); err != nil {
		var f *fault
		if errors.As(err, &f) && f.settings {
			_ = s.Close() // always nil
			return nil, opError("open", err)
		}
		s.cfg.Logger.Warn("elasticstore: "+failed, "error", err)
	}
	return s, nil
}

// Client returns the client that the Store asks the engine by: the one that New was given,
// or the one that Open made. It is for requests of the application's own, on other indices
// than the Store's.
func (s *Store) Client() Client { return s.client }

// Close waits for the operations that have begun; they don't try again. All later ones
// return ErrClosed. A Sweep or Search under way ends early, with ErrClosed. Close
// doesn't close a client that was given to New. It always returns nil.
func (s *Store) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	s.running.Wait()
	s.reads.Close()
	s.writes.Close()
	s.alarms.Stop()
	if s.owned != nil {
		s.owned.close()
	}
	return nil
}

// begin begins an operation, and bounds its time. Unless begin fails, the caller must
// call done at the end.
func (s *Store) begin(ctx context.Context) (limited context.Context, done func(), err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, nil, driver.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, contextError(ctx)
	}
	s.running.Add(1)
	c := new(timeout.Context)
	c.Begin(ctx, time.Now().Add(2*s.cfg.RequestTimeout), s.alarms)
	return c, func() { c.End(); s.running.Done() }, nil
}

// beginLong begins an operation of unbounded time. Close ends it.
func (s *Store) beginLong(ctx context.Context) (long context.Context, done func(), err error) {
	_, finished, err := s.begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	long, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	s.detached(func() {
		select {
		case <-s.closing:
			cancel(driver.ErrClosed)
		case <-ended:
		}
	})
	return long, func() {
		close(ended)
		cancel(nil)
		finished()
	}, nil
}

// contextError returns how ctx ended, with the cause.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause != nil && !errors.Is(cause, err) {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// opError adds the store and the operation to an error.
func opError(op string, err error) error {
	return fmt.Errorf("elasticstore: %s: %w", op, err)
}

// result turns an operation's failure into its error. ctx is the caller's. sent tells
// that a write may have been executed, or may yet be.
func result(ctx context.Context, op string, id driver.ID, err error, sent bool) error {
	for _, known := range []error{driver.ErrNotFound, driver.ErrGone, driver.ErrExists, driver.ErrConflict,
		driver.ErrCorrupt, driver.ErrNewer, driver.ErrInvalid, driver.ErrTooLarge, driver.ErrClosed, driver.ErrOverloaded} {
		if errors.Is(err, known) {
			return fmt.Errorf("elasticstore: %s %v: %w", op, id, err)
		}
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %w", contextError(ctx), err)
	}
	if !sent && errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("elasticstore: %s %v: %w", op, id, err) // the caller's wish, no outage
	}
	return fmt.Errorf("elasticstore: %s %v: %w", op, id, unavailable(err, sent))
}

// once does a thing once for all callers, and again after a failure. It makes one
// attempt at a time, with pauses between them; concurrent callers share an attempt.
type once struct {
	now func() time.Time

	ok       atomic.Bool
	mu       sync.Mutex
	attempt  *attempt
	failed   *attempt // the last attempt that failed
	failures int
	notYet   time.Time
}

type attempt struct {
	done chan struct{}
	err  error
}

const (
	firstRetry = 50 * time.Millisecond
	mostRetry  = 2 * time.Second
)

// do returns nil once f has succeeded, and an error once f has failed again, or if it
// failed just now. The end of ctx ends the wait and not f.
func (o *once) do(ctx context.Context, run func(f func()), f func() error) error {
	if o.ok.Load() {
		return nil
	}
	o.mu.Lock()
	if o.ok.Load() {
		o.mu.Unlock()
		return nil
	}
	a := o.attempt
	if a == nil {
		if o.failed != nil && o.now().Before(o.notYet) {
			defer o.mu.Unlock()
			return o.failed.err
		}
		a = &attempt{done: make(chan struct{})}
		o.attempt = a
		run(func() {
			a.err = f()
			o.finish(a)
		})
	}
	o.mu.Unlock()
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		// The attempt goes on; a caller with more time may wait for it again.
		return &fault{certain: true, again: always, text: "while the engine was being set up", cause: contextError(ctx)}
	}
}

func (o *once) finish(a *attempt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer close(a.done)
	o.attempt = nil
	if a.err == nil {
		o.failed, o.failures = nil, 0
		o.ok.Store(true)
		return
	}
	o.failed = a
	o.notYet = o.now().Add(min(firstRetry<<min(o.failures, 10), mostRetry))
	o.failures++
}

// succeed notes that the thing was done by other means.
func (o *once) succeed() { o.ok.Store(true) }

// forget makes the next caller do it again.
func (o *once) forget() { o.ok.Store(false) }

// detached runs f for an operation that has begun. Close waits for it.
func (s *Store) detached(f func()) { s.running.Go(f) }

// notes are the events that were logged already.
type notes struct {
	mu   sync.Mutex
	seen map[string]bool
}

// first reports whether it is called with an event for the first time. After some 1000
// events it always returns false.
func (n *notes) first(what string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen[what] || len(n.seen) > 1000 {
		return false
	}
	if n.seen == nil {
		n.seen = map[string]bool{}
	}
	n.seen[what] = true
	return true
}
