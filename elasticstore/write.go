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
	index    string
	id       driver.ID
	action   action
	at       driver.Version // of actions that compare
	document []byte         // empty for deleteAt
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

// Create stores a new record; see driver.Store.
func (s *Store) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	v, sent, err := s.store(ctx, r, createNew)
	if errors.Is(err, errVersion) {
		err = driver.ErrExists
	}
	if err != nil {
		return driver.Version{}, result(ctx, "create", r.ID, err, sent)
	}
	return v, nil
}

// Update replaces a record at its version; see driver.Store.
func (s *Store) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	v, sent, err := s.store(ctx, r, replaceAt)
	if err != nil {
		return driver.Version{}, result(ctx, "update", r.ID, err, sent)
	}
	return v, nil
}

// Bury replaces a record by a grave; see driver.Store.
func (s *Store) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	action := replaceAt
	if v.IsZero() {
		action = replaceAny
	}
	v.Term &^= graveMark // a burial may replace a grave at its version
	sent := false
	bounded, done, err := s.begin(ctx)
	if err == nil {
		defer done()
		var document []byte
		if document, err = encodeGrave(id, &g); err == nil {
			w := &write{index: s.indexOf(id), id: id, action: action, at: v, document: document}
			_, sent, err = s.carryOut(bounded, w, g.Until, nil)
		}
	}
	if err != nil {
		return result(ctx, "bury", id, err, sent)
	}
	return nil
}

// store writes a record.
func (s *Store) store(ctx context.Context, r *driver.Record, a action) (v driver.Version, sent bool, err error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return v, false, err
	}
	defer done()
	w := spareWrites.Get().(*write)
	document, err := appendRecord(w.document[:0], r, false)
	if err != nil {
		return v, false, err
	}
	*w = write{index: s.indexOf(r.ID), id: r.ID, action: a, at: r.Version, document: document}
	v, sent, err = s.carryOut(ctx, w, r.Deadline, r)
	if err == nil && cap(document) <= mostDocument {
		spareWrites.Put(w)
	}
	return v, sent, err
}

// spareWrites are writes that succeeded, kept for the memory of their documents. Every
// flush that had them is over. The write of a caller that gave up may still be on its
// way, and isn't among them.
var spareWrites = sync.Pool{New: func() any { return new(write) }}

// mostDocument is the largest document whose memory is used again, in bytes.
const mostDocument = 64 << 10

// carryOut writes a document, tries again if the engine certainly hasn't executed the
// write, and finds out the reason of a version conflict. If the engine refuses a record
// that has values, carryOut sends it once more in the form that every engine takes.
func (s *Store) carryOut(ctx context.Context, w *write, deadline time.Time, r *driver.Record) (v driver.Version, sent bool, err error) {
	if w.action == replaceAt && (w.at.Term == 0 || w.at.Term >= graveMark) {
		// No record is at such a version. The engine must not be asked: a grave is at
		// its own.
		return v, false, s.conflict(ctx, w)
	}
	if err := s.prepare(ctx); err != nil {
		return v, false, err
	}
	s.indices.lived(w.id, deadline)
	b := s.backoff()
	var missing time.Time // when the index was first found missing
	for {
		if err := s.ensure(ctx, w.index, s.indices.longest(w.id.Layout())); err != nil {
			return v, sent, err
		}
		v, err = s.writes.Do(ctx, w)
		if err == nil {
			s.copies.wrote(w, v)
			return v, false, nil // before the variables below cost memory
		}
		var f *fault
		var refused *refusal
		switch {
		case errors.Is(err, errVersion):
			if w.action != createNew {
				err = s.conflict(ctx, w)
			}
			return v, true, err
		case errors.Is(err, errNoIndex):
			// A sweep dropped it since this process last looked, or a node lags behind.
			s.lost(w.index)
			if missing.IsZero() {
				missing = time.Now()
			}
			if time.Since(missing) > s.cfg.patience || !b.pause(ctx) {
				return v, sent, &fault{certain: true, text: fmt.Sprintf("the index %q was there just now, and isn't for the node that was asked", w.index)}
			}
		case errors.As(err, &refused):
			if r == nil || len(r.Values) == 0 || refused.large {
				return v, sent, s.refuse(w, refused)
			}
			document, err := encodeRecord(r, true)
			if err != nil {
				return v, sent, fmt.Errorf("%w: %w", driver.ErrInvalid, errors.Join(refused, err))
			}
			next := *w
			next.document, w, r = document, &next, nil
		case errors.As(err, &f):
			sent = sent || !f.certain
			if sent && w.action != replaceAny || !b.wait(ctx, f) {
				return v, sent, err
			}
		default:
			if maybe, ok, own := fromBatch(ctx, err); ok {
				return v, sent || maybe, b.after(own)
			}
			return v, true, err // the flush failed
		}
	}
}

// refuse returns the error of a document that is refused in its plainest form, in which
// no value can be the reason. Either the record can never be stored, or the index isn't
// one that this package made.
func (s *Store) refuse(w *write, r *refusal) error {
	if r.mapping {
		return &fault{certain: true, cause: r, text: fmt.Sprintf("the index %q refuses documents of this package, so its mapping is another's: "+
			"reindex it into one that has the mapping of the template %q, or remove it if there is nothing in it that matters", w.index, s.names.template())}
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
