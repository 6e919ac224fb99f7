package protocol

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the way from a session that sign-ins have replaced to the one that
// nobody has used, whose sign-in may have gone unheard.

// maxSuccessors bounds how many sign-ins, one after the other, may go unheard.
const maxSuccessors = 16

// Successor returns the session that took over from one that a sign-in of the principal
// replaced, if it is live and unused. Successors that were replaced themselves while
// they were unused are followed. It returns nil where there is no such session. Graves
// on the way are confirmed, as what is read may be a phantom (invariant 13). Where the
// first session isn't over after all, that is driver.ErrUnavailable.
//
// It tells what is there, and not who may have it: the caller has checked that the
// visitor had the token of the session that was replaced, and who the principal is.
func (r *Records) Successor(ctx context.Context, id driver.ID, principal string) (*driver.Record, error) {
	for n := range maxSuccessors + 1 {
		rec, err := r.store.Get(ctx, id)
		switch {
		case driver.IsGone(rec, err):
		case driver.IsNotFound(err), errors.Is(err, driver.ErrCorrupt):
			return nil, nil
		case err != nil:
			return nil, readError(id, err)
		case n == 0: // a phantom grave was shown, and to begin with nothing would leave the session behind
			return nil, fmt.Errorf("cloakroom: reading %v: %w: it was shown as replaced, and is not", id, driver.ErrUnavailable)
		case rec.Kind != driver.KindSession || rec.App != r.app || rec.Principal != principal || !IsUnused(rec) || r.over(rec, r.clock.Now()):
			return nil, nil
		default:
			return rec, nil
		}
		old, ok := replacedOf(rec.Grave)
		if !ok || rec.Grave.App != r.app || n > 0 && (!old.Unused || rec.Grave.Principal != principal) {
			return nil, nil
		}
		if err := r.confirmGrave(ctx, rec); err != nil {
			return nil, readError(id, err)
		}
		id = rec.Grave.Successor
	}
	return nil, nil
}
