package protocol

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is finding the session of a sign-in whose answer was lost: the way from the
// replaced session's grave to the successor that nobody has used.

// maxSuccessors bounds the sign-ins, one after the other, whose answers may be lost.
const maxSuccessors = 16

// Successor returns the session that took over from one that a sign-in of the principal
// replaced, if it is live and unused. It follows successors that were replaced themselves
// while they were unused. It returns nil where there is no such session. It confirms the
// graves on the way, as they may be phantoms (invariant 13). If the first session isn't
// over after all, the error is driver.ErrUnavailable.
//
// It doesn't ask who may have the session. The caller has checked that the visitor had
// the token of the session that was replaced, and that the principal is the visitor's.
func (r *Records) Successor(ctx context.Context, id driver.ID, principal string) (*driver.Record, error) {
	for n := range maxSuccessors + 1 {
		rec, err := r.store.Get(ctx, id)
		switch {
		case driver.IsGone(rec, err):
		case driver.IsNotFound(err), errors.Is(err, driver.ErrCorrupt):
			return nil, nil
		case err != nil:
			return nil, readError(id, err)
		case n == 0: // its grave was a phantom, and to begin with nothing would leave the session behind
			return nil, fmt.Errorf("cloakroom: reading %v: %w: it was shown as replaced, and is not", id, driver.ErrUnavailable)
		case rec.Kind != driver.KindSession || rec.App != r.app || rec.Principal != principal || !IsUnused(rec):
			return nil, nil
		default:
			over, _, err := r.overByBoth(ctx, rec, r.clock.Now())
			if err != nil || over {
				return nil, err
			}
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
