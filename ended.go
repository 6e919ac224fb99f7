package cloakroom

import (
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is why and when a session has ended: Session.Ended, and EndedError.

// Ended tells why and when the session of the request's token has ended, for a page that
// says "you were signed out from another device". ok is false if the session hasn't
// ended, if the request presented no token, and if nobody knows any more: an end is known
// up to the session's deadline, or a little longer. ok is also false for a token that is
// forged or out of time, and for one that a renewal replaced while its session goes on.
//
// An expired session ended when this request or another one found it expired, or at its
// deadline. Of several tokens whose sessions have ended, Ended tells of the session that
// ended last; if the session of one is live, of none.
//
// Ended costs nothing: it tells the end that was read when the session was loaded, or by
// Refresh since. It leaves the client's token alone, as a late answer would make the
// client forget that of the next sign-in: see Forget. Saving a value, or signing in,
// replaces the token.
func (s *Session) Ended() (why EndReason, at time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		return "", time.Time{}, false
	}
	return s.end.Reason, endTime(s.end), true
}

// EndedError is the error of Retrieve for a token whose session has ended, if the reason
// and the time are known. It wraps ErrNotFound.
type EndedError struct {
	ID     ID
	Reason EndReason
	At     time.Time // as Session.Ended tells it
}

// Error implements error.
func (e *EndedError) Error() string {
	return fmt.Sprintf("cloakroom: session %v has ended (%s, %v): %v", e.ID, e.Reason, e.At, ErrNotFound)
}

// Unwrap returns ErrNotFound.
func (e *EndedError) Unwrap() error { return ErrNotFound }

// notFound returns the error for a token that opens no session. end is the session's
// grave, or nil.
func notFound(id ID, end *driver.Grave) error {
	if end == nil {
		return fmt.Errorf("cloakroom: session %v: %w", id, ErrNotFound)
	}
	return &EndedError{ID: id, Reason: end.Reason, At: endTime(end)}
}

// endTime returns when a session ended. For one that was found expired after its deadline
// that is the deadline.
func endTime(g *driver.Grave) time.Time {
	if g.Reason == EndExpired && g.At.After(g.Until) {
		return g.Until
	}
	return g.At
}

// laterEnd returns the grave of the session that ended later; a may be nil.
func laterEnd(a, b *driver.Grave) *driver.Grave {
	if a != nil && endTime(a).After(endTime(b)) {
		return a
	}
	return b
}
