package elasticstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Create, Update and Bury, and a write's way to the engine.

// write is one document on its way to the engine. It doesn't change between entering the
// queue and its answer.
type write struct {
	index    string // a name of the store's
	id       driver.ID
	action   action
	at       driver.Version // of actions that compare
	document []byte         // empty for deleteAt
	home     *home          // the index behind the name
}

type action uint8

const (
	createNew   action = iota // if there is no document
	replaceAt                 // the document at a version
	replaceAny                // any document, or none
	deleteAt                  // the document at a version
	actionCount               // the number of actions
)

// name returns the action's name in a bulk request.
func (a action) name() string {
	return [actionCount]string{"create", "index", "index", "delete"}[a]
}

// size estimates the write's bytes in a bulk request.
func (w *write) size() int { return len(w.document) + len(w.index) + 120 }

// written is what became of a write.
type written struct {
	version driver.Version // of the document, if err is nil
	err     error
	sent    bool // with err: the engine may have executed the write, or may yet
}

// Create stores a new record; see driver.Store.
func (s *Store) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	o := s.store(ctx, r, createNew)
	if errors.Is(o.err, errVersion) {
		o.err = driver.ErrExists
	}
	if o.err != nil {
		return driver.Version{}, result(ctx, "create", r.ID, o.err, o.sent)
	}
	return o.version, nil
}

// Update replaces a record at its version; see driver.Store.
func (s *Store) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	o := s.store(ctx, r, replaceAt)
	if o.err != nil {
		return driver.Version{}, result(ctx, "update", r.ID, o.err, o.sent)
	}
	return o.version, nil
}

// Bury replaces a record by a grave; see driver.Store.
func (s *Store) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	if o := s.bury(ctx, id, &g, v); o.err != nil {
		return result(ctx, "bury", id, o.err, o.sent)
	}
	return nil
}

// bury writes a grave.
func (s *Store) bury(ctx context.Context, id driver.ID, g *driver.Grave, v driver.Version) written {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return written{err: err}
	}
	defer done()
	document, err := encodeGrave(id, g)
	if err != nil {
		return written{err: err}
	}
	action := replaceAt
	if v.IsZero() {
		action = replaceAny
	}
	v.Term &^= graveMark // a burial may replace a grave at its version
	p := s.placeOf(id)
	w := &write{index: p.name, id: id, action: action, at: v, document: document}
	return s.carryOut(ctx, p, w, g.Until, nil)
}

// store writes a record.
func (s *Store) store(ctx context.Context, r *driver.Record, a action) written {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return written{err: err}
	}
	defer done()
	w := spareWrites.Get().(*write)
	document, err := appendRecord(w.document[:0], r, false)
	if err != nil {
		return written{err: err}
	}
	p := s.placeOf(r.ID)
	*w = write{index: p.name, id: r.ID, action: a, at: r.Version, document: document}
	o := s.carryOut(ctx, p, w, r.Deadline, r)
	if o.err == nil && cap(document) <= mostDocument {
		spareWrites.Put(w)
	}
	return o
}

// spareWrites are writes that succeeded, kept for the memory of their documents. Every
// flush that had them is over. The write of a caller that gave up may still be on its
// way, and isn't among them.
var spareWrites = sync.Pool{New: func() any { return new(write) }}

// mostDocument is the largest document whose memory is used again, in bytes.
const mostDocument = 64 << 10

// carryOut writes a document, as often as its failures allow. r is the record that the
// document holds; nil for a grave.
func (s *Store) carryOut(ctx context.Context, p *place, w *write, deadline time.Time, r *driver.Record) written {
	if s.cfg.ReadOnly {
		return written{err: errReadOnly}
	}
	if w.action == replaceAt && (w.at.Term == 0 || w.at.Term >= graveMark) {
		// No record is at such a version. The engine must not be asked: a grave is at
		// its own.
		return written{err: s.conflict(ctx, w)}
	}
	if err := s.prepare(ctx); err != nil {
		return written{err: err}
	}
	s.places.lived(w.id, deadline)
	c := carrying{s: s, p: p, w: w, r: r, backoff: s.backoff()}
	for tries := 0; ; tries++ {
		if !p.made.ok.Load() {
			if err := s.ensure(ctx, p.name, s.places.longest(w.id.Layout())); err != nil {
				return written{err: err, sent: c.sent}
			}
		}
		c.w.home = p.home.Load()
		if c.w.action == replaceAt && !c.w.home.has(c.w.at) {
			// It was read in another index, whose versions say nothing of this one's.
			return written{err: s.conflict(ctx, c.w), sent: c.sent}
		}
		if tries > 0 {
			s.counts.retries.Add(1)
		}
		v, err := s.writes.Do(ctx, c.w)
		if err == nil {
			s.copies.wrote(c.w, v, c.r)
			return written{version: v}
		}
		if moved, ok := errors.AsType[*movedError](err); ok {
			return c.moved(ctx, moved)
		}
		if err := c.failed(ctx, err); err != nil {
			return written{err: err, sent: c.sent}
		}
	}
}

// carrying is a write that is under way, with what its attempts have shown.
type carrying struct {
	s       *Store
	p       *place
	w       *write
	r       *driver.Record // nil: w can't be sent in another form
	sent    bool           // the engine may have executed an attempt
	missing time.Time      // when the index was first found missing
	backoff backoff
}

// failed acts on an attempt that failed with err. It returns nil if the write is to be
// sent again, else the error of the write.
func (c *carrying) failed(ctx context.Context, err error) error {
	var f *fault
	var refused *refusal
	switch {
	case errors.Is(err, errVersion):
		c.sent = true
		if c.w.action == createNew {
			return err
		}
		return c.s.conflict(ctx, c.w)
	case errors.Is(err, errNoIndex):
		return c.noIndex(ctx)
	case errors.As(err, &refused):
		return c.refused(refused)
	case errors.As(err, &f):
		if f.blocked && c.elsewhere(ctx) {
			return nil
		}
		c.sent = c.sent || !f.certain
		// A write that may have been executed would meet itself as a conflict.
		if c.sent && c.w.action != replaceAny || !c.backoff.wait(ctx, f) {
			return err
		}
		return nil
	}
	maybe, ok, own := fromBatch(ctx, err)
	if !ok { // the flush failed
		c.sent = true
		return err
	}
	c.sent = c.sent || maybe
	return c.backoff.after(own)
}

// noIndex has a missing index made again: a sweep dropped it since this process last
// looked, or a node lags behind.
func (c *carrying) noIndex(ctx context.Context) error {
	c.p.made.forget()
	c.s.copies.forgetAll()
	if c.missing.IsZero() {
		c.missing = time.Now()
	}
	if time.Since(c.missing) > c.s.cfg.patience || !c.backoff.pause(ctx) {
		return c.s.outOfSight(c.p.name)
	}
	return nil
}

// movedError: a write was executed in another index than was expected.
type movedError struct {
	index   string
	version driver.Version
}

func (m *movedError) Error() string { return "written into another index" }

// moved acts on a write that was executed in the index that the name is an alias of since.
// It wasn't refused, so it is done, at a version of that index. A compare-and-set only gets
// here by an alias that takes writes. It was then compared with another index's version,
// which no request to an engine can rule out: Report warns of such an alias.
func (c *carrying) moved(ctx context.Context, m *movedError) written {
	if _, err := c.s.look(ctx, c.p); err != nil {
		return written{err: err, sent: true}
	}
	if h := c.p.home.Load(); h.is(c.p.name, []byte(m.index)) {
		return written{version: h.in(m.version)}
	}
	return written{sent: true, err: &fault{
		text: fmt.Sprintf("the document was written into %q, and %q is an alias of another index since", m.index, c.p.name),
	}}
}

// elsewhere reports whether a block is that of an index whose documents were moved.
func (c *carrying) elsewhere(ctx context.Context) bool {
	const often = 100 * time.Millisecond // a block that stays must not cost a look for each save
	return c.s.lookSince(ctx, c.p, often) == nil && c.p.home.Load() != c.w.home
}

// refused has a record with values, which the engine refuses, sent once more in the form
// that every engine takes.
func (c *carrying) refused(refused *refusal) error {
	if c.r == nil || len(c.r.Values) == 0 || refused.large {
		return c.s.refuse(c.w, refused)
	}
	document, err := encodeRecord(c.r, true)
	if err != nil {
		return fmt.Errorf("%w: %w", driver.ErrInvalid, errors.Join(refused, err))
	}
	next := *c.w
	next.document = document
	c.w, c.r = &next, nil
	return nil
}

// refuse returns the error of a document that is refused in its plainest form, in which
// no value can be the reason. Either the record can never be stored, or the index isn't
// one that this package made.
func (s *Store) refuse(w *write, r *refusal) error {
	if r.mapping {
		return &fault{certain: true, cause: r, text: fmt.Sprintf("the index %q refuses documents of this package, so its mapping is another's: "+
			"reindex it into one that has the mapping of the template %q, or remove it if there is nothing in it that matters", w.index, s.names.template())}
	}
	if r.large {
		return fmt.Errorf("%w: %w", driver.ErrTooLarge, r)
	}
	return fmt.Errorf("%w: %w", driver.ErrInvalid, r)
}

// conflict returns the error of a write that didn't find its version. It reads the
// record for that.
func (s *Store) conflict(ctx context.Context, w *write) error {
	s.copies.doubt(w.id)
	_, err := s.get(ctx, w.id)
	switch {
	case err == nil, errors.Is(err, driver.ErrCorrupt), errors.Is(err, driver.ErrNewer):
		return driver.ErrConflict
	case errors.Is(err, driver.ErrGone), errors.Is(err, driver.ErrNotFound):
		return err
	}
	return fmt.Errorf("%w; what was there can't be read: %w", errVersion, err)
}
