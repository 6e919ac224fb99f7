package cloakroom

import (
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what can be told of a session that has ended: why, and when.

// Ended tells why and when the session has ended whose token the request presented, for
// a page that says "you were signed out from another device". ok is false if it hasn't,
// if none was presented, and where nobody knows any more: what has ended is known up to
// its deadline, or a little longer. Of tokens that are forged or out of time it tells
// nothing, nor of one that a renewal replaced while its session goes on.
//
// A session that expired has ended when that was found, by this request or by another,
// or at its deadline. Of several tokens whose sessions have ended it is the one that
// ended last, and if that of a live one is among them, none.
//
// It is what was read when the session was loaded, or by Refresh since, and costs
// nothing. Whatever it tells, the client's token is left alone, as an answer that comes
// late would make it forget that of the next sign-in: see Forget. Saving a value, or
// signing in, replaces it.
func (s *Session) Ended() (why EndReason, at time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		return "", time.Time{}, false
	}
	return s.end.Reason, endTime(s.end), true
}

// EndedError is the error of Retrieve for a token whose session has ended, if it is known
// why and when. It wraps ErrNotFound.
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

// notFound is the error for a session that a token doesn't open, which has ended as a
// grave says, if there is one.
func notFound(id ID, end *driver.Grave) error {
	if end == nil {
		return fmt.Errorf("cloakroom: session %v: %w", id, ErrNotFound)
	}
	return &EndedError{ID: id, Reason: end.Reason, At: endTime(end)}
}

// endTime returns when a session ended. One may be found expired after its deadline.
func endTime(g *driver.Grave) time.Time {
	if g.Reason == EndExpired && g.At.After(g.Until) {
		return g.Until
	}
	return g.At
}

// laterEnd returns which of two sessions ended later; a may be nil.
func laterEnd(a, b *driver.Grave) *driver.Grave {
	if a != nil && endTime(a).After(endTime(b)) {
		return a
	}
	return b
}
