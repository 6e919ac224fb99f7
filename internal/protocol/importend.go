package protocol

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the end of imports, which the store keeps: it can be moved to an earlier
// time only. Entries of foreign sessions last to the end that they were made under, so
// after a move to a later time some would be imported twice.

// endValue is the name of the one value of the record that keeps the end.
const endValue = "end"

// importsEnd is that value.
type importsEnd struct {
	Until int64 `json:"until"` // in Unix milliseconds
}

// importEnd returns the end of an importer's imports: the earliest that any process
// imported under. The first import of a process that has an earlier one records it. The
// record stays for ever.
func (r *Records) importEnd(ctx context.Context, importer string, configured time.Time) (time.Time, error) {
	stored, err := r.storedImportEnd(ctx, importer)
	if stored.Before(configured) && !stored.IsZero() && r.earlier.CompareAndSwap(false, true) {
		r.o.Logger.ErrorContext(ctx, "cloakroom: imports end earlier than is configured, since a process was configured so: what keeps a session from being imported twice lasts no longer", "importer", importer, "end", stored, "configured", configured)
	}
	if err != nil || !stored.IsZero() && !configured.Before(stored) {
		return stored, err
	}
	id := r.endID(importer)
	rec, err := r.Change(id, &Change{
		Make: func() *driver.Record { return r.newMark(id) },
		Apply: func(next *driver.Record, now time.Time, _ bool) error {
			until := configured
			if there, err := r.readImportEnd(next); err != nil {
				return err
			} else if !there.IsZero() && there.Before(until) {
				until = there
			}
			return setMark(next, endValue, importsEnd{until.UnixMilli()}, now)
		},
	})
	switch {
	case err != nil:
		return time.Time{}, err
	case rec == nil:
		return time.Time{}, errUnknown(id, nil)
	}
	return r.readImportEnd(rec)
}

// ImportEnd returns the end of an importer's imports that the store keeps; the zero time:
// nothing has been imported.
func (r *Records) ImportEnd(ctx context.Context, importer string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	return r.storedImportEnd(ctx, importer)
}

func (r *Records) storedImportEnd(ctx context.Context, importer string) (time.Time, error) {
	id := r.endID(importer)
	rec, err := r.store.Get(ctx, id)
	switch {
	case driver.IsNotFound(err):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, readError(id, err)
	}
	return r.readImportEnd(rec)
}

// readImportEnd decodes the end; the zero time for a record that was just begun.
func (r *Records) readImportEnd(rec *driver.Record) (time.Time, error) {
	raw := rec.Values.Get(endValue)
	if raw == nil {
		return time.Time{}, nil
	}
	var e importsEnd
	if rec.Kind != driver.KindLedger || rec.App != r.app || json.Unmarshal(raw, &e) != nil || e.Until <= 0 {
		return time.Time{}, fmt.Errorf("cloakroom: record %v is not the end of imports: %w", rec.ID, driver.ErrCorrupt)
	}
	return time.UnixMilli(e.Until).UTC(), nil
}

func (r *Records) endID(importer string) driver.ID {
	return driver.DerivedID(driver.LayoutLedger, "cloakroom import end v1", r.app, importer)
}
