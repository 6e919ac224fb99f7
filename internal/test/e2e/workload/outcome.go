package workload

import (
	"errors"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// notOpened is the result where the session could not be read. Nothing was
// tried.
func notOpened(err error) Result {
	switch {
	case errors.Is(err, cloakroom.ErrNotFound):
		return Result{Outcome: history.NotFound}
	case errors.Is(err, cloakroom.ErrUnavailable), errors.Is(err, cloakroom.ErrClosed):
		return notSent(err.Error())
	}
	return failed(err)
}

// result says what an operation's error promises, as the comments of the root
// package's errors and methods have it:
//
//   - ErrUnknown: it may have happened, or happen yet. With ErrGone, the session
//     has ended besides. What only reads has no unknown outcome, but for the first
//     request with the token of a sign-in, which records that.
//   - Destroy and RevokeAll may have happened, or be half done, when the store
//     didn't answer or was closed. Other errors they have none.
//   - ErrUnavailable without ErrUnknown, and ErrClosed: it did not happen.
//   - ErrGone, ErrConflict, ErrRevoked: it did not happen, and why.
func result(op Op, err error) Result {
	if err == nil {
		return Result{Outcome: history.Done}
	}
	r := Result{Note: err.Error()}
	switch {
	case errors.Is(err, cloakroom.ErrUnknown) && op.Kind == history.Begin:
		r.Outcome = history.Failed
	case errors.Is(err, cloakroom.ErrUnknown):
		r.Outcome = history.Unknown
		// Of a sign-in it may be the new one, and a sign-out everywhere is of no one session.
		r.Ended = op.Kind != history.Login && op.Kind != history.Revoke && errors.Is(err, cloakroom.ErrGone)
	case errors.Is(err, cloakroom.ErrUnavailable), errors.Is(err, cloakroom.ErrClosed):
		r.Outcome = history.Unavailable
		if op.Kind == history.Destroy || op.Kind == history.Revoke {
			r.Outcome = history.Unknown
		}
	case errors.Is(err, cloakroom.ErrGone):
		r.Outcome = history.Gone
	case errors.Is(err, cloakroom.ErrConflict):
		r.Outcome = history.Conflict
	case errors.Is(err, cloakroom.ErrRevoked):
		r.Outcome = history.Revoked
	default:
		r.Outcome = history.Failed
	}
	return r
}

func failed(err error) Result {
	r := Result{Outcome: history.Failed}
	if err != nil {
		r.Note = err.Error()
	}
	return r
}
